// SPDX-License-Identifier: Apache-2.0
// What a run will need by what is known: memory from the model's shape, time from the tasks that were executed so far.
// Pure; never fails: what is not known is absent. What was learned: learning.h.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/task/task_def.h"
#include "coordinator/graph/kind_classes.h"
#include "coordinator/graph/run_graph.h"
#include "coordinator/scheduler/foresee/makespan.h"
#include "coordinator/scheduler/state/state.h"

namespace lwq::coordinator {

// The workers that are here (IsHere), not draining, and how long tasks took: a copy, to estimate with beside the loop.
struct Fleet {
  std::vector<WorkerRecord> workers;
  Durations durations;
};
Fleet FleetOf(const State& state);

// What a base of live workers, not draining, would need for the run's tasks of a kind.
struct KindEstimate {
  TaskKind kind = TaskKind::kNoop;
  std::string base;
  int workers = 0;
  int tasks = 0;
  int64_t memory_bytes = 0;       // of the largest task
  std::optional<double> seconds;  // of one task, on average
  bool chosen = false;            // the kind is pinned to the base
  std::string problem;            // "" or why none of them can execute it
};

// By kind, then by base. `recipe` is the pinned one where classes could be chosen.
std::vector<KindEstimate> EstimateKinds(const Fleet& fleet, const RunSpec& spec, const LlamaConfig* model,
                                        const Recipe& recipe, const KindBases& bases,
                                        const std::vector<PlannedTask>& graph);

// The run's tasks that are not in `done`, with the times they would take; absent where the time of one was never
// measured.
std::optional<std::vector<TimedTask>> TimedTasks(const Fleet& fleet, const RunSpec& spec, const LlamaConfig* model,
                                                 const Recipe& recipe, const std::vector<PlannedTask>& graph,
                                                 const std::set<Digest>& done);

// How long those of the run's tasks that are not in `done` would take on the workers, if they had nothing else to do.
// Absent where the time of one was never measured, where none of the workers executes one, and where there are too
// many.
std::optional<double> EstimateSeconds(const Fleet& fleet, const RunSpec& spec, const LlamaConfig* model,
                                      const Recipe& recipe, const std::vector<PlannedTask>& graph,
                                      const std::set<Digest>& done);

}  // namespace lwq::coordinator
