// SPDX-License-Identifier: Apache-2.0
// What a search draws: scrambled points, quantiles of the truncated normal distribution, suggestions by TPE.
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "common/search/low_discrepancy.h"
#include "common/search/tpe.h"
#include "common/search/truncated_normal.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq::search {
namespace {

using ::testing::HasSubstr;

TEST(LowDiscrepancyTest, AnyFirstPowerOfTwoOfPointsPutsOneIntoEveryIntervalOfEachDimension) {
  for (const uint64_t seed : {0, 1, 77}) {
    for (const uint32_t points : {1U, 2U, 8U, 64U, 256U}) {
      std::vector<std::set<uint32_t>> cells(5);
      for (uint32_t i = 0; i < points; ++i) {
        const std::vector<double> point = ScrambledSobolPoint(seed, i, cells.size());
        for (size_t d = 0; d < cells.size(); ++d) cells[d].insert(static_cast<uint32_t>(point[d] * points));
      }
      for (const auto& cell : cells) EXPECT_EQ(cell.size(), points) << "seed " << seed;
    }
  }
}

// The first two dimensions of Sobol's sequence are a (0, 2)-sequence, and nested scrambling keeps it one.
TEST(LowDiscrepancyTest, TheFirstTwoDimensionsPutOnePointIntoEveryBoxOfTheirArea) {
  constexpr int kLog = 6;
  for (int log_rows = 0; log_rows <= kLog; ++log_rows) {
    const uint32_t rows = 1U << log_rows;
    const uint32_t columns = 1U << (kLog - log_rows);
    std::set<std::pair<uint32_t, uint32_t>> boxes;
    for (uint32_t i = 0; i < 1U << kLog; ++i) {
      const std::vector<double> point = ScrambledSobolPoint(9, i, 2);
      boxes.insert({static_cast<uint32_t>(point[0] * rows), static_cast<uint32_t>(point[1] * columns)});
    }
    EXPECT_EQ(boxes.size(), 1U << kLog) << rows << " rows";
  }
}

TEST(LowDiscrepancyTest, APointDependsOnSeedAndIndexAloneAndNotOnTheDimensionsBehindIt) {
  const std::vector<double> point = ScrambledSobolPoint(3, 1000000, 4);
  EXPECT_EQ(ScrambledSobolPoint(3, 1000000, 4), point);
  const std::vector<double> wider = ScrambledSobolPoint(3, 1000000, 40);
  EXPECT_EQ(std::vector<double>(wider.begin(), wider.begin() + 4), point);
  EXPECT_NE(ScrambledSobolPoint(4, 1000000, 4), point);
  EXPECT_NE(ScrambledSobolPoint(3, 1000001, 4), point);
}

TEST(LowDiscrepancyTest, AScrambledPointIsUniformOverSeeds) {
  constexpr int kSeeds = 4000;
  std::vector<int> cells(10, 0);
  for (int seed = 0; seed < kSeeds; ++seed) ++cells[static_cast<size_t>(ScrambledSobolPoint(seed, 0, 3)[2] * 10)];
  for (const int count : cells) EXPECT_NEAR(count, kSeeds / 10, 4 * std::sqrt(kSeeds * 0.09));
}

TEST(TruncatedNormalTest, QuantilesAreTheInverseOfTheMass) {
  const std::vector<std::pair<double, double>> ends = {{-1, 1}, {-100, 0}, {0, 100}, {-0.01, 3},  {-6, 0.5},
                                                       {5, 6},  {-9, -8},  {20, 21}, {-0.5, -0.4}};
  for (const auto& [a, b] : ends) {
    for (const double q : {1e-9, 0.01, 0.3, 0.5, 0.77, 0.999}) {
      const double x = TruncatedNormalQuantile(q, a, b);
      ASSERT_GE(x, a);
      ASSERT_LE(x, b);
      if (x - a < 1e-6) continue;  // a mass so narrow has no digits to compare
      EXPECT_NEAR(LogNormalMass(a, x) - LogNormalMass(a, b), std::log(q), 1e-6) << a << " " << b << " " << q;
    }
    EXPECT_NEAR(TruncatedNormalQuantile(0, a, b), a, 1e-12);
    EXPECT_NEAR(TruncatedNormalQuantile(1, a, b), b, 1e-12);
  }
}

TEST(TruncatedNormalTest, MassesKeepTheirDigitsInTheTailsAndInNarrowIntervals) {
  // As scipy.special.log_ndtr (1.17.1) gives them.
  EXPECT_NEAR(LogNormalCdf(-10), -53.23128515051247, 1e-12);
  EXPECT_NEAR(LogNormalCdf(-40), -804.6084420137538, 1e-9);
  EXPECT_NEAR(LogNormalCdf(-35 + 1e-9), LogNormalCdf(-35 - 1e-9), 1e-6);
  EXPECT_NEAR(LogNormalMass(9.9, 10), LogNormalMass(-10, -9.9), 1e-12);
  EXPECT_NEAR(LogNormalCellMass(1.5, 0.45e-7, 0.45e-7), LogNormalCellMass(1.5, 0.55e-7, 0.55e-7) + std::log(0.9 / 1.1),
              1e-7);
  EXPECT_NEAR(LogNormalCellMass(-1.5, 1e-20, 2e-20), LogNormalDensity(1.5) + std::log(3e-20), 1e-12);
  EXPECT_NEAR(LogNormalCellMass(0.5, 0.25, 0.5), LogNormalMass(0.25, 1), 1e-15);
}

TEST(ParzenEstimatorTest, DensitiesOfAVeryWideRangeOfWholeNumbersAreThoseOfANarrowerOne) {
  SearchParameter narrow;
  narrow.name = "steps";
  narrow.kind = ParameterKind::kInt;
  narrow.high = 1e6;
  SearchParameter wide = narrow;
  wide.high = 1e15;
  const ParzenEstimator of_narrow(narrow, {1e5, 5e5, 5.2e5, 9e5});
  const ParzenEstimator of_wide(wide, {1e14, 5e14, 5.2e14, 9e14});
  for (const double place : {0.0, 0.1, 0.3, 0.51, 1.0}) {
    EXPECT_NEAR(of_wide.LogDensity(place * 1e15) + std::log(1e9), of_narrow.LogDensity(place * 1e6), 1e-5) << place;
  }
}

SearchSpace TwoParameters() {
  SearchParameter rate;
  rate.name = "rate";
  rate.low = 1e-5;
  rate.high = 1e-1;
  rate.log = true;
  SearchParameter policy;
  policy.name = "policy";
  policy.kind = ParameterKind::kCategorical;
  policy.choices = {"uniform", "sgra", "joint"};
  return {rate, policy};
}

// Trials of TPE itself on a bowl around 1e-3 that "sgra" is good for.
std::vector<TpeTrial> SearchedTrials(uint64_t seed, size_t count) {
  std::vector<TpeTrial> trials;
  while (trials.size() < count) {
    const auto values = SuggestByTpe(TwoParameters(), trials, seed, trials.size());
    LWQ_CHECK(values.ok(), values.status().ToString());
    const double distance = std::log10(std::get<double>((*values)[0])) + 3;
    const double penalty = std::get<std::string>((*values)[1]) == "sgra" ? 0 : 1;
    trials.push_back({*values, distance * distance + penalty, std::nullopt});
  }
  return trials;
}

TEST(TpeTest, ASuggestionIsTheSameHoweverOftenItIsAskedForAndWhateverWasAskedBefore) {
  const std::vector<TpeTrial> trials = SearchedTrials(5, 30);
  const auto first = SuggestByTpe(TwoParameters(), trials, 5, 30);
  ASSERT_TRUE(SuggestByTpe(TwoParameters(), trials, 5, 31).ok());
  EXPECT_EQ(*SuggestByTpe(TwoParameters(), trials, 5, 30), *first);
  EXPECT_NE(*SuggestByTpe(TwoParameters(), trials, 5, 31), *first);
  EXPECT_NE(*SuggestByTpe(TwoParameters(), trials, 6, 30), *first);
  // A search that goes on from a prefix has the trials of one that was never interrupted.
  const std::vector<TpeTrial> longer = SearchedTrials(5, 40);
  for (size_t i = 0; i < trials.size(); ++i) EXPECT_EQ(longer[i].values, trials[i].values) << i;
}

TEST(TpeTest, ASearchComesToTheGoodValuesAndStaysThere) {
  const std::vector<TpeTrial> trials = SearchedTrials(2, 60);
  int good = 0;
  for (size_t i = 30; i < trials.size(); ++i) {
    const double distance = std::abs(std::log10(std::get<double>(trials[i].values[0])) + 3);
    if (std::get<std::string>(trials[i].values[1]) == "sgra" && distance < 0.5) ++good;
  }
  EXPECT_GE(good, 12) << "of 30; a random search would have 2 or 3";
}

TEST(TpeTest, StoppedTrialsRankBehindThoseThatEndedByHowFarTheyCameAndNanIsTheirWorst) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  std::vector<TpeTrial> trials(30);
  for (TpeTrial& trial : trials) trial = {{}, 5, int64_t{1}};
  trials[20] = {{}, 9, std::nullopt};
  trials[7] = {{}, 1, int64_t{8}};
  trials[9] = {{}, kNan, int64_t{8}};
  EXPECT_EQ(SplitTrials(trials).better, (std::vector<size_t>{7, 9, 20}));
  trials[9].stopped_at = 1;
  EXPECT_EQ(SplitTrials(trials).better, (std::vector<size_t>{0, 7, 20})) << "of equal ones the first";
  trials[20].objective = kNan;
  EXPECT_EQ(SplitTrials(trials).better, (std::vector<size_t>{0, 1, 7})) << "what ended with NaN is left out";
  EXPECT_EQ(SplitTrials(trials).rest.size(), 26U);
}

TEST(TpeTest, ADivergedTrialIsLearnedFromAndOneWithNanIsNot) {
  std::vector<TpeTrial> trials = SearchedTrials(1, 20);
  const auto without = SuggestByTpe(TwoParameters(), trials, 1, 21);
  trials.push_back({{1e-3, std::string("sgra")}, std::numeric_limits<double>::quiet_NaN(), std::nullopt});
  EXPECT_EQ(*SuggestByTpe(TwoParameters(), trials, 1, 21), *without);
  trials.back().objective = std::numeric_limits<double>::infinity();
  EXPECT_NE(*SuggestByTpe(TwoParameters(), trials, 1, 21), *without);
}

TEST(TpeTest, TheFirstTrialsAreSpreadOverTheWholeSpace) {
  std::map<std::string, int> policies;
  std::vector<int> decades(4, 0);
  constexpr int kSeeds = 1200;
  for (int seed = 0; seed < kSeeds; ++seed) {
    const auto values = SuggestByTpe(TwoParameters(), {}, seed, 0);
    ++policies[std::get<std::string>((*values)[1])];
    ++decades[static_cast<size_t>(std::log10(std::get<double>((*values)[0])) + 5)];
  }
  for (const auto& [policy, count] : policies) EXPECT_NEAR(count, kSeeds / 3, 70) << policy;
  for (const int count : decades) EXPECT_NEAR(count, kSeeds / 4, 60);
}

TEST(TpeTest, TrialsOfAnotherSpaceAndSettingsWithoutCandidatesAreRefused) {
  const std::vector<TpeTrial> few = {{{1e-3}, 1, std::nullopt}};
  EXPECT_THAT(std::string(SuggestByTpe(TwoParameters(), few, 0, 1).status().message()),
              HasSubstr("trial 0 has 1 values for 2 parameters"));
  const std::vector<TpeTrial> outside = {{{1e-3, std::string("sgra")}, 1, std::nullopt},
                                         {{2.0, std::string("sgra")}, 1, std::nullopt}};
  EXPECT_THAT(std::string(SuggestByTpe(TwoParameters(), outside, 0, 2).status().message()),
              HasSubstr("trial 1: rate: 2 is not between 1e-05 and 0.1"));
  EXPECT_THAT(std::string(SuggestByTpe(TwoParameters(), {}, 0, 0, {10, 0}).status().message()),
              HasSubstr("candidates is 0"));
  EXPECT_FALSE(SuggestByTpe({}, {}, 0, 0).ok());
}

TEST(TpeTest, RunningTrialsAreOfTheRestAreNotCountedAndKeepTheNextOnesAway) {
  SearchParameter x;
  x.name = "x";
  x.high = 1;
  std::vector<TpeTrial> trials;
  for (int i = 0; i < 10; ++i) trials.push_back({{(i + 0.5) / 10}, std::abs(i - 3.0), std::nullopt});
  const auto next = *SuggestByTpe({x}, trials, 7, 10);
  for (int i = 0; i < 5; ++i) trials.push_back({next, 0, std::nullopt, /*running=*/true});
  const TpeSplit split = SplitTrials(trials);
  EXPECT_EQ(split.better, std::vector<size_t>{3}) << "one of ten, not two of fifteen";
  EXPECT_EQ(split.rest.size(), 14U);
  EXPECT_EQ(split.rest.back(), 14U);
  const double near = std::abs(std::get<double>(next[0]) - std::get<double>((*SuggestByTpe({x}, trials, 7, 10))[0]));
  EXPECT_GT(near, 0.02);
  EXPECT_EQ(*SuggestByTpe({x}, std::span(trials).subspan(10), 7, 10), *SuggestByTpe({x}, {}, 7, 10))
      << "nothing is known of trials that run";
}

}  // namespace
}  // namespace lwq::search
