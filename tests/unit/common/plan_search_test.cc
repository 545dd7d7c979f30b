// SPDX-License-Identifier: Apache-2.0
#include "common/search/plan_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "common/search/low_discrepancy.h"
#include "common/search/random_words.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq::search {
namespace {

using ::testing::HasSubstr;
using Kind = SearchStep::Kind;
using Values = std::vector<ParameterValue>;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

SearchParameter Rate(const std::string& name) {
  SearchParameter rate;
  rate.name = name;
  rate.low = 1e-5;
  rate.high = 1e-2;
  rate.log = true;
  return rate;
}

SearchParameter Whole(const std::string& name, double low, double high) {
  SearchParameter whole;
  whole.name = name;
  whole.kind = ParameterKind::kInt;
  whole.low = low;
  whole.high = high;
  return whole;
}

SearchSettings TwoRates() {
  SearchSettings settings;
  settings.space = {Rate("quant_lr"), Rate("weight_lr")};
  settings.batch = 6;
  return settings;
}

// Least at 1e-3 and 1e-4.
double Valley(const Values& values) {
  const double x = std::log10(std::get<double>(values[0])) + 3;
  const double y = std::log10(std::get<double>(values[1])) + 4;
  return x * x + y * y;
}

SearchTrial Ended(const Values& values, double cost = 1) {
  return {values, TrialOutcome::kEnded, Valley(values), 0, cost};
}

std::vector<Values> NextBatch(const SearchSettings& settings, const std::vector<SearchTrial>& trials) {
  const auto step = PlanSearch(settings, trials, std::nullopt);
  LWQ_CHECK(step.ok(), step.status().ToString());
  return step->batch;
}

// Batches until the search ends; its trials.
std::vector<SearchTrial> Search(const SearchSettings& settings, SearchStep* last = nullptr) {
  std::vector<SearchTrial> trials;
  while (true) {
    auto step = PlanSearch(settings, trials, std::nullopt);
    LWQ_CHECK(step.ok(), step.status().ToString());
    if (last != nullptr) *last = *step;
    if (step->kind != Kind::kTry) return trials;
    for (const Values& values : step->batch) trials.push_back(Ended(values));
  }
}

TEST(PlanSearchTest, TheFirstTrialsAreThePointsOfTheSequenceAndLaterOnesGoWhereTheBestWere) {
  SearchSettings settings = TwoRates();
  settings.trials = 60;
  settings.seed = 4;
  const std::vector<SearchTrial> trials = Search(settings);
  ASSERT_EQ(trials.size(), 60U);
  for (uint32_t i = 0; i < 10; ++i) {
    const std::vector<double> point = ScrambledSobolPoint(4, i, 2);
    for (size_t p = 0; p < 2; ++p) {
      const ParameterValue value = Shortened(settings.space[p], ValueAt(settings.space[p], point[p]));
      EXPECT_EQ(trials[i].values[p], value) << i;
    }
  }
  const auto mean = [&](size_t from, size_t to) {
    double sum = 0;
    for (size_t i = from; i < to; ++i) sum += trials[i].objective;
    return sum / static_cast<double>(to - from);
  };
  EXPECT_LT(mean(48, 60), mean(0, 10) / 2);
  EXPECT_LT(trials[*BestTrial(trials)].objective, 0.1);
}

TEST(PlanSearchTest, ASearchThatIsPlannedAgainFromItsResultsTriesTheSameAndALongerOneTheSameFirst) {
  SearchSettings settings = TwoRates();
  settings.trials = 20;  // in batches of 6, 6, 6, 2
  const std::vector<SearchTrial> trials = Search(settings);
  settings.trials = 30;
  const std::vector<SearchTrial> longer = Search(settings);
  for (size_t i = 0; i < 18; ++i) EXPECT_EQ(longer[i].values, trials[i].values) << i;
  for (size_t known = 0; known <= 24; known += 6) {
    const auto step = PlanSearch(settings, std::span(longer).first(known), std::nullopt);
    ASSERT_TRUE(step.ok()) << step.status();
    for (size_t i = 0; i < 6; ++i) EXPECT_EQ(step->batch[i], longer[known + i].values) << known;
  }
  settings.seed = 1;
  EXPECT_NE(Search(settings)[0].values, trials[0].values);
}

TEST(PlanSearchTest, EveryValueIsOneOfItsParameterAndNoLongerThanItIsShown) {
  SearchSettings settings = TwoRates();
  settings.trials = 40;
  settings.space.push_back(Whole("epochs", 1, 4));
  SearchParameter& schedule = settings.space.emplace_back();
  schedule.name = "schedule";
  schedule.kind = ParameterKind::kCategorical;
  schedule.choices = {"a", "b"};
  for (const SearchTrial& trial : Search(settings)) {
    for (size_t p = 0; p < settings.space.size(); ++p) {
      EXPECT_TRUE(CheckValue(settings.space[p], trial.values[p]).ok());
      EXPECT_EQ(Shortened(settings.space[p], trial.values[p]), trial.values[p]);
    }
  }
}

TEST(PlanSearchTest, NoBatchIsBegunThatIsExpectedToExceedTheBudget) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    RandomRow row(seed, RandomPurpose::kScrambling, 0, 0);
    SearchSettings settings = TwoRates();
    settings.startup_trials = 1000;
    settings.batch = 1 + static_cast<int64_t>(row.Next() * 8);
    settings.budget = 1 + row.Next() * 100;
    std::vector<SearchTrial> trials;
    while (true) {
      const auto step = PlanSearch(settings, trials, std::nullopt);
      ASSERT_TRUE(step.ok()) << step.status();
      double spent = 0;
      for (const SearchTrial& trial : trials) spent += trial.cost;
      EXPECT_NEAR(step->spent, spent, 1e-9);
      const double expected =
          trials.empty() ? 0 : spent / static_cast<double>(trials.size()) * static_cast<double>(settings.batch);
      if (step->kind == Kind::kBudgetDone) {
        EXPECT_TRUE(spent + expected > *settings.budget || spent >= *settings.budget) << seed;
        EXPECT_EQ(step->batch.size(), 0U);
        break;
      }
      ASSERT_EQ(step->kind, Kind::kTry);
      EXPECT_LE(spent + expected, *settings.budget) << seed;
      for (const Values& values : step->batch) trials.push_back(Ended(values, row.Next() * 4));
    }
  }
}

TEST(PlanSearchTest, WhatTheFirstBatchIsExpectedToCostIsHeldAgainstTheBudget) {
  SearchSettings settings = TwoRates();
  settings.budget = 100;
  EXPECT_EQ(PlanSearch(settings, {}, 101)->kind, Kind::kBudgetDone);
  EXPECT_EQ(PlanSearch(settings, {}, 99)->kind, Kind::kTry);
  EXPECT_EQ(PlanSearch(settings, {}, std::nullopt)->kind, Kind::kTry) << "nothing is known";
  settings.budget.reset();
  EXPECT_EQ(PlanSearch(settings, {}, 1e9)->kind, Kind::kTry);
}

TEST(PlanSearchTest, ASearchEndsWithItsTrialsAndWhereNothingNewIsLeftToTry) {
  SearchSettings settings = TwoRates();
  settings.trials = 7;
  SearchStep last;
  EXPECT_EQ(Search(settings, &last).size(), 7U);
  EXPECT_EQ(last.kind, Kind::kTrialsDone);
  settings.space = {Whole("bits", 2, 4)};
  settings.trials.reset();
  std::vector<SearchTrial> trials;
  while (true) {
    const auto step = PlanSearch(settings, trials, std::nullopt);
    if (step->kind != Kind::kTry) {
      EXPECT_EQ(step->kind, Kind::kNothingNew);
      break;
    }
    ASSERT_LT(trials.size(), 60U);
    for (const Values& values : step->batch) {
      trials.push_back({values, TrialOutcome::kEnded, static_cast<double>(std::get<int64_t>(values[0])), 0, 0});
    }
  }
}

TEST(PlanSearchTest, ASearchEndsAfterABatchOfWhichEveryTrialFailedOrWasCancelled) {
  const SearchSettings settings = TwoRates();
  std::vector<SearchTrial> trials;
  for (const Values& values : NextBatch(settings, trials)) trials.push_back(Ended(values));
  for (const Values& values : NextBatch(settings, trials)) {
    trials.push_back({values, TrialOutcome::kFailed, kNaN, 0, 1});
  }
  EXPECT_EQ(PlanSearch(settings, trials, std::nullopt)->kind, Kind::kAllFailed);
  trials.back() = {trials.back().values, TrialOutcome::kEnded, kNaN, 0, 1};
  EXPECT_EQ(PlanSearch(settings, trials, std::nullopt)->kind, Kind::kAllFailed)
      << "an end without a number is a failure";
  trials.back().objective = 3;
  EXPECT_EQ(PlanSearch(settings, trials, std::nullopt)->kind, Kind::kTry);
  for (size_t i = 6; i < 12; ++i) trials[i].outcome = TrialOutcome::kCancelled;
  EXPECT_EQ(PlanSearch(settings, trials, std::nullopt)->kind, Kind::kAllCancelled);
}

// The share of the suggestions whose first rate is above 1e-3, after 30 trials of which those above it ended so.
double ShareAbove(TrialOutcome outcome) {
  SearchSettings settings = TwoRates();
  settings.startup_trials = 30;
  settings.batch = 30;
  std::vector<SearchTrial> trials;
  for (const Values& values : NextBatch(settings, {})) {
    trials.push_back(Ended(values));
    trials.back().objective = -std::get<double>(values[0]);  // the higher the better
    if (std::get<double>(values[0]) > 1e-3) trials.back() = {values, outcome, kNaN, 0, 1};
  }
  const auto step = PlanSearch(settings, trials, std::nullopt);
  return static_cast<double>(std::count_if(step->batch.begin(), step->batch.end(),
                                           [](const Values& values) { return std::get<double>(values[0]) > 1e-3; })) /
         30;
}

TEST(PlanSearchTest, FailedTrialsAreShunnedAndCancelledOnesTeachNothing) {
  EXPECT_LT(ShareAbove(TrialOutcome::kFailed), ShareAbove(TrialOutcome::kCancelled));
}

TEST(PlanSearchTest, TheBestTrialEndedOrElseCameFurthest) {
  const Values values = {1e-3, 1e-4};
  const SearchTrial failed = {values, TrialOutcome::kFailed, kNaN, 0, 0};
  const SearchTrial cancelled = {values, TrialOutcome::kCancelled, -5, 9, 0};
  const SearchTrial near = {values, TrialOutcome::kStopped, 0.1, 1, 0};
  const SearchTrial far = {values, TrialOutcome::kStopped, 0.5, 3, 0};
  const SearchTrial farther = {values, TrialOutcome::kStopped, 0.4, 3, 0};
  const SearchTrial ended = {values, TrialOutcome::kEnded, 0.9, 0, 0};
  EXPECT_EQ(BestTrial(std::vector{failed, cancelled}), std::nullopt);
  EXPECT_EQ(BestTrial(std::vector{failed, near, far, farther}), 3U);
  EXPECT_EQ(BestTrial(std::vector{near, ended, farther, ended}), 1U) << "the first of equal ones";
}

TEST(PlanSearchTest, SettingsThatMakeNoSearchAreRefused) {
  const auto error = [](auto change) {
    SearchSettings settings = TwoRates();
    change(settings);
    return std::string(PlanSearch(settings, {}, std::nullopt).status().message());
  };
  EXPECT_THAT(error([](SearchSettings& s) { s.space.clear(); }), HasSubstr("the search has no parameters"));
  EXPECT_THAT(error([](SearchSettings& s) { s.batch = 0; }), HasSubstr("batch 0 is below 1"));
  EXPECT_THAT(error([](SearchSettings& s) { s.trials = 0; }), HasSubstr("trials 0 is below 1"));
  EXPECT_THAT(error([](SearchSettings& s) { s.startup_trials = -1; }), HasSubstr("startup -1 is below 0"));
  EXPECT_THAT(error([](SearchSettings& s) { s.budget = 0; }), HasSubstr("budget 0 is no positive number"));
  EXPECT_THAT(error([](SearchSettings& s) { s.budget = kNaN; }), HasSubstr("is no positive number"));
}

TEST(ShortenedTest, KeepsFourDigitsOfARateAndAThousandthOfARangeWithinItsEnds) {
  const auto shortened = [](double low, double high, bool log, double value) {
    SearchParameter parameter = Rate("x");
    parameter.low = low;
    parameter.high = high;
    parameter.log = log;
    return std::get<double>(Shortened(parameter, value));
  };
  EXPECT_EQ(shortened(1e-5, 1e-2, true, 3.14159265e-4), 3.142e-4);
  EXPECT_EQ(shortened(1e-5, 1e-2, true, 9.99996e-4), 1e-3);
  EXPECT_EQ(shortened(1, 4, false, 2.718281828), 2.718);
  EXPECT_EQ(shortened(100, 101, false, 100.123456), 100.123);
  EXPECT_EQ(shortened(0, 1e6, false, 123456.789), 123457);
  EXPECT_EQ(shortened(-0.5, 0.5, false, -0.12345678), -0.123);
  EXPECT_EQ(shortened(1.23412e-5, 1e-2, true, 1.23412e-5), 1.23412e-5) << "not below the end";
  EXPECT_EQ(shortened(1e-300, 1e300, true, 1.23456e-299), 1.235e-299);
  EXPECT_EQ(shortened(0.1, 0.1000000002, true, 0.10000000005678), 0.1000000000568);
}

}  // namespace
}  // namespace lwq::search
