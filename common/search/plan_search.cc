// SPDX-License-Identifier: Apache-2.0
#include "common/search/plan_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "common/search/low_discrepancy.h"
#include "common/search/tpe.h"

namespace lwq::search {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool IsFailed(const SearchTrial& trial) {
  const bool is_measured = trial.outcome == TrialOutcome::kEnded || trial.outcome == TrialOutcome::kStopped;
  return trial.outcome == TrialOutcome::kFailed || (is_measured && !std::isfinite(trial.objective));
}

std::vector<TpeTrial> LearnFrom(std::span<const SearchTrial> trials) {
  std::vector<TpeTrial> learned;
  for (const SearchTrial& trial : trials) {
    if (trial.outcome == TrialOutcome::kCancelled) continue;
    if (IsFailed(trial)) {
      learned.push_back({trial.values, kInfinity, 0});  // worse than any that came a step further
    } else if (trial.outcome == TrialOutcome::kStopped) {
      learned.push_back({trial.values, trial.objective, trial.resource});
    } else {
      learned.push_back({trial.values, trial.objective, std::nullopt});
    }
  }
  return learned;
}

StatusOr<std::vector<ParameterValue>> Suggest(const SearchSettings& settings, std::span<const TpeTrial> learned,
                                              size_t number) {
  std::vector<ParameterValue> values;
  if (number < static_cast<size_t>(settings.startup_trials)) {
    const std::vector<double> point =
        ScrambledSobolPoint(settings.seed, static_cast<uint32_t>(number), settings.space.size());
    for (size_t p = 0; p < point.size(); ++p) values.push_back(ValueAt(settings.space[p], point[p]));
  } else {
    LWQ_ASSIGN_OR_RETURN(values, SuggestByTpe(settings.space, learned, settings.seed, number, {.startup_trials = 1}));
  }
  for (size_t p = 0; p < values.size(); ++p) values[p] = Shortened(settings.space[p], values[p]);
  return values;
}

// Where the last batch was not what anybody wants more of.
std::optional<SearchStep::Kind> EndOfLastBatch(const SearchSettings& settings, std::span<const SearchTrial> trials) {
  if (trials.empty()) return std::nullopt;
  const auto batch = static_cast<size_t>(settings.batch);
  const std::span<const SearchTrial> last = trials.subspan((trials.size() - 1) / batch * batch);
  if (std::all_of(last.begin(), last.end(), [](const auto& t) { return t.outcome == TrialOutcome::kCancelled; })) {
    return SearchStep::Kind::kAllCancelled;
  }
  if (std::all_of(last.begin(), last.end(), IsFailed)) return SearchStep::Kind::kAllFailed;
  return std::nullopt;
}

bool WasTried(std::span<const SearchTrial> trials, const std::vector<ParameterValue>& values) {
  return std::any_of(trials.begin(), trials.end(), [&](const SearchTrial& trial) { return trial.values == values; });
}

}  // namespace

Status CheckSearchSettings(const SearchSettings& settings) {
  LWQ_RETURN_IF_ERROR(CheckSearchSpace(settings.space));
  if (settings.batch < 1) {
    return absl::InvalidArgumentError(absl::StrCat("batch ", settings.batch, " is below 1; try at least 1 at a time"));
  }
  if (settings.trials.has_value() && *settings.trials < 1) {
    return absl::InvalidArgumentError(absl::StrCat("trials ", *settings.trials, " is below 1; a search has one"));
  }
  if (settings.startup_trials < 0) {
    return absl::InvalidArgumentError(absl::StrCat("startup ", settings.startup_trials, " is below 0; give 0 or more"));
  }
  if (settings.budget.has_value() && !(*settings.budget > 0 && std::isfinite(*settings.budget))) {
    return absl::InvalidArgumentError(absl::StrCat("budget ", *settings.budget, " is no positive number; give more"));
  }
  return absl::OkStatus();
}

StatusOr<SearchStep> PlanSearch(const SearchSettings& settings, std::span<const SearchTrial> trials,
                                std::optional<double> first_cost) {
  LWQ_RETURN_IF_ERROR(CheckSearchSettings(settings));
  SearchStep step;
  for (const SearchTrial& trial : trials) step.spent += trial.cost;
  const auto end = [&step](SearchStep::Kind kind) {
    step.kind = kind;
    return step;
  };
  if (const auto ended = EndOfLastBatch(settings, trials); ended.has_value()) return end(*ended);
  const auto left = settings.trials.value_or(std::numeric_limits<int64_t>::max()) - static_cast<int64_t>(trials.size());
  if (left <= 0) return end(SearchStep::Kind::kTrialsDone);
  const int64_t size = std::min(settings.batch, left);
  step.expected = first_cost;
  if (!trials.empty()) step.expected = step.spent / static_cast<double>(trials.size()) * static_cast<double>(size);
  // What nobody can foretell is begun while there is anything left.
  if (settings.budget.has_value() &&
      (step.spent >= *settings.budget || step.spent + step.expected.value_or(0) > *settings.budget)) {
    return end(SearchStep::Kind::kBudgetDone);
  }
  std::vector<TpeTrial> learned = LearnFrom(trials);
  bool is_new = false;
  for (int64_t i = 0; i < size; ++i) {
    LWQ_ASSIGN_OR_RETURN(std::vector<ParameterValue> values,
                         Suggest(settings, learned, trials.size() + static_cast<size_t>(i)));
    is_new = is_new || !WasTried(trials, values);
    learned.push_back({values, 0, std::nullopt, /*running=*/true});  // the batch's next trial goes elsewhere
    step.batch.push_back(std::move(values));
  }
  if (!is_new) {
    step.batch.clear();
    return end(SearchStep::Kind::kNothingNew);
  }
  return step;
}

std::optional<size_t> BestTrial(std::span<const SearchTrial> trials) {
  const auto rank = [&](size_t i) {
    const bool is_stopped = trials[i].outcome == TrialOutcome::kStopped;
    return std::tuple(is_stopped, is_stopped ? -trials[i].resource : 0, trials[i].objective);
  };
  std::optional<size_t> best;
  for (size_t i = 0; i < trials.size(); ++i) {
    if (trials[i].outcome == TrialOutcome::kCancelled || IsFailed(trials[i])) continue;
    if (!best.has_value() || rank(i) < rank(*best)) best = i;
  }
  return best;
}

}  // namespace lwq::search
