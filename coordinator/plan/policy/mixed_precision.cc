// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/policy/mixed_precision.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <utility>

#include "common/status/status.h"
#include "coordinator/plan/policy/scores.h"

namespace lwq::coordinator {
namespace {

constexpr int64_t kStepsPerBlock = 5;

// torch.quantile's interpolation: from the nearer neighbour.
template <typename Real>
Real Quantile(const std::vector<Real>& sorted, Real fraction) {
  const Real place = fraction * static_cast<Real>(sorted.size() - 1);
  const size_t below = static_cast<size_t>(std::floor(place));
  const size_t above = static_cast<size_t>(std::ceil(place));
  const Real weight = place - static_cast<Real>(below);
  const Real step = sorted[above] - sorted[below];
  return weight < Real{0.5} ? sorted[below] + weight * step : sorted[above] - step * (Real{1} - weight);
}

template <typename Real>
std::vector<int> AdaptiveWidths(const std::vector<Real>& ratios) {
  std::vector<Real> roots;
  for (const Real ratio : ratios) roots.push_back(std::sqrt(ratio));
  std::vector<Real> sorted = roots;
  std::sort(sorted.begin(), sorted.end());
  struct Step {
    Real above;
    int bits;
  };
  const Step steps[] = {{Quantile(sorted, static_cast<Real>(0.80)), 8},
                        {Quantile(sorted, static_cast<Real>(0.60)), 6},
                        {Quantile(sorted, static_cast<Real>(0.30)), 4},
                        {Quantile(sorted, static_cast<Real>(0.15)), 3}};
  std::vector<int> bits;
  for (const Real root : roots) {
    const auto step = std::find_if(std::begin(steps), std::end(steps), [&](const Step& s) { return root > s.above; });
    bits.push_back(step == std::end(steps) ? 2 : step->bits);
  }
  return bits;
}

// The thresholds are float64 in both semantics: a float32 ratio is compared as the number it is.
template <typename Real>
std::vector<int> WidthsOf(MpqStrategy strategy, const std::vector<Real>& ratios) {
  if (strategy == MpqStrategy::kAdaptive) return AdaptiveWidths(ratios);
  LWQ_CHECK(strategy != MpqStrategy::kOptimal, "mpq_strategy optimal has no map of widths");
  const bool conservative = strategy == MpqStrategy::kConservative;
  std::vector<int> bits;
  for (const double ratio : ratios) {
    if (conservative) {
      bits.push_back(ratio > 0.7 ? 8 : ratio > 0.4 ? 6 : 4);
    } else {
      bits.push_back(ratio > 0.9 ? 8 : ratio > 0.7 ? 6 : ratio > 0.4 ? 4 : 2);
    }
  }
  return bits;
}

template <typename Real>
std::vector<int64_t> GroupSizesOf(const std::vector<Real>& ratios) {
  std::vector<int64_t> sizes;
  for (const double ratio : ratios) sizes.push_back(ratio > 0.8 ? 64 : ratio > 0.5 ? 128 : 256);
  return sizes;
}

// The next width down or up; none at the end of the scale.
std::optional<int> NextWidth(int bits, bool up) {
  const auto* const width = std::find(std::begin(kWidths), std::end(kWidths), bits);
  LWQ_CHECK(width != std::end(kWidths), bits, " bits is not a width of mixed precision");
  if (up) return std::next(width) == std::end(kWidths) ? std::nullopt : std::optional<int>(*std::next(width));
  return width == std::begin(kWidths) ? std::nullopt : std::optional<int>(*std::prev(width));
}

// The block to change, the first of equals; none where all are at the end of the scale.
std::optional<size_t> BlockToChange(const std::vector<int>& bits, const std::vector<double>& weights, bool up) {
  std::optional<size_t> chosen;
  double best = 0;
  for (size_t i = 0; i < bits.size(); ++i) {
    if (!NextWidth(bits[i], up).has_value()) continue;
    const double value = up ? -(weights[i] / (bits[i] + 1)) : weights[i] / bits[i];
    if (chosen.has_value() && value >= best) continue;
    chosen = i;
    best = value;
  }
  return chosen;
}

std::string RemarkOfGreedy(const GreedyResult& result, double target) {
  const double count = static_cast<double>(result.bits.size());
  const bool up = result.average_bits < target;
  double closest = std::abs(result.average_bits - target);
  for (const int bits : result.bits) {
    const std::optional<int> next = NextWidth(bits, up);
    if (next.has_value()) {
      closest = std::min(closest, std::abs(result.average_bits + (*next - bits) / count - target));
    }
  }
  const bool closer = closest < std::abs(result.average_bits - target);
  return absl::StrCat("the greedy ended at ", result.average_bits, " average bits against a target of ", target,
                      " after ", result.steps,
                      " steps: ", closer ? "one more step would come closer" : "no change of one width comes closer");
}

}  // namespace

std::vector<int> WidthsByScore(MpqStrategy strategy, const std::vector<double>& ratios) {
  return WidthsOf(strategy, ratios);
}
std::vector<int> WidthsByScore(MpqStrategy strategy, const std::vector<float>& ratios) {
  return WidthsOf(strategy, ratios);
}

std::vector<int64_t> GroupSizesByScore(const std::vector<double>& ratios) {
  return GroupSizesOf(ratios);
}
std::vector<int64_t> GroupSizesByScore(const std::vector<float>& ratios) {
  return GroupSizesOf(ratios);
}

double AverageBits(const std::vector<int>& bits) {
  int64_t sum = 0;
  for (const int width : bits) sum += width;
  return static_cast<double>(sum) / static_cast<double>(bits.size());
}

GreedyResult GreedyToTarget(std::vector<int> bits, const std::vector<double>& scores, double target_avg_bits) {
  LWQ_CHECK(bits.size() == scores.size() && !bits.empty(), bits.size(), " widths, ", scores.size(), " scores");
  const std::vector<double> weights = AtSinglePrecision(scores);
  const int64_t most_steps = kStepsPerBlock * static_cast<int64_t>(bits.size());
  GreedyResult result;
  result.bits = std::move(bits);
  for (;;) {
    result.average_bits = AverageBits(result.bits);
    result.reached = std::abs(result.average_bits - target_avg_bits) <= kBudgetTolerance;
    if (result.reached || result.steps == most_steps) break;
    const bool up = result.average_bits < target_avg_bits;
    const std::optional<size_t> block = BlockToChange(result.bits, weights, up);
    if (!block.has_value()) break;
    result.bits[*block] = *NextWidth(result.bits[*block], up);
    ++result.steps;
  }
  if (!result.reached) result.remark = RemarkOfGreedy(result, target_avg_bits);
  return result;
}

}  // namespace lwq::coordinator
