// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/foresee/explain.h"

#include <algorithm>
#include <map>
#include <set>

#include "common/json/json.h"

namespace lwq::coordinator {
namespace {

// Every value of the task's own under its dotted name. What other tasks make is left out.
std::map<std::string, std::string> FieldsOf(const TaskDef& def) {
  std::map<std::string, std::string> fields = {{"kind", Json(std::string(TaskKindName(def.kind))).dump()},
                                               {"numerics_class", Json(def.numerics_class).dump()}};
  for (const auto& [name, value] : def.params.items()) fields[absl::StrCat("params.", name)] = value.dump();
  for (const auto& [role, input] : def.inputs) {
    const auto* leaf = std::get_if<ArtifactRef>(&input);
    if (leaf != nullptr) fields[absl::StrCat("inputs.", role)] = Json(leaf->digest.hex()).dump();
  }
  return fields;
}

std::vector<FieldDifference> Differences(const TaskDef& a, const TaskDef& b) {
  const std::map<std::string, std::string> of_a = FieldsOf(a), of_b = FieldsOf(b);
  std::set<std::string> names;
  for (const auto& [name, value] : of_a) names.insert(name);
  for (const auto& [name, value] : of_b) names.insert(name);
  const auto at = [](const std::map<std::string, std::string>& fields, const std::string& name) {
    const auto found = fields.find(name);
    return found == fields.end() ? std::string() : found->second;
  };
  std::vector<FieldDifference> differences;
  for (const std::string& name : names) {
    if (at(of_a, name) != at(of_b, name)) differences.push_back({name, at(of_a, name), at(of_b, name)});
  }
  return differences;
}

}  // namespace

StatusOr<TasksOfRun> TasksToExplain(const State& state, const RunEntry& run) {
  if (run.tasks.empty()) {
    return absl::FailedPreconditionError(absl::StrCat("run ", run.record.id.value, " is ",
                                                      RunStateName(run.record.state),
                                                      " and has no tasks yet: ask when a worker for it is there"));
  }
  TasksOfRun tasks;
  tasks.reserve(run.tasks.size());
  for (const RunTaskRecord& task : run.tasks) {
    tasks.push_back({task.key, task.title, state.tasks.at(task.key).record.def});
  }
  return tasks;
}

Explanation Explain(const TasksOfRun& a, const TasksOfRun& b) {
  Explanation explanation;
  explanation.tasks_a = static_cast<int64_t>(a.size());
  explanation.tasks_b = static_cast<int64_t>(b.size());
  std::set<Digest> keys_a;
  std::map<std::string, std::vector<Digest>> titled_b;
  std::map<Digest, const TaskDef*> defs_b;
  for (const TaskOfRun& task : a) keys_a.insert(task.key);
  for (const TaskOfRun& task : b) {
    defs_b.emplace(task.key, task.def.get());
    if (keys_a.contains(task.key)) {
      ++explanation.shared;
    } else {
      titled_b[task.title].push_back(task.key);
    }
  }
  for (const TaskOfRun& task : a) {
    if (defs_b.contains(task.key)) continue;
    const auto other = titled_b.find(task.title);
    if (other == titled_b.end() || other->second.empty()) {
      explanation.only_a.push_back(task.title);
      continue;
    }
    const Digest key = other->second.front();
    other->second.erase(other->second.begin());
    std::vector<FieldDifference> fields = Differences(*task.def, *defs_b.at(key));
    if (fields.empty()) {
      ++explanation.following;
    } else {
      explanation.partings.push_back({task.title, std::move(fields)});
    }
  }
  for (const TaskOfRun& task : b) {
    const auto left = titled_b.find(task.title);
    if (left == titled_b.end()) continue;
    const bool unmatched = std::find(left->second.begin(), left->second.end(), task.key) != left->second.end();
    if (unmatched) explanation.only_b.push_back(task.title);
  }
  return explanation;
}

}  // namespace lwq::coordinator
