// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/choose/elsewhere.h"

namespace lwq::coordinator {
namespace {

// Whether a worker other than this one fits the demand, is not quarantined, and is on none of the devices.
bool AnotherFits(const State& state, const WorkerEntry& worker, const Demand& demand,
                 const std::set<std::string>* devices) {
  for (const auto& [shape, ids] : state.here) {
    if (!Fits(demand, state.workers.at(*ids.begin()).record)) continue;
    for (const WorkerId& id : ids) {
      const std::string& device = DeviceOf(state.workers.at(id).record);
      if (device == DeviceOf(worker.record) || (devices != nullptr && devices->contains(device))) continue;
      if (state.health.StandingOf(device) != Standing::kQuarantined) return true;
    }
  }
  return false;
}

}  // namespace

bool LeavesToOthers(const State& state, const WorkerEntry& worker, const TaskEntry& task) {
  const std::set<std::string>* devices = state.health.DevicesOf(task.record.key);
  if (devices == nullptr) return false;
  const std::string& device = DeviceOf(worker.record);
  if (!devices->contains(device) && state.health.StandingOf(device) == Standing::kTrusted) return false;
  return AnotherFits(state, worker, task.place.demand, devices);
}

bool LeavesToOthers(const State& state, const WorkerEntry& worker, const Demand& demand) {
  if (state.health.StandingOf(DeviceOf(worker.record)) != Standing::kQuarantined) return false;
  return AnotherFits(state, worker, demand, nullptr);
}

}  // namespace lwq::coordinator
