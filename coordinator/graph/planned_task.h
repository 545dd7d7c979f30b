// SPDX-License-Identifier: Apache-2.0
// A task as a run's graph has it, and the list they are collected in. Pure values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/model/llama_config.h"
#include "common/task/task_def.h"
#include "coordinator/graph/kind_classes.h"
#include "coordinator/plan/recipe/recipe.h"

namespace lwq::coordinator {

// What the run reads from a finished task.
enum class TaskPurpose {
  kStep,            // only other tasks, or the plan, read it
  kCheckpoint,      // the quantized blocks of the run
  kExport,          // the exported directory
  kEvaluation,      // what it measured
  kRungEvaluation,  // what it measured on the way, for its sweep's halving alone
};

struct PlannedTask {
  Digest key;
  TaskDef def;
  std::string title;
  int64_t block = -1;
  // Tasks on the longest path from here to the end of the run, itself included: the critical path goes first.
  int depth = 1;
  int64_t memory_bytes = 0;
  TaskPurpose purpose = TaskPurpose::kStep;
  std::string evaluated_model;  // kEvaluation: "fp" or the method
  std::string evaluated_text;   // kEvaluation, and the shards it is made from
  // Where a sweep's halving lets the run train some of its blocks only: how many these must be for the task to be
  // begun. A training needs one more than are trained before it, counted in the run's own order; every other task as
  // many as the first of those that read it; one that nobody reads, such as an export, as many as are trained by the
  // tasks it reads. 0: none.
  int64_t needs_blocks = 0;
};

// Tasks in topological order, each once: equal tasks are one.
class TaskList {
 public:
  // `model` may be null where no task needs memory for one. All must outlive the list.
  TaskList(const LlamaConfig* model, const Recipe& recipe, const KindBases& bases)
      : model_(model), recipe_(recipe), bases_(bases) {}

  // Fills key, numerics class and memory. `unit_blocks`: blocks that a training holds. Its inputs must have been added.
  // Where an equal one is there, that one is there for both: a result of the run before a step or what a rung needs.
  Digest Add(PlannedTask task, int64_t unit_blocks = 1);
  // The task is needed once so many blocks may be trained, or fewer where that was said before.
  void NeedFrom(const Digest& key, int64_t blocks);
  // The tasks with their depths and what they need. Nothing may be added after it.
  std::vector<PlannedTask> Take();

 private:
  const LlamaConfig* model_;
  const Recipe& recipe_;
  const KindBases& bases_;
  void FillDepths();
  void FillNeeds();

  std::vector<PlannedTask> tasks_;
  std::map<Digest, size_t> index_;
  std::map<Digest, int64_t> needed_from_;
};

}  // namespace lwq::coordinator
