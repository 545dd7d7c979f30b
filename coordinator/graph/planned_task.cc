// SPDX-License-Identifier: Apache-2.0
#include "coordinator/graph/planned_task.h"

#include <algorithm>

#include "coordinator/plan/cost/memory.h"
#include "coordinator/plan/cost/task_costs.h"

namespace lwq::coordinator {

Digest TaskList::Add(PlannedTask task, int64_t unit_blocks) {
  task.def.numerics_class = ClassOf(bases_, task.def.kind, recipe_);
  task.key = DerivationKeyOf(task.def);
  if (model_ != nullptr) {
    task.memory_bytes = task.def.kind == TaskKind::kTrainBlock ? TrainMemoryBytes(*model_, recipe_, unit_blocks)
                                                               : TaskMemoryBytes(task.def.kind, *model_, recipe_);
  }
  const Digest key = task.key;
  if (index_.emplace(key, tasks_.size()).second) tasks_.push_back(std::move(task));
  return key;
}

std::vector<PlannedTask> TaskList::Take() {
  // In topological order one pass from the end suffices.
  for (size_t i = tasks_.size(); i-- > 0;) {
    for (const auto& [role, input] : tasks_[i].def.inputs) {
      const auto* made = std::get_if<TaskOutputRef>(&input);
      if (made == nullptr) continue;
      int& depth = tasks_[index_.at(made->derivation_key)].depth;
      depth = std::max(depth, tasks_[i].depth + 1);
    }
  }
  return std::move(tasks_);
}

}  // namespace lwq::coordinator
