// SPDX-License-Identifier: Apache-2.0
// W3C trace contexts of calls, and the coordinator's spans: calls, runs, and how long tasks waited in the queue.
//
// A run is a span in the trace of whoever submitted it, and the parent of what its tasks take: their waits here, their
// executions on workers. A caller's context that is none is ignored, as the standard has it. Where the caller has none
// and spans are sent, what it submits begins a trace; other calls without one are not traced, nor are leases and
// heartbeats. Only what is marked as sampled is sent.
//
// Thread-safety: any thread. The exporter must outlive this.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "common/trace/otlp_exporter.h"
#include "common/trace/trace_context.h"
#include "coordinator/scheduler/state/events.h"
#include "coordinator/scheduler/state/records.h"
#include "coordinator/service/call_observer.h"
#include "grpcpp/grpcpp.h"

namespace lwq::coordinator {

// Of the header "traceparent", which must come once.
std::optional<TraceContext> TraceOf(const grpc::ServerContextBase& context);

class Tracing final : public CallListener {
 public:
  // Null: contexts are passed on, and no span is sent.
  explicit Tracing(OtlpExporter* spans) : spans_(spans) {}

  // The trace of what the call submits; none: it is in none.
  std::optional<TraceContext> TraceOfSubmission(const grpc::ServerContextBase& context) const;
  // The place of a new run in it.
  static RunTrace NewRun(const std::optional<TraceContext>& trace);

  // A worker is given the lease.
  void Leased(const Lease& lease) const;
  void OnEnded(const EndedCall& call) override;

 private:
  OtlpExporter* const spans_;  // may be null
};

// The spans of runs that these changes say have ended.
void SendEndedRuns(std::span<const Change> changes, OtlpExporter& spans);

}  // namespace lwq::coordinator
