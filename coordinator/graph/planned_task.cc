// SPDX-License-Identifier: Apache-2.0
#include "coordinator/graph/planned_task.h"

#include <algorithm>
#include <limits>

#include "coordinator/plan/cost/memory.h"
#include "coordinator/plan/cost/task_costs.h"

namespace lwq::coordinator {

namespace {

// Whether a task that is there for both is there for `purpose` in the first place.
bool Precedes(TaskPurpose purpose, TaskPurpose other) {
  if (other == TaskPurpose::kStep) return purpose != TaskPurpose::kStep;
  return other == TaskPurpose::kRungEvaluation && purpose == TaskPurpose::kEvaluation;
}

}  // namespace

Digest TaskList::Add(PlannedTask task, int64_t unit_blocks) {
  task.def.numerics_class = ClassOf(bases_, task.def.kind, recipe_);
  task.key = DerivationKeyOf(task.def);
  if (model_ != nullptr) {
    task.memory_bytes = task.def.kind == TaskKind::kTrainBlock ? LeastTrainMemoryBytes(*model_, recipe_, unit_blocks)
                                                               : TaskMemoryBytes(task.def.kind, *model_, recipe_);
  }
  const Digest key = task.key;
  const auto [place, added] = index_.emplace(key, tasks_.size());
  if (added) {
    tasks_.push_back(std::move(task));
  } else if (PlannedTask& there = tasks_[place->second]; Precedes(task.purpose, there.purpose)) {
    there.purpose = task.purpose;
    there.title = std::move(task.title);
    there.evaluated_model = std::move(task.evaluated_model);
    there.evaluated_text = std::move(task.evaluated_text);
  }
  return key;
}

void TaskList::NeedFrom(const Digest& key, int64_t blocks) {
  const auto [needed, added] = needed_from_.emplace(key, blocks);
  if (!added) needed->second = std::min(needed->second, blocks);
}

std::vector<PlannedTask> TaskList::Take() {
  FillDepths();
  FillNeeds();
  return std::move(tasks_);
}

void TaskList::FillDepths() {
  // In topological order one pass from the end suffices.
  for (size_t i = tasks_.size(); i-- > 0;) {
    for (const auto& [role, input] : tasks_[i].def.inputs) {
      const auto* made = std::get_if<TaskOutputRef>(&input);
      if (made == nullptr) continue;
      int& depth = tasks_[index_.at(made->derivation_key)].depth;
      depth = std::max(depth, tasks_[i].depth + 1);
    }
  }
}

void TaskList::FillNeeds() {
  // Forwards, what each is made from; then backwards, what it is needed for.
  std::vector<int64_t> made_from(tasks_.size(), 0);
  for (size_t i = 0; i < tasks_.size(); ++i) {
    const auto said = needed_from_.find(tasks_[i].key);
    if (said != needed_from_.end()) made_from[i] = said->second;
    for (const auto& [role, input] : tasks_[i].def.inputs) {
      const auto* made = std::get_if<TaskOutputRef>(&input);
      if (made != nullptr) made_from[i] = std::max(made_from[i], made_from[index_.at(made->derivation_key)]);
    }
  }
  constexpr int64_t kNobody = std::numeric_limits<int64_t>::max();
  std::vector<int64_t> needed_from(tasks_.size(), kNobody);
  for (const auto& [key, blocks] : needed_from_) needed_from[index_.at(key)] = blocks;
  for (size_t i = tasks_.size(); i-- > 0;) {
    tasks_[i].needs_blocks = needed_from[i] == kNobody ? made_from[i] : needed_from[i];
    for (const auto& [role, input] : tasks_[i].def.inputs) {
      const auto* made = std::get_if<TaskOutputRef>(&input);
      if (made == nullptr) continue;
      int64_t& needed = needed_from[index_.at(made->derivation_key)];
      needed = std::min(needed, tasks_[i].needs_blocks);
    }
  }
}

}  // namespace lwq::coordinator
