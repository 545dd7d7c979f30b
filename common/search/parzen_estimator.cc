// SPDX-License-Identifier: Apache-2.0
#include "common/search/parzen_estimator.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "common/search/truncated_normal.h"

namespace lwq::search {
namespace {

constexpr double kPriorWeight = 1;
constexpr size_t kFullWeights = 25;

// Weights of the observations and, last, of the prior; their sum is 1.
std::vector<double> KernelWeights(size_t observations) {
  std::vector<double> weights = ObservationWeights(observations);
  weights.push_back(kPriorWeight);
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& weight : weights) weight /= sum;
  return weights;
}

// For each centre the larger distance to its neighbours; the ends of the range are neighbours only of a lone one. Of
// equal centres the older stands first.
std::vector<double> NeighbourDistances(const std::vector<double>& centres, double low, double high) {
  const size_t count = centres.size();
  if (count == 1) return {std::max(centres[0] - low, high - centres[0])};
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return centres[a] < centres[b]; });
  std::vector<double> distances(count);
  for (size_t i = 0; i < count; ++i) {
    const double before = i == 0 ? 0 : centres[order[i]] - centres[order[i - 1]];
    const double after = i + 1 == count ? 0 : centres[order[i + 1]] - centres[order[i]];
    distances[order[i]] = std::max(before, after);
  }
  return distances;
}

// The first index whose cumulated share exceeds `unit`.
size_t IndexAt(double unit, size_t count, const auto& share_of) {
  double sum = 0;
  for (size_t i = 0; i + 1 < count; ++i) {
    sum += share_of(i);
    if (unit < sum) return i;
  }
  return count - 1;
}

}  // namespace

std::vector<double> ObservationWeights(size_t n) {
  std::vector<double> weights(n, 1.0);
  if (n <= kFullWeights) return weights;
  const size_t older = n - kFullWeights;
  const double first = 1.0 / static_cast<double>(n);
  for (size_t i = 0; i < older; ++i) {
    const double share = older == 1 ? 0 : static_cast<double>(i) / static_cast<double>(older - 1);
    weights[i] = first + share * (1 - first);
  }
  return weights;
}

ParzenEstimator::ParzenEstimator(const SearchParameter& parameter, const std::vector<double>& observations)
    : parameter_(parameter) {
  if (parameter.kind == ParameterKind::kCategorical) {
    AddChoices(observations);
  } else {
    AddKernels(observations);
  }
}

void ParzenEstimator::AddChoices(const std::vector<double>& observations) {
  const size_t choices = parameter_.choices.size();
  const std::vector<double> weights = KernelWeights(observations.size());
  // The prior is spread over every kernel: an observation's own choice has 1 and each choice this share.
  const double share = kPriorWeight / static_cast<double>(weights.size());
  const double kernel_sum = 1 + share * static_cast<double>(choices);
  choice_masses_.assign(choices, weights.back() / static_cast<double>(choices));
  for (size_t i = 0; i < observations.size(); ++i) {
    for (double& mass : choice_masses_) mass += weights[i] * share / kernel_sum;
    choice_masses_[static_cast<size_t>(observations[i])] += weights[i] / kernel_sum;
  }
}

void ParzenEstimator::AddKernels(const std::vector<double>& observations) {
  half_step_ = GridStep(parameter_).value_or(0) / 2;
  low_ = Spread(parameter_.low - half_step_);
  high_ = Spread(parameter_.high + half_step_);
  const double range = high_ - low_;
  const size_t count = observations.size();
  std::vector<double> centres(count);
  for (size_t i = 0; i < count; ++i) centres[i] = Spread(observations[i]);
  std::vector<double> widths;
  if (count > 0) widths = NeighbourDistances(centres, low_, high_);
  const double least = range / std::min(100.0, static_cast<double>(count + 2));
  for (double& width : widths) width = std::clamp(width, least, range);
  centres.push_back((low_ + high_) / 2);
  widths.push_back(range);

  const std::vector<double> weights = KernelWeights(count);
  kernels_.resize(count + 1);
  for (size_t i = 0; i <= count; ++i) {
    const double log_mass = LogNormalMass((low_ - centres[i]) / widths[i], (high_ - centres[i]) / widths[i]);
    kernels_[i] = {weights[i], centres[i], widths[i], log_mass};
  }
}

double ParzenEstimator::Spread(double number) const {
  return parameter_.log ? std::log(number) : number;
}

double ParzenEstimator::LogDensity(double coordinate) const {
  if (parameter_.kind == ParameterKind::kCategorical) {
    return std::log(choice_masses_[static_cast<size_t>(coordinate)]);
  }
  std::vector<double> terms;
  terms.reserve(kernels_.size());
  const double place = Spread(coordinate);
  const double below = parameter_.log ? -std::log1p(-half_step_ / coordinate) : half_step_;
  const double above = parameter_.log ? std::log1p(half_step_ / coordinate) : half_step_;
  for (const Kernel& kernel : kernels_) {
    const double deviations = (place - kernel.centre) / kernel.width;
    const double log_density = half_step_ > 0
                                   ? LogNormalCellMass(deviations, below / kernel.width, above / kernel.width)
                                   : LogNormalDensity(deviations) - std::log(kernel.width);
    terms.push_back(std::log(kernel.weight) + log_density - kernel.log_mass);
  }
  const double largest = *std::max_element(terms.begin(), terms.end());
  double sum = 0;
  for (const double term : terms) sum += std::exp(term - largest);
  return largest + std::log(sum);
}

double ParzenEstimator::Draw(RandomRow& row) const {
  const double which = row.Next();
  const double where = row.Next();
  if (parameter_.kind == ParameterKind::kCategorical) {
    return static_cast<double>(IndexAt(where, choice_masses_.size(), [&](size_t i) { return choice_masses_[i]; }));
  }
  const Kernel& kernel = kernels_[IndexAt(which, kernels_.size(), [&](size_t i) { return kernels_[i].weight; })];
  const double deviations =
      TruncatedNormalQuantile(where, (low_ - kernel.centre) / kernel.width, (high_ - kernel.centre) / kernel.width);
  const double place = kernel.centre + deviations * kernel.width;
  return CoordinateOf(parameter_, ValueNearest(parameter_, parameter_.log ? std::exp(place) : place));
}

}  // namespace lwq::search
