// SPDX-License-Identifier: Apache-2.0
// What a worker leaves to others, though it is idle: everything while its device is quarantined (device_health.h), and
// tasks that have failed on it. Always only where another worker that is here, and not quarantined, fits the task and
// has not failed it: what nobody else can do is done by whoever can. A device that is being probed leaves tasks that
// have failed anywhere to those that are trusted.
//
// Pure on State; thread-safety: none. Cost: where nothing has failed, a look-up; else up to the number of workers.
#pragma once

#include "coordinator/scheduler/state/state.h"

namespace lwq::coordinator {

bool LeavesToOthers(const State& state, const WorkerEntry& worker, const TaskEntry& task);
// Every task of the demand.
bool LeavesToOthers(const State& state, const WorkerEntry& worker, const Demand& demand, const std::string& project);

}  // namespace lwq::coordinator
