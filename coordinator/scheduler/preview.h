// A run before it exists: what it would do, and how much of that is already done. Pure; nothing is changed.
#pragma once

#include <map>

#include "common/status/status.h"
#include "coordinator/graph/run_spec.h"
#include "coordinator/plan/plan.h"
#include "coordinator/scheduler/state.h"

namespace lwq::coordinator {

struct RunPreview {
  Recipe recipe;  // pinned where a class could be chosen
  Plan plan;
  std::map<TaskKind, int> tasks;
  // Of these, done or in flight for other runs. Empty while no class can be chosen: the tasks have no keys yet.
  std::map<TaskKind, int> tasks_shared;
};

// Errors as SubmitRun.
StatusOr<RunPreview> PreviewRun(const State& state, const RunSpec& spec);

// Counts a plan's tasks of a run by kind, from its records.
std::map<TaskKind, int> CountTasks(const State& state, const RunEntry& run, bool shared_only);

}  // namespace lwq::coordinator
