// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/foresee/preview.h"

#include <utility>

namespace lwq::coordinator {

RunPreview CountedPreview(ForeseenRun run, const KnownTasks& known) {
  RunPreview preview;
  for (const PlannedTask& task : run.graph.tasks) {
    ++preview.tasks[task.def.kind];
    if (known.shared.contains(task.key)) ++preview.tasks_shared[task.def.kind];
  }
  preview.plan = std::move(run.graph.plan);
  preview.recipe = std::move(run.recipe);
  return preview;
}

StatusOr<RunPreview> PreviewRun(StateReader& reader, const RunSpec& spec) {
  LWQ_ASSIGN_OR_RETURN(ForeseenRun run, ForeseeRun(reader, spec));
  Fleet fleet;
  LWQ_RETURN_IF_ERROR(reader.Look([&](const State& state) { fleet = FleetOf(state); }));
  KnownTasks known;
  if (run.keyed) LWQ_RETURN_IF_ERROR(FindKnownTasks(reader, run.graph.tasks, known));
  const LlamaConfig* model = run.resolved.model.get();
  std::vector<KindEstimate> estimates = EstimateKinds(fleet, spec, model, run.recipe, run.bases, run.graph.tasks);
  std::optional<double> seconds;
  if (run.keyed) seconds = EstimateSeconds(fleet, spec, model, run.recipe, run.graph.tasks, known.done);
  RunPreview preview = CountedPreview(std::move(run), known);
  preview.estimates = std::move(estimates);
  preview.estimated_seconds = seconds;
  return preview;
}

}  // namespace lwq::coordinator
