// SPDX-License-Identifier: Apache-2.0
// The logs of runs: what the coordinator says of them and of their tasks, and the lines that workers send.
#include <algorithm>

#include "common/text/one_line.h"
#include "coordinator/scheduler/step/stepper.h"

namespace lwq::coordinator {
namespace {

constexpr size_t kMaxLogLineBytes = 2000;

}  // namespace

void Stepper::LogRun(RunEntry& run, std::string_view task, std::string_view worker, std::string_view text) {
  AppendLine(run,
             {.run = run.record.id,
              .task = std::string(task),
              .worker = std::string(worker),
              .text = OneLine(text, kMaxLogLineBytes)},
             LogEcho::kNews, Digest());
}

void Stepper::LogTask(const TaskEntry& task, int attempt, std::string_view worker, std::string_view text,
                      LogEcho echo) {
  for (const auto& [sequence, position] : task.wanted_by) {
    RunEntry& run = RunAt(sequence);
    AppendLine(run,
               {.run = run.record.id,
                .task = run.tasks[position].title,
                .worker = std::string(worker),
                .text = OneLine(text, kMaxLogLineBytes),
                .attempt = attempt},
               echo, task.record.key);
    echo = LogEcho::kNone;  // the process says it once
  }
}

void Stepper::AppendLine(RunEntry& run, LogRecord line, LogEcho echo, const Digest& task) {
  Revise(state_, run);
  line.sequence = state_.next_log++;
  line.time_unix_ms = now_.unix_ms;
  effects_.changes.push_back(AppendLog{line, echo, task});
  run.logs.push_back(std::move(line));
  // Dropped a fifth at a time, so that a full log does not cost a delete per line.
  const size_t kept = state_.options.log_lines;
  if (run.logs.size() > kept + kept / 5 + 1) {
    const auto end = run.logs.end() - static_cast<ptrdiff_t>(kept);
    const int64_t up_to = (end - 1)->sequence;
    run.logs.erase(run.logs.begin(), end);
    effects_.changes.push_back(DropLogs{run.record.id, up_to});
  }
}

void Stepper::TakeLines(TaskEntry& task, uint64_t token, std::string_view worker, const std::vector<std::string>& lines,
                        std::optional<int64_t> first) {
  if (lines.empty() && !first.has_value()) return;
  // Of a lease from before the coordinator started it is not known what has come.
  LogIntake& intake = task.log.try_emplace(token, /*whole=*/task.leased_unix_ms != 0).first->second;
  const LogIntake::Kept kept = intake.Take(first, lines.size());
  const int attempt = AttemptOf(task.record, token);
  for (size_t i = kept.begin; i < kept.end; ++i) LogTask(task, attempt, worker, lines[i], LogEcho::kNone);
}

void Stepper::EndLines(TaskEntry& task, uint64_t token, std::string_view worker) {
  const auto intake = task.log.find(token);
  if (intake == task.log.end()) return;
  const int64_t left_out = intake->second.left_out();
  task.log.erase(intake);
  if (left_out == 0) return;
  LogTask(
      task, AttemptOf(task.record, token), worker,
      absl::StrCat(left_out, left_out == 1 ? " line" : " lines", " of this attempt's log left out: at most ",
                   LogIntake::kMaxLines, " are kept, and a worker whose reports do not get through drops the oldest"),
      LogEcho::kNone);
}

}  // namespace lwq::coordinator
