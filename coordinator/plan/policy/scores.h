// SPDX-License-Identifier: Apache-2.0
// Sensitivity scores, one per block, and the ways a policy reads them.
//
// A score says how much a model suffers when its block is quantized; it has no unit and only its size relative to the
// other blocks' counts. Every formula that a proposal (docs/policies.md) writes with "sensitivity" is fed the
// ratio:
//   ratio = (s − min)/(max − min) in float64, 0 everywhere where all scores are equal.
// The author's program computes (s − min)/(max − min + 1e-8) in float32 instead; AuthorRatios is that, to the bit.
//
// Pure and deterministic; thread-safety: values. Errors: only CheckScores returns one; the others require scores that
// passed it. Not here: scores that depend on bits and group size (score_table.h).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "common/recipe/choices.h"
#include "common/status/status.h"

namespace lwq::coordinator {

// INVALID_ARGUMENT where there are no scores, or one is NaN, infinite or negative: one line that names the first such
// block (`what` says whose: "block", "unit", …).
Status CheckScores(const std::vector<double>& scores, std::string_view what = "block");

std::vector<double> Ratios(const std::vector<double>& scores);

// float32 throughout, with the epsilon: the maximum is below 1 where the scores' range is small.
std::vector<float> AuthorRatios(const std::vector<double>& scores);

// What adaptive_lr_scaling multiplies by: "mean" s/mean, "max" s/max, "minmax" the ratio. 0 everywhere where the
// divisor is 0 (all scores 0).
std::vector<double> NormalizedScores(const std::vector<double>& scores, LrNormalization normalization);

// The scores as the greedy of mixed precision weighs them: rounded to float32's 24 bits after scaling by a power of two
// that keeps every size in range. Scores are sums measured in fp32: what differs by less is a tie. The author's
// program, which holds its scores in float32, has the same order.
std::vector<double> AtSinglePrecision(const std::vector<double>& scores);

}  // namespace lwq::coordinator
