// SPDX-License-Identifier: Apache-2.0
// A run's graph as a step takes it in. Names, texts and digests are made here, which may be beside the loop: the step
// then only enters the tasks into its state.
//
// Pure; thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/graph/run_graph.h"
#include "coordinator/scheduler/state/records.h"

namespace lwq::coordinator {

struct PreparedTask {
  TaskRecord record;                            // as a new task has it
  RunTaskRecord in_run;                         // `shared` is not known yet
  std::shared_ptr<const std::string> def_text;  // StoredText of its definition
  // Of its first attempt, where it reads nothing that another task makes; else zero.
  Digest action_key;
};

struct PreparedGraph {
  Plan plan;
  std::vector<PreparedTask> tasks;  // in the order of RunGraph
  std::optional<PendingMeasurement> pending;
};

PreparedGraph PrepareGraph(RunGraph graph);

}  // namespace lwq::coordinator
