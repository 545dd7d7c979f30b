// SPDX-License-Identifier: Apache-2.0
// A run as tasks: which tasks there are, what each reads, and what the run takes from them.
//
//   tokenize ─▶ embed ─▶ A(0) ─advance fp─▶ A(1) ─▶ … ─▶ A(n)          full-precision chain: the targets
//                         │                  │
//                         └─▶ train 0 ◀──────┘                         targets of block k: A(k+1)
//                              │ block 0
//                              ▼
//               advance q ─▶ Aq(1) ─▶ train 1 ─▶ …                     the model as it is: the inputs
//   every block ─▶ export;  every block + tokenized text ─▶ evaluate, shard by shard ─▶ perplexity
//
// With `prepare` the blocks that are trained, rounded or measured are scaled ones (prepare_tasks.h); the full-precision
// chain is the same.
//
// Where the plan goes by a sensitivity that has to be measured, the graph grows: it holds what does not depend on the
// measurement, and the tasks that make it; once those are done, what they measured is added to the plan's knowledge and
// the graph is built again. Every task of the smaller graph is in the larger one.
//
// Tasks are named by derivation key, so that equal work of different runs is one task, whatever else differs between
// the runs. Roles are those of common/task/task_params.h.
//
// Pure; thread-safe. Determinism: tasks come in topological order, the same for equal arguments.
// Not here: who executes when (scheduler/).
#pragma once

#include <optional>
#include <vector>

#include "coordinator/graph/kind_classes.h"
#include "coordinator/graph/planned_task.h"
#include "coordinator/graph/run_spec.h"
#include "coordinator/graph/sensitivity_tasks.h"
#include "coordinator/plan/plan.h"

namespace lwq::coordinator {

struct RunGraph {
  Plan plan;
  std::vector<PlannedTask> tasks;
  std::optional<PendingMeasurement> pending;  // absent: the graph is whole
};

// Whether any task of the run is pinned to a numerics class; a run without is planned before any worker is there.
bool NeedsNumericsClass(const ResolvedSpec& resolved);

// Whether the run's graph is not whole from the start: something has to be measured first, or in between.
bool Grows(const RunSpec& spec, const Recipe& recipe);

// `recipe` is the pinned one; `bases` has every pinned kind of the run's, none where NeedsNumericsClass is false;
// `measurements` those of the run so far. Errors of MakePlan.
StatusOr<RunGraph> BuildRunGraph(const RunSpec& spec, const LlamaConfig* model, const Recipe& recipe,
                                 const KindBases& bases, const std::vector<Measurement>& measurements = {});

}  // namespace lwq::coordinator
