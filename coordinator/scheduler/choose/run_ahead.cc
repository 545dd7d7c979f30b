// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/choose/run_ahead.h"

#include <algorithm>
#include <tuple>
#include <vector>

#include "coordinator/scheduler/state/garbage.h"

namespace lwq::coordinator {
namespace {

bool IsChainStep(const TaskEntry& task) {
  return task.record.def->kind == TaskKind::kEmbed || task.record.def->kind == TaskKind::kAdvance;
}

bool BeginsAChain(const TaskEntry& task) {
  return task.record.def->kind == TaskKind::kEmbed;
}

// Activations are as large as those they are made from; a chain's beginning as the largest there was so far.
int64_t BytesMade(const State& state, const TaskEntry& task) {
  if (BeginsAChain(task)) return state.activations.largest_bytes();
  int64_t bytes = 0;
  for (const auto& [role, input] : task.record.def->inputs) {
    const auto* made = std::get_if<TaskOutputRef>(&input);
    if (made == nullptr || !IsDisposable(state.tasks.at(made->derivation_key).record.def->kind, made->output)) continue;
    const std::optional<ArtifactRef> content = ContentOf(state, input);
    if (content.has_value()) bytes = std::max(bytes, content->size_bytes);
  }
  return bytes;
}

// What tasks that are being executed are about to store.
int64_t BytesInMaking(const State& state) {
  int64_t bytes = 0;
  for (const auto& [id, worker] : state.workers) {
    if (!worker.lease.has_value()) continue;
    const TaskEntry& task = state.tasks.at(*worker.lease);
    if (IsChainStep(task)) bytes += BytesMade(state, task);
  }
  return bytes;
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
      if (!IsChainStep(reader)) return true;
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
  if (BeginsAChain(task)) room -= BytesInMaking(state);  // or all idle workers would begin one at once
  return BytesMade(state, task) > room;
}

bool IsHeldBack(const State& state, const TaskEntry& task) {
  if (!ExceedsBudget(state, task)) return false;
  if (SomebodyWorksFor(state, task)) return !ResultFollows(state, task);
  return BeginsAChain(task) && ARunBeforeItIsWorkedFor(state, task);
}

}  // namespace lwq::coordinator
