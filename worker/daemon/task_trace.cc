// SPDX-License-Identifier: Apache-2.0
#include "worker/daemon/task_trace.h"

#include <cmath>
#include <optional>

#include "common/status/status.h"
#include "common/trace/trace_context.h"

namespace lwq::worker {
namespace {

namespace pb = lwqat::v1;

constexpr size_t kShownKeyDigits = 12;  // as ids are shown everywhere

std::string ShortKey(const pb::Lease& lease) {
  return lease.task_key().substr(0, kShownKeyDigits);
}

// The attempt's own: its parent is its span.
std::optional<TraceContext> ContextOf(const pb::Lease& lease) {
  std::optional<TraceContext> context = ParseTraceparent(lease.traceparent());
  if (context.has_value()) {
    context->parent_id = SpanIdOf(context->trace_id, absl::StrCat("execute ", lease.task_key(), " ", lease.token()));
  }
  return context;
}

std::string OutcomeText(const pb::ReportTaskRequest& report) {
  if (report.has_failure()) return pb::FailureCause_Name(report.failure().cause());
  if (report.has_released()) return "released";
  return report.success().from_cache() ? "found_done" : "executed";
}

}  // namespace

LogFields FieldsOf(const pb::Lease& lease) {
  LogFields fields;
  if (!lease.run_id().empty()) fields.emplace_back("run", lease.run_id());
  fields.emplace_back("task", ShortKey(lease));
  fields.emplace_back("attempt", absl::StrCat(lease.attempt()));
  fields.emplace_back("kind", lease.kind());
  if (const auto context = ContextOf(lease); context.has_value()) {
    fields.emplace_back("trace_id", context->trace_id);
    fields.emplace_back("span_id", context->parent_id);
  }
  return fields;
}

std::string TraceparentOf(const pb::Lease& lease) {
  const std::optional<TraceContext> context = ContextOf(lease);
  return context.has_value() ? Traceparent(*context) : "";
}

std::vector<Span> SpansOf(const pb::Lease& lease, const pb::ReportTaskRequest& report, const TaskPhases& phases,
                          int64_t begin_unix_ns, int64_t end_unix_ns) {
  const std::optional<TraceContext> of_run = ParseTraceparent(lease.traceparent());
  const std::optional<TraceContext> own = ContextOf(lease);
  std::vector<Span> spans;
  if (!own.has_value() || !own->sampled) return spans;
  Span attempt{.trace_id = own->trace_id,
               .span_id = own->parent_id,
               .parent_id = of_run->parent_id,
               .name = absl::StrCat("execute ", lease.kind()),
               .begin_unix_ns = begin_unix_ns,
               .end_unix_ns = end_unix_ns};
  attempt.attributes = {{"lwq.run", lease.run_id()},
                        {"lwq.task", ShortKey(lease)},
                        {"lwq.attempt", int64_t{lease.attempt()}},
                        {"lwq.title", lease.title()},
                        {"lwq.outcome", OutcomeText(report)},
                        {"lwq.peak_memory_bytes", int64_t{report.peak_memory_bytes()}}};
  if (phases.left_out() > 0) attempt.attributes.emplace_back("lwq.phases_left_out", phases.left_out());
  attempt.failed = report.has_failure();
  attempt.error = report.failure().message();
  for (size_t i = 0; i < phases.phases().size(); ++i) {
    const TaskPhases::Phase& phase = phases.phases()[i];
    Span span{.trace_id = own->trace_id,
              .span_id = SpanIdOf(own->trace_id, absl::StrCat(own->parent_id, " phase ", i)),
              .parent_id = own->parent_id,
              .name = phase.name,
              .begin_unix_ns = phase.begin_unix_ns,
              .end_unix_ns = phase.end_unix_ns};
    span.attributes.emplace_back("lwq.step", phase.step);
    if (!std::isnan(phase.loss)) span.attributes.emplace_back("lwq.loss", phase.loss);
    spans.push_back(std::move(span));
  }
  spans.push_back(std::move(attempt));
  return spans;
}

}  // namespace lwq::worker
