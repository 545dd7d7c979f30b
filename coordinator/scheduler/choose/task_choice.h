// SPDX-License-Identifier: Apache-2.0
// Which of the READY tasks a worker gets: the most urgent one that fits it (ready_queue.h); of several as urgent, the
// one most of whose input the worker has. What would exceed the budget of activations gives way or is held back
// (run_ahead.h).
//
// Pure on State; thread-safety: none.
#pragma once

#include <optional>

#include "coordinator/scheduler/state/state.h"

namespace lwq::coordinator {

std::optional<Digest> ChooseTask(const State& state, const WorkerEntry& worker);

// Whether ChooseTask finds one.
bool HasTaskFor(const State& state, const WorkerEntry& worker);

}  // namespace lwq::coordinator
