// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/tracing.h"

#include <chrono>

#include "common/status/status.h"
#include "common/task/task_kind.h"

namespace lwq::coordinator {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;

int64_t UnixNsNow() {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(since_1970).count();
}

// Calls that workers make all the time say nothing in a trace.
bool IsTraced(const MethodRule& rule) {
  return rule.rpc != Rpc::kLeaseTask && rule.rpc != Rpc::kHeartbeat;
}

Span SpanOfRun(const RunRecord& run, const TraceContext& own) {
  Span span{.trace_id = own.trace_id,
            .span_id = own.parent_id,
            .parent_id = run.trace.parent_id,
            .name = "run",
            .begin_unix_ns = run.submitted_unix_ms * kNsPerMs,
            .end_unix_ns = run.finished_unix_ms * kNsPerMs};
  span.attributes = {{"lwq.run", run.id.value},
                     {"lwq.name", run.spec->name},
                     {"lwq.project", run.spec->project},
                     {"lwq.state", std::string(RunStateName(run.state))}};
  span.failed = run.state == RunState::kFailed;
  span.error = run.error;
  return span;
}

}  // namespace

std::optional<TraceContext> TraceOf(const grpc::ServerContextBase& context) {
  const auto& metadata = context.client_metadata();
  if (metadata.count("traceparent") != 1) return std::nullopt;
  const grpc::string_ref header = metadata.find("traceparent")->second;
  return ParseTraceparent({header.data(), header.size()});
}

std::optional<TraceContext> Tracing::TraceOfSubmission(const grpc::ServerContextBase& context) const {
  std::optional<TraceContext> trace = TraceOf(context);
  if (!trace.has_value() && spans_ != nullptr) trace = TraceContext{NewTraceId(), "", /*sampled=*/true};
  return trace;
}

RunTrace Tracing::NewRun(const std::optional<TraceContext>& trace) {
  if (!trace.has_value()) return {};
  return {.traceparent = Traceparent({trace->trace_id, NewSpanId(), trace->sampled}), .parent_id = trace->parent_id};
}

void Tracing::Leased(const Lease& lease) const {
  if (spans_ == nullptr || lease.ready_unix_ms == 0) return;
  const std::optional<TraceContext> of_run = ParseTraceparent(lease.traceparent);
  if (!of_run.has_value() || !of_run->sampled) return;
  Span span{.trace_id = of_run->trace_id,
            // The same lease may be answered again.
            .span_id = SpanIdOf(of_run->trace_id, absl::StrCat("queue ", lease.task.hex(), " ", lease.token)),
            .parent_id = of_run->parent_id,
            .name = absl::StrCat("queue ", TaskKindName(lease.def->kind)),
            .begin_unix_ns = lease.ready_unix_ms * kNsPerMs,
            .end_unix_ns = lease.leased_unix_ms * kNsPerMs};
  span.attributes = {{"lwq.run", lease.run.value},
                     {"lwq.task", lease.task.short_hex()},
                     {"lwq.attempt", int64_t{lease.attempt}},
                     {"lwq.title", lease.title}};
  spans_->Add(std::move(span));
}

void Tracing::OnEnded(const EndedCall& call) {
  if (spans_ == nullptr || call.rule == nullptr || !IsTraced(*call.rule)) return;
  const std::optional<TraceContext> caller = TraceOf(*call.context);
  if (!caller.has_value() || !caller->sampled) return;
  const int64_t now = UnixNsNow();
  const std::string service = absl::StrCat("lwqat.v1.", call.rule->service);
  Span span{.trace_id = caller->trace_id,
            .span_id = NewSpanId(),
            .parent_id = caller->parent_id,
            .name = absl::StrCat(service, "/", call.rule->name),
            .kind = Span::Kind::kServer,
            .begin_unix_ns = now - static_cast<int64_t>(call.seconds * 1e9),
            .end_unix_ns = now};
  span.attributes = {{"rpc.system", std::string("grpc")},
                     {"rpc.service", service},
                     {"rpc.method", std::string(call.rule->name)},
                     {"rpc.grpc.status_code", static_cast<int64_t>(call.status.error_code())}};
  span.failed = !call.status.ok();
  span.error = call.status.error_message();
  spans_->Add(std::move(span));
}

void SendEndedRuns(std::span<const Change> changes, OtlpExporter& spans) {
  for (const Change& change : changes) {
    // Told once more where its record changes after its end: it is the same span.
    const auto* put = std::get_if<PutRun>(&change);
    if (put == nullptr || !IsTerminal(put->run.state)) continue;
    const std::optional<TraceContext> own = ParseTraceparent(put->run.trace.traceparent);
    if (own.has_value() && own->sampled) spans.Add(SpanOfRun(put->run, *own));
  }
}

}  // namespace lwq::coordinator
