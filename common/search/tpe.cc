// SPDX-License-Identifier: Apache-2.0
#include "common/search/tpe.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

namespace lwq::search {
namespace {

constexpr size_t kMaxBetter = 25;

bool IsLeftOut(const TpeTrial& trial) {
  return std::isnan(trial.objective) && !trial.stopped_at.has_value();
}

// Rising from the best: ended or stopped, how far a stopped one came, objective.
std::tuple<bool, int64_t, double> RankOf(const TpeTrial& trial) {
  const double objective = std::isnan(trial.objective) ? std::numeric_limits<double>::infinity() : trial.objective;
  return {trial.stopped_at.has_value(), -trial.stopped_at.value_or(0), objective};
}

Status CheckTrials(const SearchSpace& space, std::span<const TpeTrial> trials) {
  for (size_t i = 0; i < trials.size(); ++i) {
    const std::vector<ParameterValue>& values = trials[i].values;
    if (values.size() != space.size()) {
      return absl::InvalidArgumentError(absl::StrCat("trial ", i, " has ", values.size(), " values for ", space.size(),
                                                     " parameters; it belongs to another search"));
    }
    for (size_t p = 0; p < space.size(); ++p) {
      LWQ_RETURN_IF_ERROR(Annotate(CheckValue(space[p], values[p]), absl::StrCat("trial ", i)));
    }
  }
  return absl::OkStatus();
}

std::vector<double> Coordinates(const SearchSpace& space, size_t parameter, std::span<const TpeTrial> trials,
                                const std::vector<size_t>& chosen) {
  std::vector<double> coordinates;
  coordinates.reserve(chosen.size());
  for (const size_t i : chosen) coordinates.push_back(CoordinateOf(space[parameter], trials[i].values[parameter]));
  return coordinates;
}

ParameterValue BestCandidate(const SearchParameter& parameter, const ParzenEstimator& better,
                             const ParzenEstimator& rest, size_t candidates, RandomRow row) {
  double best = better.Draw(row);
  double highest = TpeAcquisition(better, rest, best);
  for (size_t i = 1; i < candidates; ++i) {
    const double candidate = better.Draw(row);
    const double acquisition = TpeAcquisition(better, rest, candidate);
    if (acquisition > highest) {
      best = candidate;
      highest = acquisition;
    }
  }
  return ValueNearest(parameter, best);
}

}  // namespace

TpeSplit SplitTrials(std::span<const TpeTrial> trials) {
  std::vector<size_t> order;
  TpeSplit split;
  for (size_t i = 0; i < trials.size(); ++i) {
    if (trials[i].running) {
      split.rest.push_back(i);
    } else if (!IsLeftOut(trials[i])) {
      order.push_back(i);
    }
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return RankOf(trials[a]) < RankOf(trials[b]); });
  const size_t better = std::min((order.size() + 9) / 10, kMaxBetter);
  split.better.assign(order.begin(), order.begin() + static_cast<ptrdiff_t>(better));
  split.rest.insert(split.rest.end(), order.begin() + static_cast<ptrdiff_t>(better), order.end());
  std::sort(split.better.begin(), split.better.end());
  std::sort(split.rest.begin(), split.rest.end());
  return split;
}

double TpeAcquisition(const ParzenEstimator& better, const ParzenEstimator& rest, double coordinate) {
  return better.LogDensity(coordinate) - rest.LogDensity(coordinate);
}

StatusOr<std::vector<ParameterValue>> SuggestByTpe(const SearchSpace& space, std::span<const TpeTrial> trials,
                                                   uint64_t seed, uint64_t number, const TpeSettings& settings) {
  LWQ_RETURN_IF_ERROR(CheckSearchSpace(space));
  LWQ_RETURN_IF_ERROR(CheckTrials(space, trials));
  if (settings.candidates == 0) return absl::InvalidArgumentError("candidates is 0; draw at least 1 value");
  const TpeSplit split = SplitTrials(trials);
  const auto running = static_cast<size_t>(
      std::count_if(trials.begin(), trials.end(), [](const TpeTrial& trial) { return trial.running; }));
  const size_t known = split.better.size() + split.rest.size() - running;
  std::vector<ParameterValue> suggestion;
  for (size_t p = 0; p < space.size(); ++p) {
    RandomRow row(seed, RandomPurpose::kTpe, number, p);
    if (known == 0 || known < settings.startup_trials) {
      suggestion.push_back(ValueAt(space[p], row.Next()));
      continue;
    }
    const ParzenEstimator better(space[p], Coordinates(space, p, trials, split.better));
    const ParzenEstimator rest(space[p], Coordinates(space, p, trials, split.rest));
    suggestion.push_back(BestCandidate(space[p], better, rest, settings.candidates, row));
  }
  return suggestion;
}

}  // namespace lwq::search
