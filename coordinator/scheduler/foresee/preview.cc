// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/foresee/preview.h"

#include <set>
#include <string>

#include "coordinator/graph/run_graph.h"
#include "coordinator/scheduler/choose/placement.h"

namespace lwq::coordinator {
namespace {

// The metrics of those of the tasks whose results are known.
StatusOr<std::map<Digest, std::string>> KnownMetrics(StateReader& reader, const PendingMeasurement& pending) {
  std::map<Digest, std::string> known;
  LWQ_RETURN_IF_ERROR(reader.Look([&](const State& state) {
    for (const PendingMeasurement::Part& part : pending.parts) {
      const auto task = state.tasks.find(part.task);
      if (task == state.tasks.end() || task->second.record.state != TaskState::kSucceeded) continue;
      known[part.task] = state.actions.at(task->second.record.action_key).metrics_json;
    }
  }));
  return known;
}

// The graph grown by every measurement that other runs have made already.
StatusOr<RunGraph> KnownGraph(StateReader& reader, const RunSpec& spec, const LlamaConfig* model, const Recipe& recipe,
                              const KindBases& bases) {
  std::vector<Measurement> measurements;
  while (true) {
    LWQ_ASSIGN_OR_RETURN(RunGraph graph, BuildRunGraph(spec, model, recipe, bases, measurements));
    if (!graph.pending.has_value()) return graph;
    LWQ_ASSIGN_OR_RETURN(const auto known, KnownMetrics(reader, *graph.pending));
    StatusOr<Measurement> measured =
        CollectMeasurement(*graph.pending, *model, recipe, [&known](const Digest& key) -> StatusOr<Json> {
          const auto metrics = known.find(key);
          if (metrics == known.end()) return absl::NotFoundError("not measured");
          return ParseJson(metrics->second, "metrics");
        });
    if (!measured.ok()) return graph;
    measurements.push_back(*std::move(measured));
  }
}

// Which of the tasks exist for other runs, done or in flight, and which are done.
struct Known {
  std::set<Digest> shared, done;
};
StatusOr<Known> KnownTasks(StateReader& reader, const std::vector<PlannedTask>& tasks) {
  Known known;
  LWQ_RETURN_IF_ERROR(reader.Look([&](const State& state) {
    for (const PlannedTask& planned : tasks) {
      const auto task = state.tasks.find(planned.key);
      if (task == state.tasks.end()) continue;
      const TaskState there = task->second.record.state;
      if (there != TaskState::kFailed && there != TaskState::kCancelled) known.shared.insert(planned.key);
      if (there == TaskState::kSucceeded) known.done.insert(planned.key);
    }
  }));
  return known;
}

}  // namespace

StatusOr<RunPreview> PreviewRun(StateReader& reader, const RunSpec& spec) {
  LWQ_ASSIGN_OR_RETURN(const ResolvedSpec resolved, ResolveSpec(spec));
  StatusOr<std::optional<ChosenClasses>> classes = std::optional<ChosenClasses>();
  Fleet fleet;
  LWQ_RETURN_IF_ERROR(reader.Look([&](const State& state) {
    classes = ChooseClasses(state, resolved);
    fleet = FleetOf(state);
  }));
  LWQ_ASSIGN_OR_RETURN(const std::optional<ChosenClasses> chosen, std::move(classes));
  const bool keyed = chosen.has_value();
  RunPreview preview;
  preview.recipe = keyed ? PinRecipe(resolved.recipe, chosen->hardware_bf16) : resolved.recipe;
  const KindBases bases = keyed ? chosen->bases : KindBases();
  const LlamaConfig* model = resolved.model.get();
  LWQ_ASSIGN_OR_RETURN(RunGraph graph, KnownGraph(reader, spec, model, preview.recipe, bases));
  preview.plan = std::move(graph.plan);
  Known known;
  if (keyed) {
    LWQ_ASSIGN_OR_RETURN(known, KnownTasks(reader, graph.tasks));
  }
  for (const PlannedTask& task : graph.tasks) {
    ++preview.tasks[task.def.kind];
    if (known.shared.contains(task.key)) ++preview.tasks_shared[task.def.kind];
  }
  preview.estimates = EstimateKinds(fleet, spec, model, preview.recipe, bases, graph.tasks);
  if (keyed) {
    preview.estimated_seconds = EstimateSeconds(fleet, spec, model, preview.recipe, graph.tasks, known.done);
  }
  return preview;
}

}  // namespace lwq::coordinator
