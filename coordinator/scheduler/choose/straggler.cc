// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/choose/straggler.h"

#include <algorithm>
#include <utility>

#include "coordinator/scheduler/state/garbage.h"
#include "coordinator/scheduler/state/indexing.h"

namespace lwq::coordinator {
namespace {

// Whether it is on the critical path of a run that goes on.
bool IsCritical(const State& state, const TaskEntry& task) {
  return std::any_of(task.wanted_by.begin(), task.wanted_by.end(), [&](const auto& wanting) {
    const RunEntry& run = state.runs.at(state.runs_by_sequence.at(wanting.first));
    return !run.record.paused && !run.unfinished.empty() &&
           run.tasks[wanting.second].depth >= run.unfinished.rbegin()->first;
  });
}

bool MayTake(const State& state, const WorkerEntry& worker, const TaskEntry& task) {
  const TaskRecord& record = task.record;
  const WorkerRecord& holder = state.workers.at(record.worker).record;
  if (holder.id == worker.record.id || holder.numerics_class != worker.record.numerics_class) return false;
  if (!Fits(DemandOf(record), worker.record) || !worker.record.projects.Has(task.place.project)) return false;
  if (!state.shares.Rank(task.place.project).has_value()) return false;
  const std::set<std::string>* devices = state.health.DevicesOf(record.key);
  if (devices != nullptr && devices->contains(DeviceOf(worker.record))) return false;
  const auto& inputs = record.def->inputs;
  return IsCritical(state, task) && std::all_of(inputs.begin(), inputs.end(), [&](const auto& input) {
           return ReadableContentOf(state, input.second).has_value();
         });
}

}  // namespace

std::optional<Digest> ChooseStraggler(const State& state, const WorkerEntry& worker) {
  if (state.stragglers.empty() || state.health.StandingOf(DeviceOf(worker.record)) != Standing::kTrusted) {
    return std::nullopt;
  }
  std::optional<Digest> best;
  for (const Digest& key : state.stragglers) {
    const TaskEntry& task = state.tasks.at(key);
    if (best.has_value() && !(task.place.urgency < state.tasks.at(*best).place.urgency)) continue;
    if (MayTake(state, worker, task)) best = key;
  }
  return best;
}

}  // namespace lwq::coordinator
