// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/policy/training_order.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace lwq::coordinator {
namespace {

// SplitMix64 with the generator's published constants.
class ShuffleRandom {
 public:
  explicit ShuffleRandom(uint64_t seed) : state_(seed) {}

  // Uniform in [0, count), without bias: draws beyond the last whole multiple of count are thrown away.
  uint64_t Below(uint64_t count) {
    const uint64_t excess = (UINT64_MAX % count + 1) % count;
    uint64_t drawn = Next();
    while (drawn > UINT64_MAX - excess) drawn = Next();
    return drawn % count;
  }

 private:
  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15u;
    uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
  }

  uint64_t state_;
};

// Scores are divided before they are added, so that no sum overflows.
double MeanScore(const std::vector<double>& scores, int64_t first, int64_t count) {
  double mean = 0;
  for (int64_t i = first; i < first + count; ++i) mean += scores[static_cast<size_t>(i)] / static_cast<double>(count);
  return mean;
}

void SortBySensitivity(std::vector<int64_t>::iterator begin, std::vector<int64_t>::iterator end,
                       const std::vector<double>& unit_scores) {
  std::sort(begin, end, [&](int64_t a, int64_t b) {
    const double score_a = unit_scores[static_cast<size_t>(a)];
    const double score_b = unit_scores[static_cast<size_t>(b)];
    return score_a != score_b ? score_a > score_b : a < b;
  });
}

}  // namespace

std::vector<TrainingUnit> GroupConsecutive(int64_t block_count, const std::vector<double>& scores, int64_t g) {
  LWQ_CHECK(g >= 1, "a group has at least one block, not ", g);
  std::vector<TrainingUnit> units;
  for (int64_t first = 0; first < block_count; first += std::min(g, block_count - first)) {
    const int64_t count = std::min(g, block_count - first);
    units.push_back({first, count, scores.empty() ? 0.0 : MeanScore(scores, first, count)});
  }
  return units;
}

std::vector<TrainingUnit> GroupSimilar(const std::vector<double>& scores, double factor, int64_t most_blocks) {
  LWQ_CHECK(factor >= 1 && most_blocks >= 1, "factor ", factor, ", most_blocks ", most_blocks);
  std::vector<TrainingUnit> units;
  double least = 0;
  double most = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    const double new_least = std::min(least, scores[i]);
    const double new_most = std::max(most, scores[i]);
    // Divided, not multiplied: factor · least may overflow. Two zeros are similar, a zero and anything else are not.
    const bool similar = new_least > 0 ? new_most / new_least <= factor : new_most == 0;
    if (!units.empty() && similar && units.back().block_count < most_blocks) {
      ++units.back().block_count;
      least = new_least;
      most = new_most;
    } else {
      units.push_back({static_cast<int64_t>(i), 1, 0});
      least = most = scores[i];
    }
  }
  for (TrainingUnit& unit : units) unit.score = MeanScore(scores, unit.first_block, unit.block_count);
  return units;
}

std::vector<int64_t> OriginalOrder(int64_t unit_count) {
  std::vector<int64_t> order(static_cast<size_t>(unit_count));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

std::vector<int64_t> SensitivityOrder(const std::vector<double>& unit_scores) {
  std::vector<int64_t> order = OriginalOrder(static_cast<int64_t>(unit_scores.size()));
  SortBySensitivity(order.begin(), order.end(), unit_scores);
  return order;
}

std::vector<int64_t> RandomOrder(int64_t unit_count, uint64_t seed) {
  std::vector<int64_t> order = OriginalOrder(unit_count);
  ShuffleRandom random(seed);
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.Below(i)]);
  return order;
}

std::vector<double> UnitScores(const std::vector<TrainingUnit>& units, const std::vector<double>& block_scores) {
  std::vector<double> scores;
  for (const TrainingUnit& unit : units) scores.push_back(MeanScore(block_scores, unit.first_block, unit.block_count));
  return scores;
}

StatusOr<std::vector<int64_t>> ReorderRemaining(std::vector<int64_t> order, int64_t trained_units,
                                                const std::vector<double>& unit_scores) {
  if (unit_scores.size() != order.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("reordering ", order.size(), " units needs as many scores, not ", unit_scores.size()));
  }
  if (trained_units < 0 || trained_units > static_cast<int64_t>(order.size())) {
    return absl::InvalidArgumentError(
        absl::StrCat(trained_units, " units cannot have been trained: there are ", order.size()));
  }
  const auto rest = order.begin() + trained_units;
  for (auto unit = rest; unit != order.end(); ++unit) {
    const double score = unit_scores[static_cast<size_t>(*unit)];
    if (std::isfinite(score) && score >= 0) continue;
    return absl::InvalidArgumentError(absl::StrCat("the new sensitivity score of unit ", *unit, " is ", score,
                                                   "; a score must be a finite number that is not negative"));
  }
  SortBySensitivity(rest, order.end(), unit_scores);
  return order;
}

}  // namespace lwq::coordinator
