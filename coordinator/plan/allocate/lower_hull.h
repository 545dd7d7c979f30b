// SPDX-License-Identifier: Apache-2.0
// Lower convex hulls of (stored bits, loss) points: what a Lagrange multiplier can reach, and the bound it proves.
//
// For a multiplier λ ≥ 0 every block may take its own cheapest loss + λ·bits; the sum of those minima, minus λ·budget,
// is a lower bound on every plan within the budget. The best such bound over all λ is the hull of all plans at the
// budget, and that hull is the blocks' hulls joined segment by segment, steepest first.
//
// Pure and deterministic; thread-safety: values. Units: stored bits (integers), loss (the table's).
#pragma once

#include <cstdint>
#include <vector>

namespace lwq::coordinator {

struct LossPoint {
  int64_t stored_bits = 0;
  double loss = 0;
  friend bool operator==(const LossPoint&, const LossPoint&) = default;
};

// Vertices from the fewest bits to the least loss, slopes strictly falling in size; points on an edge are left out.
// Requires at least one point.
std::vector<LossPoint> LowerHull(std::vector<LossPoint> points);

// The hull of all sums with one point of each set.
std::vector<LossPoint> HullOfSum(const std::vector<std::vector<LossPoint>>& sets);

struct LagrangianBound {
  double multiplier = 0;  // loss a stored bit is worth at the budget
  double loss = 0;        // no plan within the budget loses less
};

// Requires a budget of at least the sum of every set's fewest bits.
LagrangianBound BestLagrangianBound(const std::vector<std::vector<LossPoint>>& sets, int64_t budget);

}  // namespace lwq::coordinator
