#include "coordinator/scheduler/preview.h"

#include "coordinator/graph/run_graph.h"
#include "coordinator/scheduler/placement.h"

namespace lwq::coordinator {
namespace {

// The metrics of a task whose result is known.
StatusOr<Json> KnownMetrics(const State& state, const Digest& key) {
  const auto task = state.tasks.find(key);
  if (task == state.tasks.end() || task->second.record.state != TaskState::kSucceeded) {
    return absl::NotFoundError("not measured");
  }
  return ParseJson(state.actions.at(task->second.record.action_key).metrics_json, "metrics");
}

// The graph grown by every measurement that other runs have made already.
StatusOr<RunGraph> KnownGraph(const State& state, const RunSpec& spec, const LlamaConfig* model, const Recipe& recipe,
                              const KindBases& bases) {
  std::vector<Measurement> measurements;
  while (true) {
    LWQ_ASSIGN_OR_RETURN(RunGraph graph, BuildRunGraph(spec, model, recipe, bases, measurements));
    if (!graph.pending.has_value()) return graph;
    StatusOr<Measurement> measured = CollectMeasurement(
        *graph.pending, *model, recipe, [&state](const Digest& key) { return KnownMetrics(state, key); });
    if (!measured.ok()) return graph;
    measurements.push_back(*std::move(measured));
  }
}

}  // namespace

StatusOr<RunPreview> PreviewRun(const State& state, const RunSpec& spec) {
  LWQ_ASSIGN_OR_RETURN(const ResolvedSpec resolved, ResolveSpec(spec));
  RunPreview preview;
  LWQ_ASSIGN_OR_RETURN(const std::optional<ChosenClasses> chosen, ChooseClasses(state, resolved));
  const bool keyed = chosen.has_value();
  preview.recipe = keyed ? PinRecipe(resolved.recipe, chosen->hardware_bf16) : resolved.recipe;
  const KindBases bases = keyed ? chosen->bases : KindBases();
  const LlamaConfig* model = resolved.model.get();
  LWQ_ASSIGN_OR_RETURN(RunGraph graph, KnownGraph(state, spec, model, preview.recipe, bases));
  preview.plan = std::move(graph.plan);
  for (const PlannedTask& task : graph.tasks) {
    ++preview.tasks[task.def.kind];
    if (!keyed) continue;
    const auto known = state.tasks.find(task.key);
    if (known == state.tasks.end()) continue;
    const TaskState there = known->second.record.state;
    if (there != TaskState::kFailed && there != TaskState::kCancelled) ++preview.tasks_shared[task.def.kind];
  }
  preview.estimates = EstimateKinds(state, spec, model, preview.recipe, bases, graph.tasks);
  if (keyed) preview.estimated_seconds = EstimateSeconds(state, spec, model, preview.recipe, graph.tasks);
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
