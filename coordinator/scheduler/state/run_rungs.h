// SPDX-License-Identifier: Apache-2.0
// Where runs stand in their sweep's halving: how far they may be trained, and what they measured at its rungs.
//
// A rung is a number of trained blocks, counted in the run's own order; where several blocks are trained together, it
// is reached by those that its last block is trained with.
//
// Pure on State; thread-safety: none. Not here: what is done about it (step/step_halving.cc).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "coordinator/scheduler/state/state.h"

namespace lwq::coordinator {

// How many blocks the run may train. Requires one of the sweep.
int64_t PromotedBlocks(const SweepHalving& halving, const HalvingSweep& sweep, const RunEntry& run);

// What the run is to be recorded with at the rung; absent: it is not there yet. NaN where it has FAILED or was
// CANCELLED, where what it measured is no number, or, for a run that has SUCCEEDED, where that result is gone. The last
// rung is reached with the run's end.
std::optional<double> RungValue(const State& state, const RunEntry& run, const SweepHalving& halving, int64_t rung);

// By member that there is: its recorded values, from rung 0 on.
std::vector<std::vector<double>> RungValues(const SweepRecord& sweep);

// Whether nothing happens to the run any more, unless somebody asks for it: it is in a terminal state, or STOPPED in a
// halving that cannot promote it.
bool HasEnded(const State& state, const RunEntry& run);
// Whether that holds of all runs of the sweep.
bool HasEnded(const State& state, const SweepId& sweep);

// Whether the run stands still at a rung until others of its sweep get there.
bool WaitsAtRung(const State& state, const RunEntry& run);

}  // namespace lwq::coordinator
