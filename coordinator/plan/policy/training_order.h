// SPDX-License-Identifier: Apache-2.0
// In which order the blocks of a model are trained, and which of them together.
//
// A unit is a run of neighbouring blocks trained as one, against the last one's output (block_grouping); without
// grouping every block is its own unit. A unit's score is the mean of its blocks' (docs/policies/order.md).
//   original     by depth
//   sensitivity  most sensitive first; equal scores by depth (the Knowledge and LayerWise-QAT proposals)
//   random       a permutation drawn from the seed by SplitMix64 and Fisher-Yates: the same on every machine and
//                library, and no other use of the seed changes it
// Dynamic reordering (reorder_every; the Research Plan proposal): what is trained stays, the rest is sorted by the
// newest scores. Names of proposals: docs/policies.md.
//
// Pure and deterministic; thread-safety: values. Scores must have passed CheckScores.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "common/status/status.h"

namespace lwq::coordinator {

struct TrainingUnit {
  int64_t first_block = 0;
  int64_t block_count = 1;
  double score = 0;
  friend bool operator==(const TrainingUnit&, const TrainingUnit&) = default;
};

// Units of `g` consecutive blocks, the last one shorter where g does not divide their number. Requires g ≥ 1. `scores`
// may be empty (an order that needs none): then `block_count` says how many there are and scores are 0.
std::vector<TrainingUnit> GroupConsecutive(int64_t block_count, const std::vector<double>& scores, int64_t g);

// `similar`: from block 0 on, a block joins the unit before it while the unit's largest score is at most `factor` times
// its smallest and the unit has fewer than `most_blocks` (a unit is held in memory whole). A score of 0 joins only
// zeros. Requires factor ≥ 1, most_blocks ≥ 1.
std::vector<TrainingUnit> GroupSimilar(const std::vector<double>& scores, double factor, int64_t most_blocks);

// Positions → unit indices.
std::vector<int64_t> OriginalOrder(int64_t unit_count);
std::vector<int64_t> SensitivityOrder(const std::vector<double>& unit_scores);
std::vector<int64_t> RandomOrder(int64_t unit_count, uint64_t seed);

// The mean of each unit's blocks in `block_scores`.
std::vector<double> UnitScores(const std::vector<TrainingUnit>& units, const std::vector<double>& block_scores);

// The order with its first `trained_units` positions kept and the rest sorted by `unit_scores`, most sensitive first,
// ties to the lowest unit. Scores of trained units are not looked at. INVALID_ARGUMENT where a score that counts is
// missing, NaN, infinite or negative, or more units are trained than there are.
StatusOr<std::vector<int64_t>> ReorderRemaining(std::vector<int64_t> order, int64_t trained_units,
                                                const std::vector<double>& unit_scores);

}  // namespace lwq::coordinator
