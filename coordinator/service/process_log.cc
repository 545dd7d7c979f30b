// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/process_log.h"

#include "common/log/log.h"
#include "common/trace/trace_context.h"
#include "spdlog/spdlog.h"

namespace lwq::coordinator {
namespace {

spdlog::level::level_enum LevelOf(LogEcho echo) {
  switch (echo) {
    case LogEcho::kDetail:
      return spdlog::level::debug;
    case LogEcho::kNews:
      return spdlog::level::info;
    case LogEcho::kProblem:
      return spdlog::level::warn;
    case LogEcho::kNone:
      break;
  }
  return spdlog::level::off;
}

LogFields FieldsOfLine(const AppendLog& appended, const State& state) {
  const LogRecord& line = appended.line;
  LogFields fields = {{"run", line.run.value}};
  if (!appended.task.is_zero()) fields.emplace_back("task", appended.task.short_hex());
  if (line.attempt > 0) fields.emplace_back("attempt", absl::StrCat(line.attempt));
  if (!line.worker.empty()) fields.emplace_back("worker", line.worker);
  const auto run = state.runs.find(line.run);  // it may be deleted by now
  if (run == state.runs.end()) return fields;
  if (const auto trace = ParseTraceparent(run->second.record.trace.traceparent); trace.has_value()) {
    fields.emplace_back("trace_id", trace->trace_id);
    fields.emplace_back("span_id", trace->parent_id);
  }
  return fields;
}

}  // namespace

void LogCommitted(std::span<const Change> changes, const State& state) {
  spdlog::logger* const logger = spdlog::default_logger_raw();
  for (const Change& change : changes) {
    const auto* appended = std::get_if<AppendLog>(&change);
    if (appended == nullptr || appended->echo == LogEcho::kNone) continue;
    const spdlog::level::level_enum level = LevelOf(appended->echo);
    if (!logger->should_log(level)) continue;
    const LogRecord& line = appended->line;
    const ScopedLogFields fields(FieldsOfLine(*appended, state));
    logger->log(level, "{}{}{}", line.task, line.task.empty() ? "" : ": ", line.text);
  }
}

}  // namespace lwq::coordinator
