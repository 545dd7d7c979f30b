// SPDX-License-Identifier: Apache-2.0
// Which task that a worker already has is given to an idle one as well. docs/adr/0023-duplicates.md has the reasons.
//
// A task is one where it has run for far longer than such tasks took (SchedulerOptions::straggler_factor), and
//   a run waits for it: no task of that run that is not done has a longer path hanging on it,
//   no second worker has it, or has had it beside this lease,
//   the idle worker is of the same class as the one that has it, fits it, and has not failed it,
//   its project may execute one more, and its inputs are all there.
// It is for the caller to ask only where nothing else is there to be done. Of several, the most urgent.
//
// Pure on State; thread-safety: none. Cost: the number of stragglers.
#pragma once

#include <optional>

#include "coordinator/scheduler/state/state.h"

namespace lwq::coordinator {

std::optional<Digest> ChooseStraggler(const State& state, const WorkerEntry& worker);

}  // namespace lwq::coordinator
