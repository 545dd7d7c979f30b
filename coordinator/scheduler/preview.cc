#include "coordinator/scheduler/preview.h"

#include "coordinator/graph/run_graph.h"
#include "coordinator/scheduler/placement.h"

namespace lwq::coordinator {

StatusOr<RunPreview> PreviewRun(const State& state, const RunSpec& spec) {
  LWQ_ASSIGN_OR_RETURN(const ResolvedSpec resolved, ResolveSpec(spec));
  RunPreview preview;
  LWQ_ASSIGN_OR_RETURN(preview.plan, MakePlan(resolved.recipe, resolved.model.get(), spec.sensitivity_scores));
  LWQ_ASSIGN_OR_RETURN(const std::optional<ChosenClasses> chosen, ChooseClasses(state, resolved));
  const bool keyed = chosen.has_value();
  preview.recipe = keyed ? PinRecipe(resolved.recipe, chosen->hardware_bf16) : resolved.recipe;
  const KindBases bases = keyed ? chosen->bases : KindBases();
  const LlamaConfig* model = resolved.model.get();
  const std::vector<PlannedTask> graph = BuildRunGraph(spec, model, preview.recipe, preview.plan, bases);
  for (const PlannedTask& task : graph) {
    ++preview.tasks[task.def.kind];
    if (!keyed) continue;
    const auto known = state.tasks.find(task.key);
    if (known == state.tasks.end()) continue;
    const TaskState there = known->second.record.state;
    if (there != TaskState::kFailed && there != TaskState::kCancelled) ++preview.tasks_shared[task.def.kind];
  }
  preview.estimates = EstimateKinds(state, spec, model, preview.recipe, bases, graph);
  if (keyed) preview.estimated_seconds = EstimateSeconds(state, spec, model, preview.recipe, graph);
  return preview;
}

TaskCounts CountTasks(const State& state, const RunEntry& run) {
  TaskCounts counts;
  for (const RunTaskRecord& planned : run.tasks) {
    const TaskRecord& task = state.tasks.at(planned.key).record;
    ++counts.tasks[task.def->kind];
    if (planned.shared) ++counts.tasks_shared[task.def->kind];
    if (planned.shared || task.from_cache) ++counts.not_executed;
    if (task.state == TaskState::kSucceeded) ++counts.done;
  }
  // A result may be made again for another run; a run that has succeeded stays done.
  if (run.record.state == RunState::kSucceeded) counts.done = static_cast<int>(run.tasks.size());
  return counts;
}

}  // namespace lwq::coordinator
