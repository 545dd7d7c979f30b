// A run as tasks: which tasks there are, what each reads, and what the run takes from them.
//
//   tokenize ─▶ embed ─▶ A(0) ─advance fp─▶ A(1) ─▶ … ─▶ A(n)          full-precision chain: the targets
//                         │                  │
//                         └─▶ train 0 ◀──────┘                         targets of block k: A(k+1)
//                              │ block 0
//                              ▼
//               advance q ─▶ Aq(1) ─▶ train 1 ─▶ …                     quantized chain: the inputs
//   every block ─▶ export;  every block + tokenized text ─▶ evaluate
//
// Tasks are named by derivation key, so that equal work of different runs is one task, whatever else differs between
// the runs. Roles are those of common/task/task_params.h.
//
// Pure; thread-safe. Determinism: tasks come in topological order, the same for equal arguments.
// Not here: who executes when (scheduler/).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/task/task_def.h"
#include "coordinator/graph/kind_classes.h"
#include "coordinator/graph/run_spec.h"
#include "coordinator/plan/plan.h"

namespace lwq::coordinator {

// What the run reads from a finished task.
enum class TaskPurpose {
  kStep,        // only other tasks read it
  kCheckpoint,  // the quantized block of the run
  kExport,      // the exported directory
  kEvaluation,  // one perplexity
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
  std::string evaluated_text;
};

// Whether any task of the run is pinned to a numerics class; a run without is planned before any worker is there.
bool NeedsNumericsClass(const ResolvedSpec& resolved);

// `recipe` is the pinned one; `bases` has every pinned kind of the run's, none where NeedsNumericsClass is false.
std::vector<PlannedTask> BuildRunGraph(const RunSpec& spec, const LlamaConfig* model, const Recipe& recipe,
                                       const Plan& plan, const KindBases& bases);

}  // namespace lwq::coordinator
