// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/foresee/preview.h"

#include <utility>

#include "coordinator/scheduler/foresee/foreseen_run.h"

namespace lwq::coordinator {

StatusOr<RunPreview> PreviewRun(StateReader& reader, const RunSpec& spec) {
  LWQ_ASSIGN_OR_RETURN(ForeseenRun run, ForeseeRun(reader, spec));
  Fleet fleet;
  LWQ_RETURN_IF_ERROR(reader.Look([&](const State& state) { fleet = FleetOf(state); }));
  RunPreview preview;
  KnownTasks known;
  if (run.keyed) LWQ_RETURN_IF_ERROR(FindKnownTasks(reader, run.graph.tasks, known));
  for (const PlannedTask& task : run.graph.tasks) {
    ++preview.tasks[task.def.kind];
    if (known.shared.contains(task.key)) ++preview.tasks_shared[task.def.kind];
  }
  const LlamaConfig* model = run.resolved.model.get();
  preview.estimates = EstimateKinds(fleet, spec, model, run.recipe, run.bases, run.graph.tasks);
  if (run.keyed)
    preview.estimated_seconds = EstimateSeconds(fleet, spec, model, run.recipe, run.graph.tasks, known.done);
  preview.plan = std::move(run.graph.plan);
  preview.recipe = std::move(run.recipe);
  return preview;
}

}  // namespace lwq::coordinator
