// SPDX-License-Identifier: Apache-2.0
// How long results are kept after the runs that have them have ended (SchedulerOptions::retain_ms).
//
// A result of a kind with a retention of t is retired (kept_artifacts.h) once every run that has its task, or a task
// with the same result, has ended t ago or more, and none of them has a result made again. What a run to come has to
// read of it is made again. Bytes that two different actions made alike are not retired.
//
// Pure on State. Cost: the tasks of the run that is looked at.
#pragma once

#include <vector>

#include "coordinator/scheduler/state/state.h"

namespace lwq::coordinator {

// The run has ended, or has ended before: notes when its results are to be looked at.
void ScheduleRetention(State& state, const RunEntry& run, Instant now);

// Retires what is due.
void RetireDue(State& state, Instant now, std::vector<Change>& changes);

}  // namespace lwq::coordinator
