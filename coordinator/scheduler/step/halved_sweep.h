// SPDX-License-Identifier: Apache-2.0
// A sweep with halving before it is accepted: what its rungs are, and which runs can be compared at them.
//
// All runs have the same model. By block_loss they train, in the order of blocks and with validation windows, so that a
// rung compares the same block of every run; by perplexity they quantize, in whatever order, and measure perplexity on
// the same first text in windows of the same length.
//
// Pure; thread-safe. Errors: INVALID_ARGUMENT, one line that names the run and what to do. Not here: what follows from
// results (step_halving.cc).
#pragma once

#include <span>
#include <vector>

#include "common/status/status.h"
#include "coordinator/scheduler/state/events.h"
#include "coordinator/scheduler/state/sweep_halving.h"
#include "coordinator/scheduler/step/submission.h"

namespace lwq::coordinator {

inline bool IsResolved(const SweepHalving& halving) {
  return halving.rule.runs > 0;
}

// Fills in how many runs and blocks there are, and tells the runs where they are to be evaluated on their way. To be
// called before the runs are prepared.
Status ResolveHalving(std::span<SubmitRun> runs, SweepHalving& halving);

// Whether runs that would be accepted can be compared at the rungs. `halving` is resolved, and so were the runs with
// it.
Status CheckHalved(const SweepHalving& halving, const std::vector<const ResolvedSpec*>& runs);

}  // namespace lwq::coordinator
