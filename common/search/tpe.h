// SPDX-License-Identifier: Apache-2.0
// The tree-structured Parzen estimator: what a search tries next, from what its trials gave so far.
//
// Trials are split into the better ones and the rest; for each parameter by itself a Parzen estimator is made of
// either; of 24 values drawn from the better ones' density the one is taken whose density there is largest against the
// rest's. The first trials are random. So does Optuna 4.9.0's TPESampler with its defaults; docs/search.md says what is
// equal to it and what is not.
//
// A suggestion is a function of (space, trials, seed, number) alone: a search that was killed suggests what it would
// have suggested. Trials that are still running may be left out, and then two suggestions from the same trials differ
// by their numbers alone, or be given as running. Objectives are minimised. Pure; thread-safety: values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/search/parzen_estimator.h"
#include "common/search/search_space.h"

namespace lwq::search {

struct TpeTrial {
  std::vector<ParameterValue> values;  // of the space's parameters, in its order
  // At the end, or of a stopped trial at `stopped_at`. A trial that ended with NaN is left out, as Optuna leaves out
  // what failed; give infinity for one that diverged and is to be learned from.
  double objective = 0;
  std::optional<int64_t> stopped_at;  // the resource an early-stopped trial reached (Optuna: pruned at this step)
  bool running = false;               // not measured yet: what is near it is shunned (Optuna's constant_liar)
};

struct TpeSettings {
  size_t startup_trials = 10;  // fewer trials than these: the suggestion is random
  size_t candidates = 24;      // values drawn for each parameter
};

// Indices into the trials, rising.
struct TpeSplit {
  std::vector<size_t> better;
  std::vector<size_t> rest;
};

// The better ones are the first min(⌈n/10⌉, 25) of the n that do not run: trials that ended before stopped ones, those
// by objective, stopped ones by how far they came and then by objective, NaN last; equal ones by number. Running ones
// are of the rest.
TpeSplit SplitTrials(std::span<const TpeTrial> trials);

// The logarithm of the better ones' density over the rest's; the value with the largest is tried.
double TpeAcquisition(const ParzenEstimator& better, const ParzenEstimator& rest, double coordinate);

// A value for each parameter. Trials in the order of their numbers; `number` is that of the trial to come.
// INVALID_ARGUMENT naming the trial where it has another number of values, or values the space does not hold, and where
// the settings or the space are wrong (CheckSearchSpace).
StatusOr<std::vector<ParameterValue>> SuggestByTpe(const SearchSpace& space, std::span<const TpeTrial> trials,
                                                   uint64_t seed, uint64_t number, const TpeSettings& settings = {});

}  // namespace lwq::search
