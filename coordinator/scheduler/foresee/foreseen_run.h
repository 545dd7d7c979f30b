// SPDX-License-Identifier: Apache-2.0
// The graph that a run of a spec would have if it were submitted now, and what of it is there already. Nothing is
// changed.
#pragma once

#include <set>
#include <vector>

#include "common/status/status.h"
#include "coordinator/graph/run_graph.h"
#include "coordinator/graph/run_spec.h"
#include "coordinator/scheduler/state/state_reader.h"

namespace lwq::coordinator {

struct ForeseenRun {
  ResolvedSpec resolved;
  Recipe recipe;       // pinned where classes could be chosen
  KindBases bases;     // the same
  bool keyed = false;  // whether they could; else the tasks' keys are not those they will have
  RunGraph graph;      // grown by every measurement that other runs have made already
};

// Takes short looks at the state and builds graphs between them. Errors as SubmitRun, and the reader's.
StatusOr<ForeseenRun> ForeseeRun(StateReader& reader, const RunSpec& spec);

// Which tasks exist for other runs.
struct KnownTasks {
  std::set<Digest> shared;  // done or in flight
  std::set<Digest> done;
};
// Adds to `known` those of the tasks that are. Errors: the reader's.
Status FindKnownTasks(StateReader& reader, const std::vector<PlannedTask>& tasks, KnownTasks& known);

}  // namespace lwq::coordinator
