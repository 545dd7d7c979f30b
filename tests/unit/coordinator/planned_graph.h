// SPDX-License-Identifier: Apache-2.0
// The tasks of a run as tests look at them: built from its spec, found by kind and title.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/status/status.h"
#include "coordinator/graph/run_graph.h"
#include "coordinator/graph/run_spec.h"

namespace lwq::coordinator::testing {

// On devices that all are of one class; stops the test where the spec is refused.
inline std::vector<PlannedTask> TasksOf(const RunSpec& spec, const std::string& base = "a|b|c") {
  const StatusOr<ResolvedSpec> resolved = ResolveSpec(spec);
  LWQ_CHECK(resolved.ok(), resolved.status().ToString());
  StatusOr<RunGraph> graph =
      BuildRunGraph(spec, resolved->model.get(), PinRecipe(resolved->recipe, false), UniformBases(base));
  LWQ_CHECK(graph.ok(), graph.status().ToString());
  return std::move(graph->tasks);
}

inline std::vector<PlannedTask> OfKind(const std::vector<PlannedTask>& graph, TaskKind kind) {
  std::vector<PlannedTask> tasks;
  for (const PlannedTask& task : graph) {
    if (task.def.kind == kind) tasks.push_back(task);
  }
  return tasks;
}

inline std::set<Digest> KeysOfKind(const std::vector<PlannedTask>& graph, TaskKind kind) {
  std::set<Digest> keys;
  for (const PlannedTask& task : OfKind(graph, kind)) keys.insert(task.key);
  return keys;
}

inline const PlannedTask& Titled(const std::vector<PlannedTask>& graph, std::string_view title) {
  for (const PlannedTask& task : graph) {
    if (task.title == title) return task;
  }
  LWQ_CHECK(false, "no task is titled ", title);
  return graph[0];
}

inline TaskInput Out(const PlannedTask& task, const std::string& output) {
  return TaskOutputRef{task.key, output};
}

// The same with who made what.
class PlannedGraph {
 public:
  explicit PlannedGraph(const RunSpec& spec) : tasks_(TasksOf(spec)) {
    for (const PlannedTask& task : tasks_) by_key_[task.key] = &task;
  }
  PlannedGraph(const PlannedGraph&) = delete;
  PlannedGraph& operator=(const PlannedGraph&) = delete;

  const std::vector<PlannedTask>& tasks() const { return tasks_; }
  const PlannedTask& Titled(std::string_view title) const { return testing::Titled(tasks_, title); }
  std::vector<PlannedTask> OfKind(TaskKind kind) const { return testing::OfKind(tasks_, kind); }
  std::set<Digest> Keys() const {
    std::set<Digest> keys;
    for (const auto& [key, task] : by_key_) keys.insert(key);
    return keys;
  }
  std::set<Digest> Keys(TaskKind kind) const { return KeysOfKind(tasks_, kind); }
  // The task whose output is `task`'s input in `role`.
  const PlannedTask& Producer(const PlannedTask& task, const std::string& role) const {
    return *by_key_.at(std::get<TaskOutputRef>(task.def.inputs.at(role)).derivation_key);
  }
  // The state of every block that the activations in `role` went through, from the first on: "fp", or the title of the
  // task that made it.
  std::vector<std::string> StatesBehind(const PlannedTask& task, const std::string& role) const {
    std::vector<std::string> states;
    const PlannedTask* made = &Producer(task, role);
    while (made->def.kind == TaskKind::kAdvance) {
      states.push_back(made->def.inputs.contains("block") ? Producer(*made, "block").title : "fp");
      made = &Producer(*made, "activations");
    }
    return {states.rbegin(), states.rend()};
  }

 private:
  std::vector<PlannedTask> tasks_;
  std::map<Digest, const PlannedTask*> by_key_;
};

}  // namespace lwq::coordinator::testing
