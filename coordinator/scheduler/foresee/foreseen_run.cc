// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/foresee/foreseen_run.h"

#include <map>
#include <optional>
#include <string>

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

}  // namespace

StatusOr<ForeseenRun> ForeseeRun(StateReader& reader, const RunSpec& spec) {
  ForeseenRun run;
  LWQ_ASSIGN_OR_RETURN(run.resolved, ResolveSpec(spec));
  StatusOr<std::optional<ChosenClasses>> classes = std::optional<ChosenClasses>();
  LWQ_RETURN_IF_ERROR(reader.Look([&](const State& state) { classes = ChooseClasses(state, run.resolved); }));
  LWQ_ASSIGN_OR_RETURN(const std::optional<ChosenClasses> chosen, std::move(classes));
  run.keyed = chosen.has_value();
  run.recipe = run.keyed ? PinRecipe(run.resolved.recipe, chosen->hardware_bf16) : run.resolved.recipe;
  if (run.keyed) run.bases = chosen->bases;
  LWQ_ASSIGN_OR_RETURN(run.graph, KnownGraph(reader, spec, run.resolved.model.get(), run.recipe, run.bases));
  return run;
}

Status FindKnownTasks(StateReader& reader, const std::vector<PlannedTask>& tasks, KnownTasks& known) {
  return reader.Look([&](const State& state) {
    for (const PlannedTask& planned : tasks) {
      const auto task = state.tasks.find(planned.key);
      if (task == state.tasks.end()) continue;
      const TaskState there = task->second.record.state;
      if (there != TaskState::kFailed && there != TaskState::kCancelled) known.shared.insert(planned.key);
      if (there == TaskState::kSucceeded) known.done.insert(planned.key);
    }
  });
}

}  // namespace lwq::coordinator
