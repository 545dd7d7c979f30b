// SPDX-License-Identifier: Apache-2.0
// Mixed precision by score (MPQ): how many bits each block gets under a target for their mean.
//
// First a map from scores to widths (the SG-MPQ proposal, docs/policies.md; r = ratio):
//   adaptive      of √r, strictly above its quantiles .80/.60/.30/.15 (linear interpolation): 8/6/4/3, else 2
//   conservative  r > .7: 8, > .4: 6, else 4
//   aggressive    r > .9: 8, > .7: 6, > .4: 4, else 2
// then a greedy to the target over the widths 2,3,4,5,6,8: while the plain mean is more than 0.05 off and fewer than
// 5·blocks steps were taken, too high lowers the block with the least score/bits by one width, too low raises the block
// with the largest score/(bits+1); ties go to the lowest block. The author's program runs the greedy for `adaptive`
// only and ignores the target otherwise. Scores are weighed at single precision (AtSinglePrecision).
// More sensitive never gets fewer bits, wherever scores differ at single precision.
//
// Pure and deterministic; thread-safety: values. Scores must have passed CheckScores.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/recipe/choices.h"
#include "common/recipe/recipe_rules.h"

namespace lwq::coordinator {

inline constexpr auto& kWidths = recipe::kWeightBits;
inline constexpr double kBudgetTolerance = 0.05;  // bits, of the plain mean

// The map before the greedy. `ratios` as Ratios or AuthorRatios gives them: the arithmetic follows their type. CHECKs
// that the strategy is not "optimal", which has no map.
std::vector<int> WidthsByScore(MpqStrategy strategy, const std::vector<double>& ratios);
std::vector<int> WidthsByScore(MpqStrategy strategy, const std::vector<float>& ratios);

// 64 above .8, 128 above .5, else 256 (the author's program; `mpq_group_size: by_score`).
std::vector<int64_t> GroupSizesByScore(const std::vector<double>& ratios);
std::vector<int64_t> GroupSizesByScore(const std::vector<float>& ratios);

struct GreedyResult {
  std::vector<int> bits;
  int64_t steps = 0;
  double average_bits = 0;
  bool reached = false;  // within kBudgetTolerance
  // One line where the target was not reached: where it ended, and whether any single change of width would come
  // closer. Empty otherwise.
  std::string remark;
};

// Requires widths out of kWidths and as many scores as bits.
GreedyResult GreedyToTarget(std::vector<int> bits, const std::vector<double>& scores, double target_avg_bits);

double AverageBits(const std::vector<int>& bits);

}  // namespace lwq::coordinator
