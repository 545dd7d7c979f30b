// SPDX-License-Identifier: Apache-2.0
// Which of the READY tasks of its projects a worker gets: the most urgent one that fits it (ready_queue.h); of several
// as urgent, the one most of whose input the worker has. What would exceed the budget of activations gives way or is
// held back (run_ahead.h), and what is better done elsewhere is left to others (elsewhere.h).
//
// So a worker is never idle for the sake of a task that it does not fit, or that may not be begun: it takes the next
// one that fits. That delays nobody, since a worker executes one task at a time. The other way round, tasks that fit
// few workers must not wait for ever while more urgent ones, which fit others as well, keep those few busy: where none
// of a demand has been begun for SchedulerOptions::patience_ms, a worker takes one of it out of turn, if what it would
// have taken fits other workers that are here and that do not fit the demand. Afterwards it takes none out of turn for
// as long, or for twice as long as the task is expected to take: at most half of its time goes to them.
//
// Pure on State; thread-safety: none.
#pragma once

#include <optional>

#include "coordinator/scheduler/state/state.h"

namespace lwq::coordinator {

struct Choice {
  Digest task;
  bool out_of_turn = false;
};

std::optional<Choice> ChooseTask(const State& state, const WorkerEntry& worker);

// Whether ChooseTask finds one, or else ChooseStraggler.
bool HasTaskFor(const State& state, const WorkerEntry& worker);

}  // namespace lwq::coordinator
