// SPDX-License-Identifier: Apache-2.0
#include "client/render/watch_frame.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "client/base/format.h"
#include "client/render/run_text.h"
#include "common/json/json.h"
#include "common/status/status.h"
#include "reporting/run_facts.h"
#include "reporting/training_outcome.h"

namespace lwq::client {
namespace {

using lwqat::v1::Run;
using lwqat::v1::Task;

constexpr int kStepsWidth = 12;

// A task that stands for the blocks it quantizes, with what the plan has for the first of them.
struct BlockRow {
  const Task* task = nullptr;
  int last = 0;        // block; the first is the task's
  bool again = false;  // relay's sequential pass
  int position = 0;
  std::string planned;
};

std::string TimeLeftText(const Run& run) {
  if (run.state() != lwqat::v1::RUN_STATE_RUNNING) return "";
  const auto left = reporting::EstimateSecondsLeft(run);
  return left.has_value() ? absl::StrCat(", about ", FormatSeconds(*left), " left") : "";
}

std::string RunLine(const Run& run, const FrameOptions& options) {
  const int total = run.tasks_total();
  const double share = total > 0 ? static_cast<double>(run.tasks_done()) / total : 0;
  const std::string shared = run.tasks_shared() > 0 ? absl::StrCat(" (", run.tasks_shared(), " shared)") : "";
  return absl::StrCat(run.spec().name(), " ", reporting::ShortId(run.id()), "  ", reporting::RunStateName(run.state()),
                      "  ", ProgressBar(share, 20, options.utf8), " ", run.tasks_done(), "/", total, " tasks", shared,
                      "  ", FormatSeconds(reporting::ElapsedSeconds(run, options.now_unix_s)), TimeLeftText(run));
}

std::string ProgressText(const Task& task, bool utf8) {
  if (task.state() != lwqat::v1::TASK_STATE_LEASED) return "";
  const auto& progress = task.progress();
  if (progress.steps() <= 0) return progress.stage();
  const double share = static_cast<double>(progress.step()) / static_cast<double>(progress.steps());
  return absl::StrCat(ProgressBar(share, kStepsWidth, utf8), " ", progress.step(), "/", progress.steps(), " ",
                      progress.stage());
}

// "12 zero-point flips", once the training has counted them.
std::string FlipsText(const Task& task) {
  if (task.metrics_json().empty()) return "";
  const auto metrics = ParseJson(task.metrics_json(), "metrics");
  const auto flips = metrics.ok() ? JsonInt(*metrics, "zero_point_flips", "metrics") : metrics.status();
  return flips.ok() ? absl::StrCat(*flips, *flips == 1 ? " zero-point flip" : " zero-point flips") : "";
}

std::string TaskLine(const std::string& label, const Task& task, bool utf8, const std::string& planned = "") {
  std::string line = absl::StrCat("  ", TaskGlyph(task, utf8), " ", PadRight(label, 10));
  const auto add = [&](const std::string& fact) {
    if (!fact.empty()) absl::StrAppend(&line, "  ", fact);
  };
  add(planned);
  add(ProgressText(task, utf8));
  add(LossText(task));
  add(FlipsText(task));
  add(reporting::UselessTrainingText(task));
  add(CostText(task));
  if (task.state() == lwqat::v1::TASK_STATE_LEASED && !task.worker().empty()) add(absl::StrCat("on ", task.worker()));
  if (task.attempts() > 1) add(absl::StrCat("attempt ", task.attempts()));
  if (task.state() == lwqat::v1::TASK_STATE_FAILED) add(OneLine(task.error()));
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

// What sets the block apart from the others: its place in the order, its bits, its sensitivity.
std::string PlannedText(const lwqat::v1::Plan& plan, const lwqat::v1::BlockPlan& block) {
  std::string text;
  const auto add = [&](const std::string& fact) { absl::StrAppend(&text, text.empty() ? "" : "  ", fact); };
  const auto differs = [&](const auto& other) { return other.bit_width() != block.bit_width(); };
  if (reporting::IsReordered(plan)) add(absl::StrCat("#", block.position() + 1));
  if (std::any_of(plan.blocks().begin(), plan.blocks().end(), differs)) add(absl::StrCat(block.bit_width(), " bits"));
  if (block.has_sensitivity()) add(absl::StrCat("s ", FormatSignificant(block.sensitivity(), 4)));
  return text;
}

// In the order of training; by depth where that is the order.
std::vector<BlockRow> BlockRows(const Run& run) {
  std::vector<BlockRow> rows;
  for (const Task& task : run.tasks()) {
    if (!reporting::IsBlockTask(task)) continue;
    BlockRow row{&task, task.block(), task.title().starts_with("train on "), task.block(), ""};
    for (const auto& block : run.plan().blocks()) {
      if (block.unit() == task.block()) row.last = std::max(row.last, block.layer_idx());
      if (block.layer_idx() != task.block()) continue;
      row.position = block.position();
      row.planned = PlannedText(run.plan(), block);
    }
    rows.push_back(std::move(row));
  }
  std::stable_sort(rows.begin(), rows.end(), [](const BlockRow& a, const BlockRow& b) {
    return std::tie(a.again, a.position) < std::tie(b.again, b.position);
  });
  return rows;
}

// "block 3", "blocks 4 to 7", "blocks 4 to 7 again"; of blocks that do not follow each other their number.
std::string BlocksLabel(const BlockRow* begin, const BlockRow* end) {
  bool neighbours = true;
  int blocks = 0;
  for (const BlockRow* row = begin; row != end; ++row) {
    blocks += row->last - row->task->block() + 1;
    neighbours = neighbours && (row == begin || row->task->block() == (row - 1)->last + 1);
  }
  const std::string again = begin->again ? " again" : "";
  const int first = begin->task->block();
  if (blocks == 1) return absl::StrCat("block ", first, again);
  if (neighbours) return absl::StrCat("blocks ", first, " to ", (end - 1)->last, again);
  return absl::StrCat(blocks, " blocks", again);
}

// The lines of `rows` in at most `room` lines: runs of finished and of waiting blocks are folded.
std::vector<std::string> BlockLines(const std::vector<BlockRow>& rows, int room, bool utf8) {
  const bool fold = static_cast<int>(rows.size()) > room;
  std::vector<std::string> lines;
  for (size_t i = 0; i < rows.size();) {
    const auto foldable = [&](size_t k) {
      const auto state = rows[k].task->state();
      return state != lwqat::v1::TASK_STATE_LEASED && state != lwqat::v1::TASK_STATE_FAILED;
    };
    const std::string glyph = TaskGlyph(*rows[i].task, utf8);
    const auto alike = [&](size_t k) {
      return foldable(k) && rows[k].again == rows[i].again && TaskGlyph(*rows[k].task, utf8) == glyph;
    };
    size_t end = i + 1;
    if (fold && foldable(i)) {
      while (end < rows.size() && alike(end)) ++end;
    }
    const std::string label = BlocksLabel(&rows[i], rows.data() + end);
    lines.push_back(end - i > 1 ? absl::StrCat("  ", glyph, " ", label)
                                : TaskLine(label, *rows[i].task, utf8, rows[i].planned));
    i = end;
  }
  return lines;
}

// One line for all tasks that measure sensitivity; none where there are none.
std::vector<std::string> SensitivityLine(const Run& run, bool utf8) {
  const reporting::TaskGroup group = reporting::SensitivityTasks(run);
  if (group.total == 0) return {};
  Task whole;
  whole.set_state(group.done == group.total ? lwqat::v1::TASK_STATE_SUCCEEDED
                  : group.running > 0       ? lwqat::v1::TASK_STATE_LEASED
                                            : lwqat::v1::TASK_STATE_BLOCKED);
  std::string line = absl::StrCat("  ", TaskGlyph(whole, utf8), " ", SensitivityLabel(run), "  ");
  if (group.done < group.total) {
    absl::StrAppend(&line, ProgressBar(static_cast<double>(group.done) / group.total, kStepsWidth, utf8), " ");
  }
  absl::StrAppend(&line, group.done, "/", group.total, " tasks");
  if (group.running > 0) absl::StrAppend(&line, ", ", group.running, " running");
  return {line};
}

// Tenths of the measuring that are done.
int TenthsDone(const reporting::TaskGroup& group) {
  return group.total > 0 ? group.done * 10 / group.total : 0;
}

// What became known about sensitivity and, by it, about the plan.
std::vector<std::string> DescribeMeasuring(const Run& before, const Run& after) {
  std::vector<std::string> lines;
  const reporting::TaskGroup was = reporting::SensitivityTasks(before);
  const reporting::TaskGroup now = reporting::SensitivityTasks(after);
  const bool moved = before.id().empty() ? now.done < now.total : TenthsDone(was) != TenthsDone(now);
  if (moved && now.total > 0) {
    lines.push_back(absl::StrCat(SensitivityLabel(after), ": ", now.done, "/", now.total, " tasks done"));
  }
  if (before.id().empty()) return lines;
  for (int i = before.sensitivity_size(); i < after.sensitivity_size(); ++i) {
    const auto& measured = after.sensitivity(i);
    const int trained = measured.trained_blocks();
    lines.push_back(absl::StrCat(SensitivityLabel(after), " measured",
                                 trained > 0 ? absl::StrCat(" after ", trained, " trained blocks") : "", ": ",
                                 ExtremesText(measured)));
  }
  if (before.plan().provisional() && !after.plan().provisional() && after.plan().blocks_size() > 0) {
    lines.push_back(absl::StrCat("the plan is settled: ", FormatSignificant(after.plan().average_bits(), 4),
                                 " bits a weight, ", FormatFixed(after.plan().stored_bits_per_weight(), 3),
                                 " as stored"));
  }
  const bool same_order = std::equal(before.plan().order().begin(), before.plan().order().end(),
                                     after.plan().order().begin(), after.plan().order().end());
  if (!same_order && (reporting::IsReordered(before.plan()) || reporting::IsReordered(after.plan())))
    lines.push_back(absl::StrCat("order of training: ", OrderText(after.plan(), kOrderListed)));
  return lines;
}

// "perplexity of block_ap on held-out".
std::string MeasuredLabel(const lwqat::v1::Measured& measured) {
  return absl::StrCat(measured.metric(), " of ", measured.subject(), " on ", measured.dataset());
}

std::string MeasuredLine(const lwqat::v1::Measured& measured) {
  return absl::StrCat("  ", MeasuredLabel(measured), ": ", ValueText(measured), " (", CountText(measured), ")");
}

std::string TaskEndText(const Task& task) {
  std::string text = task.from_cache() ? "reused" : "done";
  for (const std::string& fact :
       {CostText(task), LossText(task), FlipsText(task), reporting::UselessTrainingText(task)}) {
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

bool HasMeasured(const Run& run, const lwqat::v1::Measured& wanted) {
  return std::any_of(run.measured().begin(), run.measured().end(), [&](const auto& measured) {
    return measured.subject() == wanted.subject() && measured.dataset() == wanted.dataset() &&
           measured.metric() == wanted.metric();
  });
}

}  // namespace

std::vector<std::string> RenderRunFrame(const Run& run, const FrameOptions& options) {
  std::vector<std::string> others;
  for (const Task& task : run.tasks()) {
    const bool failed = task.state() == lwqat::v1::TASK_STATE_FAILED;
    const bool runs_alone = task.state() == lwqat::v1::TASK_STATE_LEASED && !reporting::IsSensitivityTask(task);
    if (!reporting::IsBlockTask(task) && (failed || runs_alone))
      others.push_back(TaskLine(task.title(), task, options.utf8));
  }
  std::vector<std::string> lines = {RunLine(run, options)};
  for (const std::string& chosen : run.plan().chosen_defaults()) lines.push_back(absl::StrCat("  ", OneLine(chosen)));
  for (std::string& line : SensitivityLine(run, options.utf8)) lines.push_back(std::move(line));
  const int reserved = static_cast<int>(lines.size() + others.size()) + run.measured_size() +
                       (run.error().empty() ? 0 : 1) + (run.waiting_reason().empty() ? 0 : 1);
  for (std::string& line : BlockLines(BlockRows(run), options.rows - reserved, options.utf8))
    lines.push_back(std::move(line));
  for (std::string& line : others) lines.push_back(std::move(line));
  for (const auto& measured : run.measured()) lines.push_back(MeasuredLine(measured));
  if (!run.error().empty()) lines.push_back(absl::StrCat("  ", OneLine(run.error())));
  if (!run.waiting_reason().empty()) {
    lines.push_back(absl::StrCat("  ", OneLine(run.waiting_reason())));
  } else if (run.state() == lwqat::v1::RUN_STATE_PENDING) {
    lines.push_back(absl::StrCat("  ", WaitsForWorkerText()));
  }
  if (static_cast<int>(lines.size()) > options.rows) lines.resize(static_cast<size_t>(std::max(1, options.rows)));
  for (std::string& line : lines) line = CutToWidth(line, options.columns);
  return lines;
}

std::vector<std::string> DescribeChanges(const Run& before, const Run& after) {
  std::vector<std::string> lines;
  const std::string prefix = absl::StrCat(after.spec().name(), " ", reporting::ShortId(after.id()));
  std::map<std::string, const Task*> old_tasks;
  for (const Task& task : before.tasks()) old_tasks[task.key()] = &task;
  if (before.id().empty()) {
    lines.push_back(absl::StrCat(prefix, ": ", reporting::RunStateName(after.state()), ", ", after.tasks_done(), "/",
                                 after.tasks_total(), " tasks done"));
    for (const std::string& chosen : after.plan().chosen_defaults()) {
      lines.push_back(absl::StrCat(prefix, ": ", OneLine(chosen)));
    }
  }
  const std::string counted = absl::StrCat(prefix, " [", after.tasks_done(), "/", after.tasks_total(), "] ");
  for (const std::string& line : DescribeMeasuring(before, after)) lines.push_back(absl::StrCat(counted, line));
  for (const Task& task : after.tasks()) {
    if (reporting::IsSensitivityTask(task) && task.state() != lwqat::v1::TASK_STATE_FAILED) continue;
    const auto old = old_tasks.find(task.key());
    const bool same =
        old != old_tasks.end() && old->second->state() == task.state() && old->second->attempts() == task.attempts();
    const bool first_sight_of_done =
        before.id().empty() && reporting::IsTerminal(task.state());  // counted in the line above
    const std::string text = same || first_sight_of_done ? "" : TaskChangeText(task);
    if (!text.empty()) lines.push_back(absl::StrCat(counted, task.title(), ": ", text));
  }
  for (const auto& measured : after.measured()) {
    if (HasMeasured(before, measured)) continue;
    lines.push_back(absl::StrCat(prefix, ": ", MeasuredLabel(measured), " is ", ValueText(measured)));
  }
  if (!after.waiting_reason().empty() && before.waiting_reason() != after.waiting_reason()) {
    lines.push_back(absl::StrCat(prefix, ": ", OneLine(after.waiting_reason())));
  }
  if (!before.id().empty() && before.state() != after.state()) {
    const std::string why = after.error().empty() ? "" : absl::StrCat(": ", OneLine(after.error()));
    const std::string stopped = reporting::StoppedText(after);
    lines.push_back(absl::StrCat(prefix, ": ", reporting::RunStateName(after.state()), why,
                                 stopped.empty() ? "" : absl::StrCat(" by halving ", stopped)));
  }
  return lines;
}

}  // namespace lwq::client
