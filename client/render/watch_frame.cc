#include "client/render/watch_frame.h"

#include <algorithm>
#include <map>

#include "client/render/format.h"
#include "client/render/run_text.h"
#include "common/status/status.h"

namespace lwq {
namespace {

using lwqat::v1::Run;
using lwqat::v1::Task;

constexpr int kStepsWidth = 12;

// The task that quantizes a block stands for it.
bool IsBlockTask(const Task& task) {
  return task.kind() == "train_block" || task.kind() == "rtn_block";
}

std::string TimeLeftText(const Run& run) {
  if (run.state() != lwqat::v1::RUN_STATE_RUNNING) return "";
  const auto left = EstimateSecondsLeft(run);
  return left.has_value() ? absl::StrCat(", about ", FormatSeconds(*left), " left") : "";
}

std::string RunLine(const Run& run, const FrameOptions& options) {
  const int total = run.tasks_total();
  const double share = total > 0 ? static_cast<double>(run.tasks_done()) / total : 0;
  const std::string shared = run.tasks_shared() > 0 ? absl::StrCat(" (", run.tasks_shared(), " shared)") : "";
  return absl::StrCat(run.spec().name(), " ", ShortId(run.id()), "  ", RunStateName(run.state()), "  ",
                      ProgressBar(share, 20, options.utf8), " ", run.tasks_done(), "/", total, " tasks", shared, "  ",
                      FormatSeconds(ElapsedSeconds(run, options.now_unix_s)), TimeLeftText(run));
}

std::string ProgressText(const Task& task, bool utf8) {
  if (task.state() != lwqat::v1::TASK_STATE_LEASED) return "";
  const auto& progress = task.progress();
  if (progress.steps() <= 0) return progress.stage();
  const double share = static_cast<double>(progress.step()) / static_cast<double>(progress.steps());
  return absl::StrCat(ProgressBar(share, kStepsWidth, utf8), " ", progress.step(), "/", progress.steps(), " ",
                      progress.stage());
}

std::string TaskLine(const std::string& label, const Task& task, bool utf8) {
  std::string line = absl::StrCat("  ", TaskGlyph(task, utf8), " ", PadRight(label, 10));
  const auto add = [&](const std::string& fact) {
    if (!fact.empty()) absl::StrAppend(&line, "  ", fact);
  };
  add(ProgressText(task, utf8));
  add(LossText(task));
  add(CostText(task));
  if (task.state() == lwqat::v1::TASK_STATE_LEASED && !task.worker().empty()) add(absl::StrCat("on ", task.worker()));
  if (task.attempts() > 1) add(absl::StrCat("attempt ", task.attempts()));
  if (task.state() == lwqat::v1::TASK_STATE_FAILED) add(OneLine(task.error()));
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

// The lines of `tasks` (ascending by block) in at most `room` lines: runs of finished and of waiting blocks are folded.
std::vector<std::string> BlockLines(const std::vector<const Task*>& tasks, int room, bool utf8) {
  const bool fold = static_cast<int>(tasks.size()) > room;
  std::vector<std::string> lines;
  for (size_t i = 0; i < tasks.size();) {
    const auto foldable = [&](size_t k) {
      return tasks[k]->state() != lwqat::v1::TASK_STATE_LEASED && tasks[k]->state() != lwqat::v1::TASK_STATE_FAILED;
    };
    size_t end = i + 1;
    if (fold && foldable(i)) {
      while (end < tasks.size() && foldable(end) && TaskGlyph(*tasks[end], utf8) == TaskGlyph(*tasks[i], utf8)) ++end;
    }
    if (end - i > 1) {
      lines.push_back(absl::StrCat("  ", TaskGlyph(*tasks[i], utf8), " blocks ", tasks[i]->block(), " to ",
                                   tasks[end - 1]->block()));
    } else {
      lines.push_back(TaskLine(absl::StrCat("block ", tasks[i]->block()), *tasks[i], utf8));
    }
    i = end;
  }
  return lines;
}

std::string PerplexityLine(const lwqat::v1::Perplexity& perplexity) {
  return absl::StrCat("  perplexity of ", perplexity.model(), " on ", perplexity.text(), ": ",
                      FormatFixed(perplexity.perplexity(), 4), " (", perplexity.tokens(), " tokens)");
}

std::string TaskEndText(const Task& task) {
  std::string text = task.from_cache() ? "reused" : "done";
  for (const std::string& fact : {CostText(task), LossText(task)}) {
    if (!fact.empty()) absl::StrAppend(&text, ", ", fact);
  }
  return text;
}

// What to say of a task that is now in this state; "" for states that need no line.
std::string TaskChangeText(const Task& task) {
  const std::string attempt = task.attempts() > 1 ? absl::StrCat(", attempt ", task.attempts()) : "";
  switch (task.state()) {
    case lwqat::v1::TASK_STATE_LEASED:
      return absl::StrCat("started on ", task.worker(), attempt);
    case lwqat::v1::TASK_STATE_SUCCEEDED:
      return TaskEndText(task);
    case lwqat::v1::TASK_STATE_FAILED:
      return absl::StrCat("failed", attempt, ": ", OneLine(task.error()));
    case lwqat::v1::TASK_STATE_CANCELLED:
      return "cancelled";
    case lwqat::v1::TASK_STATE_READY:
      return task.attempts() > 0 ? absl::StrCat("waits for a worker again after attempt ", task.attempts()) : "";
    case lwqat::v1::TASK_STATE_UNSPECIFIED:
    case lwqat::v1::TASK_STATE_BLOCKED:
    default:
      return "";
  }
}

bool HasPerplexity(const Run& run, const lwqat::v1::Perplexity& wanted) {
  return std::any_of(run.perplexities().begin(), run.perplexities().end(), [&](const auto& measured) {
    return measured.model() == wanted.model() && measured.text() == wanted.text();
  });
}

}  // namespace

std::vector<std::string> RenderRunFrame(const Run& run, const FrameOptions& options) {
  std::vector<const Task*> blocks;
  std::vector<std::string> others;
  for (const Task& task : run.tasks()) {
    if (IsBlockTask(task)) {
      blocks.push_back(&task);
    } else if (task.state() == lwqat::v1::TASK_STATE_LEASED || task.state() == lwqat::v1::TASK_STATE_FAILED) {
      others.push_back(TaskLine(task.title(), task, options.utf8));
    }
  }
  std::stable_sort(blocks.begin(), blocks.end(), [](const Task* a, const Task* b) { return a->block() < b->block(); });
  std::vector<std::string> lines = {RunLine(run, options)};
  const int reserved = 1 + static_cast<int>(others.size()) + run.perplexities_size() + (run.error().empty() ? 0 : 1);
  for (std::string& line : BlockLines(blocks, options.rows - reserved, options.utf8)) lines.push_back(std::move(line));
  for (std::string& line : others) lines.push_back(std::move(line));
  for (const auto& perplexity : run.perplexities()) lines.push_back(PerplexityLine(perplexity));
  if (!run.error().empty()) lines.push_back(absl::StrCat("  ", OneLine(run.error())));
  if (run.state() == lwqat::v1::RUN_STATE_PENDING)
    lines.push_back("  waits for a fitting worker (lwq workers shows who is there)");
  if (static_cast<int>(lines.size()) > options.rows) lines.resize(static_cast<size_t>(std::max(1, options.rows)));
  for (std::string& line : lines) line = CutToWidth(line, options.columns);
  return lines;
}

std::vector<std::string> DescribeChanges(const Run& before, const Run& after) {
  std::vector<std::string> lines;
  const std::string prefix = absl::StrCat(after.spec().name(), " ", ShortId(after.id()));
  std::map<std::string, const Task*> old_tasks;
  for (const Task& task : before.tasks()) old_tasks[task.key()] = &task;
  if (before.id().empty()) {
    lines.push_back(absl::StrCat(prefix, ": ", RunStateName(after.state()), ", ", after.tasks_done(), "/",
                                 after.tasks_total(), " tasks done"));
  }
  for (const Task& task : after.tasks()) {
    const auto old = old_tasks.find(task.key());
    const bool same =
        old != old_tasks.end() && old->second->state() == task.state() && old->second->attempts() == task.attempts();
    const bool first_sight_of_done = before.id().empty() && IsTerminal(task.state());  // counted in the line above
    const std::string text = same || first_sight_of_done ? "" : TaskChangeText(task);
    if (!text.empty())
      lines.push_back(
          absl::StrCat(prefix, " [", after.tasks_done(), "/", after.tasks_total(), "] ", task.title(), ": ", text));
  }
  for (const auto& measured : after.perplexities()) {
    if (HasPerplexity(before, measured)) continue;
    lines.push_back(absl::StrCat(prefix, ": perplexity of ", measured.model(), " on ", measured.text(), " is ",
                                 FormatFixed(measured.perplexity(), 4)));
  }
  if (!before.id().empty() && before.state() != after.state()) {
    const std::string why = after.error().empty() ? "" : absl::StrCat(": ", OneLine(after.error()));
    lines.push_back(absl::StrCat(prefix, ": ", RunStateName(after.state()), why));
  }
  return lines;
}

}  // namespace lwq
