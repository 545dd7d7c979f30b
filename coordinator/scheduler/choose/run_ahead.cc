// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/choose/run_ahead.h"

#include <algorithm>
#include <tuple>
#include <vector>

#include "coordinator/scheduler/state/garbage.h"
#include "coordinator/scheduler/state/learning.h"

namespace lwq::coordinator {
namespace {

bool IsChainStep(const TaskEntry& task) {
  const TaskKind kind = task.record.def->kind;
  return kind == TaskKind::kEmbed || kind == TaskKind::kAdvance || kind == TaskKind::kEvaluateReference;
}

// What trainings and roundings wait for, and nothing by itself: not what a chain runs ahead for.
bool OnlyPrepares(const TaskEntry& task) {
  return task.record.def->kind == TaskKind::kSearchScales;
}

bool BeginsAChain(const TaskEntry& task) {
  return task.record.def->kind == TaskKind::kEmbed;
}

// Whether all inputs of the task are there or being made, if `made` will be.
bool CanSoonBeExecuted(const State& state, const TaskRecord& task, const std::set<Digest>& made) {
  return std::all_of(task.def->inputs.begin(), task.def->inputs.end(), [&](const auto& input) {
    const auto* output = std::get_if<TaskOutputRef>(&input.second);
    if (output == nullptr || made.contains(output->derivation_key)) return true;
    return state.tasks.at(output->derivation_key).record.state != TaskState::kBlocked;
  });
}

// Whether a task is being executed for one of its runs.
bool SomebodyWorksFor(const State& state, const TaskEntry& task) {
  return std::any_of(state.workers.begin(), state.workers.end(), [&](const auto& worker) {
    if (!worker.second.lease.has_value()) return false;
    const auto& served = state.tasks.at(*worker.second.lease).wanted_by;
    return std::any_of(task.wanted_by.begin(), task.wanted_by.end(),
                       [&](const auto& run) { return served.contains(run.first); });
  });
}

// Whether a task is being executed for a run that goes before all of its own, in the same project: what that one reads
// will be free before long.
bool ARunBeforeItIsWorkedFor(const State& state, const TaskEntry& task) {
  return std::any_of(state.workers.begin(), state.workers.end(), [&](const auto& worker) {
    if (!worker.second.lease.has_value()) return false;
    const ReadyQueue::Place& served = state.tasks.at(*worker.second.lease).place;
    const auto order = [](const Urgency& urgency) { return std::tie(urgency.negated_priority, urgency.run_sequence); };
    return served.project == task.place.project && order(served.urgency) < order(task.place.urgency);
  });
}

// Of activations: made for it and still to be read, or being made.
int64_t BytesOfProject(const State& state, const std::string& project) {
  return state.activations.needed_bytes_of(project) + state.activations.expected_bytes_of(project);
}

bool WorksForProject(const State& state, const std::string& project) {
  const auto use = state.shares.all().find(project);
  return use != state.shares.all().end() && use->second.running > 0;
}

// Whether a result, not only activations, soon follows from what the task makes.
bool ResultFollows(const State& state, const TaskEntry& task) {
  std::set<Digest> made = {task.record.key};
  std::vector<const TaskEntry*> frontier = {&task};
  while (!frontier.empty()) {
    const TaskEntry& maker = *frontier.back();
    frontier.pop_back();
    for (const Digest& key : maker.consumers) {
      const TaskEntry& reader = state.tasks.at(key);
      if (made.contains(key) || !IsLive(reader.record) || !CanSoonBeExecuted(state, reader.record, made)) continue;
      if (!IsChainStep(reader) && !OnlyPrepares(reader)) return true;
      made.insert(key);
      frontier.push_back(&reader);
    }
  }
  return false;
}

}  // namespace

bool ExceedsBudget(const State& state, const TaskEntry& task) {
  if (!IsChainStep(task)) return false;
  int64_t room = state.options.activation_bytes - state.activations.needed_bytes();
  if (BeginsAChain(task)) room -= state.activations.expected_bytes();  // or all idle workers would begin one at once
  return ExpectedActivationBytes(state, task) > room;
}

bool AreHeldByProject(const State& state, TaskKind kind, const std::string& project) {
  if (kind != TaskKind::kEmbed) return false;
  const int64_t budget = state.shares.OptionsOf(project).max_stored_bytes;
  return budget > 0 && BytesOfProject(state, project) >= budget && WorksForProject(state, project);
}

bool IsHeldByProject(const State& state, const TaskEntry& task) {
  const std::string& project = task.place.project;
  const int64_t budget = state.shares.OptionsOf(project).max_stored_bytes;
  if (budget == 0 || !IsChainStep(task)) return false;
  if (ExpectedActivationBytes(state, task) <= budget - BytesOfProject(state, project)) return false;
  return WorksForProject(state, project) && (BeginsAChain(task) || !ResultFollows(state, task));
}

bool IsHeldBack(const State& state, const TaskEntry& task) {
  if (IsHeldByProject(state, task)) return true;
  if (!ExceedsBudget(state, task)) return false;
  if (SomebodyWorksFor(state, task)) return !ResultFollows(state, task);
  return BeginsAChain(task) && ARunBeforeItIsWorkedFor(state, task);
}

}  // namespace lwq::coordinator
