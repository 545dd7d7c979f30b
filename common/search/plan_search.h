// SPDX-License-Identifier: Apache-2.0
// A search in batches: which trials are tried next, from what the trials so far gave, and when it ends.
//
// Trials are numbered from 0. The first are points of a scrambled Sobol sequence, the others are suggested by TPE from
// all trials of the batches before theirs, and away from those of their own batch, which else would try the same values
// over and over (Optuna's constant_liar). A batch is as large as the settings say, but for the last one of a search
// with a number of trials; it is only begun where what trials took so far lets it end within the budget.
//
// All of it is a function of the settings and the trials: a search that was killed goes on with the trials it would
// have had, one whose budget is raised keeps those it has. Pure; thread-safety: values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/search/search_space.h"
#include "common/status/status.h"

namespace lwq::search {

enum class TrialOutcome {
  kEnded,      // it used all of the resource; one without a finite objective is a failed one
  kStopped,    // early, by what it gave on the way
  kFailed,     // it diverged, say: learned from as the worst there is
  kCancelled,  // nothing is learned from it
};

struct SearchTrial {
  std::vector<ParameterValue> values;  // of the space's parameters, in its order
  TrialOutcome outcome = TrialOutcome::kEnded;
  double objective = 0;  // of kEnded and kStopped; lower is better
  int64_t resource = 0;  // of kStopped: how far it came; only those that came equally far are compared
  double cost = 0;       // what was spent for it and not for a trial before it, in the budget's unit
};

struct SearchSettings {
  SearchSpace space;
  uint64_t seed = 0;
  int64_t batch = 9;              // trials of a batch
  int64_t startup_trials = 10;    // so many are points of the sequence
  std::optional<int64_t> trials;  // the most there are; absent: as many as the budget lets begin
  std::optional<double> budget;   // absent: any
};

struct SearchStep {
  enum class Kind {
    kTry,          // the batch
    kTrialsDone,   // as many as wanted
    kBudgetDone,   // another batch is expected to exceed it
    kNothingNew,   // all values of the batch were tried before
    kAllFailed,    // every trial of the last batch; the same would come of another
    kAllCancelled  // every trial of the last batch: somebody wants the search to end
  };
  Kind kind = Kind::kTry;
  std::vector<std::vector<ParameterValue>> batch;  // of kTry
  double spent = 0;
  std::optional<double> expected;  // of kTry and kBudgetDone: what the batch would cost; absent where nothing is known
};

// INVALID_ARGUMENT, one line: what CheckSearchSpace refuses; a batch below 1, a number of trials below 1, negative
// startup_trials, a budget that is not positive and finite.
Status CheckSearchSettings(const SearchSettings& settings);

// What comes after the trials, which are those of whole batches in the order of their numbers. `first_cost`: what the
// first batch is expected to cost, where that is known; later ones are expected to cost as much for each trial as all
// trials so far. INVALID_ARGUMENT as CheckSearchSettings, or naming the trial that belongs to another search.
StatusOr<SearchStep> PlanSearch(const SearchSettings& settings, std::span<const SearchTrial> trials,
                                std::optional<double> first_cost);

// Of the trials that ended the one with the least objective; where none did, of those that came furthest. The first of
// equal ones; absent where no trial has a finite objective.
std::optional<size_t> BestTrial(std::span<const SearchTrial> trials);

}  // namespace lwq::search
