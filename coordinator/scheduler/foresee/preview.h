// SPDX-License-Identifier: Apache-2.0
// What a run would do before it is submitted, and how much of that is already done. Nothing is changed.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "common/status/status.h"
#include "coordinator/graph/run_spec.h"
#include "coordinator/plan/plan.h"
#include "coordinator/scheduler/foresee/estimates.h"
#include "coordinator/scheduler/foresee/foreseen_run.h"
#include "coordinator/scheduler/state/state.h"
#include "coordinator/scheduler/state/state_reader.h"

namespace lwq::coordinator {

struct RunPreview {
  Recipe recipe;  // pinned where a class could be chosen
  Plan plan;
  std::map<TaskKind, int> tasks;
  // Of these, done or in flight for other runs. Empty while no class can be chosen: the tasks have no keys yet.
  std::map<TaskKind, int> tasks_shared;
  std::vector<KindEstimate> estimates;
  std::optional<double> estimated_seconds;  // estimates.h
};

// Plan and counts of a foreseen run; estimates stay empty.
RunPreview CountedPreview(ForeseenRun run, const KnownTasks& known);

// Takes short looks at the state and plans, allocates and simulates between them. Errors as SubmitRun, and the
// reader's.
StatusOr<RunPreview> PreviewRun(StateReader& reader, const RunSpec& spec);

}  // namespace lwq::coordinator
