// SPDX-License-Identifier: Apache-2.0
// `optimal`: the plan with the least summed loss whose stored bits fit a budget, and the proof that it is.
//
// A multiple-choice knapsack (notes on quantization, 2.3), solved exactly by dynamic programming: no plan within the
// budget loses less, with losses added in float64 from the last block to the first. Of plans with equal loss the one
// with fewer stored bits is taken, of those the one with the lexicographically lowest options.
//
// Pure and deterministic; thread-safety: values. Time: 128 blocks × 24 options well under a second.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/status/status.h"
#include "coordinator/plan/allocate/pareto_program.h"

namespace lwq::coordinator {

struct AllocationCertificate {
  int64_t budget = 0;                 // stored bits
  LossPoint chosen;                   // what the plan costs and loses
  bool optimal_by_exhaustion = true;  // the whole frontier was built; otherwise only what the bound could not exclude
  std::optional<LossPoint> next;      // the cheapest plan that loses less; absent where none exists or it is not known
  LagrangianBound lagrangian;         // an independent lower bound
  double gap = 0;                     // chosen.loss − lagrangian.loss: what convexity cannot decide; never negative

  std::string ToString() const;  // one line
};

struct OptimalAllocation {
  std::vector<int> options;  // per block
  // Every plan that no other beats in both, or, where fronts grow too long (frontier_is_whole false), the lower hull of
  // those and the chosen one.
  std::vector<LossPoint> frontier;
  bool frontier_is_whole = true;
  AllocationCertificate certificate;
};

// INVALID_ARGUMENT where there is no block, a block has no option, a cost is negative or a loss not finite;
// FAILED_PRECONDITION, with the fewest bits any plan takes, where the budget is below them; RESOURCE_EXHAUSTED where
// even the bounded programme exceeds the limits, which hold for each of the two programmes.
StatusOr<OptimalAllocation> AllocateOptimally(const AllocationProblem& problem, int64_t budget,
                                              const ProgramLimits& limits = {});

}  // namespace lwq::coordinator
