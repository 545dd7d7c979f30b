// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/choose/elsewhere.h"

namespace lwq::coordinator {
namespace {

// Whether a worker other than this one is for the project and fits the demand, is on none of the devices, and on one
// that `may` is true of.
template <typename May>
bool AnotherFits(const State& state, const WorkerEntry& worker, const Demand& demand, const std::string& project,
                 const std::set<std::string>* devices, May may) {
  for (const auto& [shape, ids] : state.here) {
    const WorkerRecord& one = state.workers.at(*ids.begin()).record;
    if (!Fits(demand, one) || !one.projects.Has(project)) continue;
    for (const WorkerId& id : ids) {
      const std::string& device = DeviceOf(state.workers.at(id).record);
      if (device == DeviceOf(worker.record) || (devices != nullptr && devices->contains(device))) continue;
      if (may(state.health.StandingOf(device))) return true;
    }
  }
  return false;
}

bool IsNotQuarantined(Standing standing) {
  return standing != Standing::kQuarantined;
}

bool IsTrusted(Standing standing) {
  return standing == Standing::kTrusted;
}

}  // namespace

// Nobody leaves a task to somebody who leaves it to others: who is trusted, and has not failed it, leaves nothing; who
// is probed leaves to the trusted, and who has failed it or is quarantined to both.
bool LeavesToOthers(const State& state, const WorkerEntry& worker, const TaskEntry& task) {
  const std::set<std::string>* devices = state.health.DevicesOf(task.record.key);
  if (devices == nullptr) return false;
  const std::string& device = DeviceOf(worker.record);
  if (devices->contains(device))
    return AnotherFits(state, worker, task.place.demand, task.place.project, devices, IsNotQuarantined);
  return state.health.StandingOf(device) != Standing::kTrusted &&
         AnotherFits(state, worker, task.place.demand, task.place.project, devices, IsTrusted);
}

bool LeavesToOthers(const State& state, const WorkerEntry& worker, const Demand& demand, const std::string& project) {
  if (state.health.StandingOf(DeviceOf(worker.record)) != Standing::kQuarantined) return false;
  return AnotherFits(state, worker, demand, project, nullptr, IsNotQuarantined);
}

}  // namespace lwq::coordinator
