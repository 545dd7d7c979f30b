// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/policy/scores.h"

#include <algorithm>
#include <cmath>

namespace lwq::coordinator {
namespace {

constexpr float kAuthorEpsilon = 1e-8f;

}  // namespace

Status CheckScores(const std::vector<double>& scores, std::string_view what) {
  if (scores.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("there is no sensitivity score: one is needed for every ", what));
  }
  for (size_t i = 0; i < scores.size(); ++i) {
    if (std::isfinite(scores[i]) && scores[i] >= 0) continue;
    return absl::InvalidArgumentError(absl::StrCat("the sensitivity score of ", what, " ", i, " is ", scores[i],
                                                   "; a score must be a finite number that is not negative"));
  }
  return absl::OkStatus();
}

std::vector<double> Ratios(const std::vector<double>& scores) {
  const auto [least, most] = std::minmax_element(scores.begin(), scores.end());
  std::vector<double> ratios(scores.size(), 0.0);
  if (*least == *most) return ratios;
  for (size_t i = 0; i < scores.size(); ++i) ratios[i] = (scores[i] - *least) / (*most - *least);
  return ratios;
}

std::vector<float> AuthorRatios(const std::vector<double>& scores) {
  std::vector<float> ratios(scores.begin(), scores.end());
  const auto [least, most] = std::minmax_element(ratios.begin(), ratios.end());
  const float low = *least;
  const float range = (*most - *least) + kAuthorEpsilon;
  for (float& ratio : ratios) ratio = (ratio - low) / range;
  return ratios;
}

std::vector<double> NormalizedScores(const std::vector<double>& scores, LrNormalization normalization) {
  if (normalization == LrNormalization::kMinMax) return Ratios(scores);
  const double most = *std::max_element(scores.begin(), scores.end());
  std::vector<double> normalized(scores.size(), 0.0);
  if (most == 0) return normalized;
  // Divided by the maximum first, so that the sum of large scores cannot overflow.
  double sum = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    normalized[i] = scores[i] / most;
    sum += normalized[i];
  }
  if (normalization == LrNormalization::kMax) return normalized;
  const double mean = sum / static_cast<double>(scores.size());
  for (double& value : normalized) value /= mean;
  return normalized;
}

std::vector<double> AtSinglePrecision(const std::vector<double>& scores) {
  const double most = *std::max_element(scores.begin(), scores.end());
  int exponent = 0;
  if (most > 0) std::frexp(most, &exponent);
  std::vector<double> rounded(scores.size());
  for (size_t i = 0; i < scores.size(); ++i) rounded[i] = static_cast<float>(std::ldexp(scores[i], -exponent));
  return rounded;
}

}  // namespace lwq::coordinator
