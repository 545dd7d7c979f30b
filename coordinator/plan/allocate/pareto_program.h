// SPDX-License-Identifier: Apache-2.0
// The dynamic programme behind `optimal`: every plan that no other plan beats in both stored bits and loss.
//
// Blocks are joined one by one, last block first. Of two ways to settle the blocks from k on, one that costs at least
// as much and loses at least as much as the other can never be part of a better plan, so only the Pareto front of each
// suffix is kept; that is exact for any costs. Costs are counted in units of the greatest common divisor of all
// differences, because a block's stored bits take few values: a front is joined with a block's options by scattering
// into an array over costs where that array is small against the work, and by merging sorted lists otherwise.
//
// A loss is the float64 sum of the blocks' losses, added from the last block to the first; rounding is monotone, so the
// programme's minimum is the minimum of these sums exactly. Of plans with equal bits and loss the one whose options
// are lexicographically lowest stays; losses that are equal but for the rounding of their sums count as different.
//
// Costs can be built for which fronts grow without bound. Beyond its limits the programme gives up; with a PlanBound
// it keeps only what can still be part of a best plan within one budget, which stays small.
//
// Pure and deterministic; thread-safety: const methods may be called from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "coordinator/plan/allocate/lower_hull.h"

namespace lwq::coordinator {

// [block][option]
using AllocationProblem = std::vector<std::vector<LossPoint>>;

// Lagrangian pruning: a plan within `budget` whose loss is at most `attained` has at every suffix
// loss + multiplier·bits at most attained − bound above the suffix's least.
struct PlanBound {
  int64_t budget = 0;
  LagrangianBound lagrangian;
  double attained = 0;  // loss of some plan within the budget
};

// When the programme gives up: a plain count of its work, so that it gives up at the same place on every machine.
struct ProgramLimits {
  int64_t points = int64_t{1} << 24;  // kept in all fronts; 10 bytes each
  int64_t sums = int64_t{1} << 29;    // formed or compared; some 10^9 a second
};

class ParetoProgram {
 public:
  // Absent where the limits are exceeded. Requires at least one block, and for each at
  // least one and at most 65,535 options with finite losses.
  static std::optional<ParetoProgram> Solve(const AllocationProblem& problem, const ProgramLimits& limits,
                                            const std::optional<PlanBound>& bound = std::nullopt);

  // Rising bits, strictly falling loss. The whole frontier without a bound; with one, it ends at the budget and is
  // exact in its last point.
  const std::vector<LossPoint>& frontier() const { return frontier_; }

  // The option of each block at frontier()[index].
  std::vector<int> OptionsAt(size_t index) const;

 private:
  // The front of one suffix: bits in units above the suffix's fewest, and the option of its first block.
  struct Front {
    std::vector<int64_t> units;
    std::vector<double> loss;  // dropped once the next front is built
    std::vector<uint16_t> option;
  };
  struct Option {
    int64_t units = 0;
    double loss = 0;
    uint16_t index = 0;
  };

  static std::vector<Option> UndominatedOptions(const std::vector<LossPoint>& options, int64_t least, int64_t divisor);
  static Front JoinByScatter(const Front& rest, const std::vector<Option>& options, int64_t span);
  // Stops, and returns what it has, where that exceeds `most_points`.
  static Front JoinByMerge(const Front& rest, const std::vector<Option>& options, int64_t most_points);

  std::vector<std::vector<Option>> options_;  // undominated, by cost, per block
  std::vector<Front> fronts_;                 // fronts_[k]: blocks k, k+1, …
  std::vector<LossPoint> frontier_;
};

}  // namespace lwq::coordinator
