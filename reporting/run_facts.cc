// SPDX-License-Identifier: Apache-2.0
#include "reporting/run_facts.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace lwq::reporting {
namespace {

using lwqat::v1::Run;
using lwqat::v1::Task;

std::string WithoutPrefix(const std::string& name, size_t prefix) {
  return name.size() > prefix ? name.substr(prefix) : name;
}

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c == '_' ? ' ' : static_cast<char>(std::tolower(c)); });
  return text;
}

double SecondsOf(const google::protobuf::Timestamp& time) {
  return static_cast<double>(time.seconds()) + static_cast<double>(time.nanos()) * 1e-9;
}

// Of its own steps, how much a task has done.
double ShareDone(const Task& task) {
  if (task.progress().steps() <= 0) return 0;
  return std::clamp(static_cast<double>(task.progress().step()) / static_cast<double>(task.progress().steps()), 0.0,
                    1.0);
}

constexpr std::array<const char*, 7> kSensitivityKinds = {
    "loss_gradient", "backward_block", "gradient_norm", "output_fisher", "loss_delta", "hessian", "weight_error"};

constexpr std::array<const char*, 8> kEvaluationKinds = {"evaluate_ppl",   "reduce_ppl",     "evaluate_reference",
                                                         "evaluate_kl",    "reduce_kl",      "prepare_requests",
                                                         "score_requests", "reduce_accuracy"};

// Pilot trainings are much shorter than those of the run.
std::string KindForTime(const Task& task) {
  return absl::StrCat(task.kind(), IsSensitivityTask(task) ? " of sensitivity" : "");
}

struct Mean {
  double sum = 0;
  int count = 0;
  double value() const { return count > 0 ? sum / count : 0; }
};

}  // namespace

std::string RunStateName(lwqat::v1::RunState state) {
  return Lower(WithoutPrefix(lwqat::v1::RunState_Name(state), std::string("RUN_STATE_").size()));
}

std::string TaskStateName(lwqat::v1::TaskState state) {
  return Lower(WithoutPrefix(lwqat::v1::TaskState_Name(state), std::string("TASK_STATE_").size()));
}

bool IsTerminal(lwqat::v1::RunState state) {
  return state == lwqat::v1::RUN_STATE_SUCCEEDED || state == lwqat::v1::RUN_STATE_FAILED ||
         state == lwqat::v1::RUN_STATE_CANCELLED;
}

bool HasEnded(const Run& run) {
  return IsTerminal(run.state()) || (run.state() == lwqat::v1::RUN_STATE_STOPPED && run.halving().decided());
}

std::string StoppedText(const Run& run) {
  if (run.state() != lwqat::v1::RUN_STATE_STOPPED || run.halving().rungs().empty()) return "";
  const auto& rung = *run.halving().rungs().rbegin();
  return absl::StrCat("after ", rung.blocks(), rung.blocks() == 1 ? " block, " : " blocks, ", run.halving().metric(),
                      " ", std::isfinite(rung.value()) ? absl::StrFormat("%.6g", rung.value()) : "no number");
}

bool IsActive(lwqat::v1::RunState state) {
  return state == lwqat::v1::RUN_STATE_PENDING || state == lwqat::v1::RUN_STATE_RUNNING;
}

bool IsTerminal(lwqat::v1::TaskState state) {
  return state == lwqat::v1::TASK_STATE_SUCCEEDED || state == lwqat::v1::TASK_STATE_FAILED ||
         state == lwqat::v1::TASK_STATE_CANCELLED;
}

double UnixSeconds(const google::protobuf::Timestamp& time) {
  return static_cast<double>(time.seconds()) + static_cast<double>(time.nanos()) * 1e-9;
}

std::string ShortId(const std::string& id) {
  return id.substr(0, 8);
}

bool IsSensitivityTask(const Task& task) {
  const auto is_kind = [&](const char* kind) { return task.kind() == kind; };
  return std::any_of(kSensitivityKinds.begin(), kSensitivityKinds.end(), is_kind) ||
         (task.kind() == "train_block" && task.title().starts_with("pilot "));
}

bool IsBlockTask(const Task& task) {
  const bool quantizes_alone = task.kind() == "gptq_block" || task.kind() == "fit_rounding";
  const bool is_start = quantizes_alone && task.title().starts_with("initialize ");
  const bool quantizes = quantizes_alone || task.kind() == "train_block" || task.kind() == "rtn_block";
  return quantizes && !is_start && !IsSensitivityTask(task);
}

bool IsEvaluationTask(const Task& task) {
  return std::any_of(kEvaluationKinds.begin(), kEvaluationKinds.end(),
                     [&](const char* kind) { return task.kind() == kind; });
}

TaskGroup SensitivityTasks(const Run& run) {
  TaskGroup group;
  for (const Task& task : run.tasks()) {
    if (!IsSensitivityTask(task)) continue;
    ++group.total;
    if (task.state() == lwqat::v1::TASK_STATE_LEASED) ++group.running;
    if (task.state() != lwqat::v1::TASK_STATE_SUCCEEDED) continue;
    ++group.done;
    group.seconds += task.seconds();
    group.peak_memory_bytes = std::max(group.peak_memory_bytes, task.peak_memory_bytes());
  }
  return group;
}

bool IsReordered(const lwqat::v1::Plan& plan) {
  return !std::is_sorted(plan.order().begin(), plan.order().end());
}

double ElapsedSeconds(const Run& run, double now_unix_s) {
  if (!run.has_submitted_at()) return 0;
  const double end = run.has_finished_at() ? SecondsOf(run.finished_at()) : now_unix_s;
  return std::max(0.0, end - SecondsOf(run.submitted_at()));
}

std::optional<double> EstimateSecondsLeft(const Run& run) {
  std::map<std::string, Mean> by_kind;
  Mean overall;
  for (const Task& task : run.tasks()) {
    if (task.state() != lwqat::v1::TASK_STATE_SUCCEEDED || task.from_cache() || task.seconds() <= 0) continue;
    for (Mean* mean : {&by_kind[KindForTime(task)], &overall}) {
      mean->sum += task.seconds();
      ++mean->count;
    }
  }
  if (overall.count == 0) return std::nullopt;
  double work = 0;
  int side_by_side = 0;
  for (const Task& task : run.tasks()) {
    if (IsTerminal(task.state())) continue;
    const auto known = by_kind.find(KindForTime(task));
    const double whole = known != by_kind.end() ? known->second.value() : overall.value();
    work += whole * (1 - ShareDone(task));
    if (task.state() == lwqat::v1::TASK_STATE_LEASED) ++side_by_side;
  }
  return work / std::max(1, side_by_side);
}

}  // namespace lwq::reporting
