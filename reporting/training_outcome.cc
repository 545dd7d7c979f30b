// SPDX-License-Identifier: Apache-2.0
#include "reporting/training_outcome.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "reporting/run_facts.h"
#include "reporting/task_metrics.h"

namespace lwq::reporting {
namespace {

using lwqat::v1::Run;
using lwqat::v1::Task;

constexpr char kUndone[] = "training undone: no step lowered the loss";
constexpr char kLoweredNothing[] = "training lowered no loss";

Json MetricsOfTraining(const Task& task) {
  const bool trains = task.kind() == "train_block" || task.kind() == "fit_rounding";
  return trains ? MetricsOf(task) : Json::object();
}

bool KeptInitialState(const Json& metrics) {
  const auto initial = JsonDouble(metrics, "initial_val_loss", "metrics");
  const auto last = JsonDouble(metrics, "final_val_loss", "metrics");
  return initial.ok() && last.ok() && *last == *initial;
}

// The last block of the unit that the training is of.
int LastBlockOf(const Run& run, const Task& task) {
  int last = task.block();
  for (const auto& block : run.plan().blocks()) {
    if (block.unit() == task.block()) last = std::max(last, block.layer_idx());
  }
  return last;
}

// "block 3", "blocks 0-2, 5"
std::string Named(std::vector<int> blocks) {
  std::sort(blocks.begin(), blocks.end());
  std::string text;
  for (size_t first = 0; first < blocks.size();) {
    size_t last = first;
    while (last + 1 < blocks.size() && blocks[last + 1] == blocks[last] + 1) ++last;
    absl::StrAppend(&text, text.empty() ? "" : ", ", blocks[first]);
    if (last > first) absl::StrAppend(&text, "-", blocks[last]);
    first = last + 1;
  }
  return absl::StrCat(blocks.size() == 1 ? "block " : "blocks ", text);
}

}  // namespace

std::optional<bool> LoweredLoss(const Json& metrics) {
  const auto steps = JsonInt(metrics, "steps", "metrics");
  const auto initial = JsonDouble(metrics, "initial_val_loss", "metrics");
  const auto best = JsonDouble(metrics, "best_val_loss", "metrics");
  if (!steps.ok() || *steps == 0 || !initial.ok() || !best.ok()) return std::nullopt;
  return *best < *initial;
}

std::string UselessTrainingText(const Task& task) {
  const Json metrics = MetricsOfTraining(task);
  if (LoweredLoss(metrics).value_or(true)) return "";
  return KeptInitialState(metrics) ? kUndone : kLoweredNothing;
}

std::vector<std::string> UselessTrainingRemarks(const Run& run) {
  std::map<std::tuple<bool, bool>, std::vector<int>> blocks;  // by second pass, undone
  for (const Task& task : run.tasks()) {
    if (!IsBlockTask(task)) continue;
    const std::string useless = UselessTrainingText(task);
    if (useless.empty()) continue;
    std::vector<int>& of_kind = blocks[{task.title().starts_with("train on "), useless == kUndone}];
    for (int block = task.block(); block <= LastBlockOf(run, task); ++block) of_kind.push_back(block);
  }
  std::vector<std::string> remarks;
  for (const auto& [what, named] : blocks) {
    const auto& [second_pass, undone] = what;
    const std::string where = absl::StrCat(Named(named), second_pass ? " in the second pass" : "");
    remarks.push_back(
        undone ? absl::StrCat("training was undone in ", where,
                              ": no step lowered the validation loss, so the weights from before it are used; lower "
                              "the learning rates")
               : absl::StrCat("training lowered no validation loss in ", where,
                              ": its last weights are used all the same (keep_best is off); lower the learning rates"));
  }
  return remarks;
}

}  // namespace lwq::reporting
