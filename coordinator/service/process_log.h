// SPDX-License-Identifier: Apache-2.0
// What the loop has committed to the logs of runs, in the log of the process, with run, task, attempt, worker and trace
// as fields. Lines that workers sent are not among it: they are in the workers' own logs.
//
// Ends of attempts that went well are of level debug, failures and losses are warnings. Thread-safety: the loop's
// thread.
#pragma once

#include <span>

#include "coordinator/scheduler/state/records.h"
#include "coordinator/scheduler/state/state.h"

namespace lwq::coordinator {

void LogCommitted(std::span<const Change> changes, const State& state);

}  // namespace lwq::coordinator
