// SPDX-License-Identifier: Apache-2.0
// The statistics of reports against scipy 1.17.1 and statsmodels 0.14.6: scripts/make_report_golden prints the numbers.
#include "reporting/sweep/statistics.h"

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq::reporting {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::Optional;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(StatisticsTest, PValuesOfStudentsTAreThoseOfScipy) {
  struct Case {
    double t, degrees, p;
  };
  const Case cases[] = {{0, 1, 1.0},
                        {0.5, 1, 0.7048327646991335},
                        {12.706, 1, 0.05000080235813319},
                        {2.5, 2, 0.12961172022151082},
                        {-3.25, 4, 0.03137573422015394},
                        {1e-06, 7, 0.9999992300170983},
                        {60, 2, 0.00027766209059467876},
                        {8, 30, 6.265822475700759e-09},
                        {2, 1000, 0.04577034649325166}};
  for (const Case& one : cases) {
    EXPECT_NEAR(StudentTwoSided(one.t, one.degrees) / one.p, 1, 1e-11) << one.t << " with " << one.degrees;
  }
  EXPECT_EQ(StudentTwoSided(kInfinity, 3), 0);
}

TEST(StatisticsTest, MeanAndStandardErrorAreThoseOfScipyAndOneValueHasNoError) {
  const MeanOfValues mean = MeanOf({1.6412, 1.6433, 1.6398, 1.6450});
  EXPECT_EQ(mean.count, 4);
  EXPECT_DOUBLE_EQ(mean.mean, 1.642325);
  EXPECT_THAT(mean.standard_error, Optional(DoubleNear(0.0011455529960096586, 1e-15)));
  EXPECT_EQ(MeanOf({2.5}).mean, 2.5);
  EXPECT_EQ(MeanOf({2.5}).standard_error, std::nullopt);
  EXPECT_EQ(MeanOf({}).count, 0);
}

TEST(StatisticsTest, PairedDifferencesUseOnlySharedSeedsAndAreThoseOfScipy) {
  const std::map<std::string, double> values = {{"1", 1.6412}, {"2", 1.6433}, {"3", 1.6398}, {"4", 1.6450}, {"9", 77}};
  const std::map<std::string, double> baseline = {{"1", 1.6503}, {"2", 1.6491}, {"3", 1.6477}, {"4", 1.6512}, {"8", 5}};
  const PairedDifference difference = ComparePaired(values, baseline);
  EXPECT_EQ(difference.pairs, 4);
  EXPECT_NEAR(difference.mean, -0.00725, 1e-15);
  EXPECT_THAT(difference.standard_error, Optional(DoubleNear(0.0007664854858378152, 1e-15)));
  EXPECT_THAT(difference.p_value, Optional(DoubleNear(0.0025047469566401646, 1e-12)));
}

TEST(StatisticsTest, NothingIsTestedOnOnePairNorOnDifferencesThatAreAllEqual) {
  const PairedDifference one = ComparePaired({{"1", 3}}, {{"1", 2}});
  EXPECT_EQ(one.pairs, 1);
  EXPECT_EQ(one.mean, 1);
  EXPECT_EQ(one.standard_error, std::nullopt);
  EXPECT_EQ(one.p_value, std::nullopt);
  const PairedDifference equal = ComparePaired({{"1", 3}, {"2", 5}, {"3", 4}}, {{"1", 2}, {"2", 4}, {"3", 3}});
  EXPECT_EQ(equal.standard_error, 0);
  EXPECT_EQ(equal.p_value, std::nullopt);
  EXPECT_EQ(ComparePaired({{"1", 3}}, {{"2", 2}}).pairs, 0);
}

TEST(StatisticsTest, HolmsCorrectionIsThatOfStatsmodelsAndSkipsWhatWasNotTested) {
  const auto corrected = HolmCorrected({0.01, 0.04, std::nullopt, 0.03, 0.005, 0.2});
  ASSERT_EQ(corrected.size(), 6u);
  const double expected[] = {0.04, 0.09, kNan, 0.09, 0.025, 0.2};
  for (size_t i = 0; i < corrected.size(); ++i) {
    EXPECT_EQ(corrected[i].has_value(), !std::isnan(expected[i])) << i;
    EXPECT_NEAR(corrected[i].value_or(0), std::isnan(expected[i]) ? 0 : expected[i], 1e-15) << i;
  }
  EXPECT_THAT(HolmCorrected({0.9, 0.8}), ElementsAre(Optional(1.0), Optional(1.0)));
}

TEST(StatisticsTest, RanksAndRankCorrelationWithTiesAreThoseOfScipy) {
  const std::vector<double> x = {3, 1, 4, 1, 5, 9, 2, 6};
  const std::vector<double> y = {2, 7, 1, 8, 2, 8, 1, 8};
  EXPECT_THAT(RanksOf(y), ElementsAre(3.5, 5, 1.5, 7, 3.5, 7, 1.5, 7));
  EXPECT_THAT(RankCorrelation(x, y), Optional(DoubleNear(0.19885368120992467, 1e-14)));
  EXPECT_THAT(RankCorrelation(x, x), Optional(DoubleNear(1, 1e-15)));
}

TEST(StatisticsTest, ACorrelationWithAConstantOrOfOneBlockOrOfOtherLengthsIsUnknown) {
  EXPECT_EQ(RankCorrelation({1, 1, 1}, {1, 2, 3}), std::nullopt);
  EXPECT_EQ(RankCorrelation({1}, {2}), std::nullopt);
  EXPECT_EQ(RankCorrelation({1, 2}, {1, 2, 3}), std::nullopt);
}

TEST(StatisticsTest, TheFrontHasWhatNothingBeatsInBothWithEqualPointsTogether) {
  const std::vector<bool> front =
      ParetoFront({{2, 10}, {2, 9}, {3, 9}, {3, 5}, {3, 5}, {4, 6}, {1, 20}, {5, 5}, {6, 1}});
  EXPECT_EQ(front, (std::vector<bool>{false, true, false, true, true, false, true, false, true}));
}

TEST(StatisticsTest, APointThatIsMissingOrNotFiniteIsNotOnTheFrontAndKeepsNobodyFromIt) {
  EXPECT_EQ(ParetoFront({{1, kNan}, {kNan, 1}, {1, -kInfinity}, {std::nullopt, 1}, {1, std::nullopt}, {2, 3}}),
            (std::vector<bool>{false, false, false, false, false, true}));
  EXPECT_TRUE(ParetoFront({}).empty());
}

TEST(StatisticsTest, TheFrontIsThatOfComparingEveryPairOnManySeededPoints) {
  uint32_t state = 7;
  const auto next = [&] { return static_cast<double>((state = state * 1664525u + 1013904223u) >> 28); };
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<FrontPoint> points;
    for (int i = 0; i < 12; ++i) points.push_back({next(), next()});
    const std::vector<bool> front = ParetoFront(points);
    for (size_t i = 0; i < points.size(); ++i) {
      bool beaten = false;
      for (const FrontPoint& other : points) {
        beaten = beaten || (*other.x <= *points[i].x && *other.y <= *points[i].y &&
                            (*other.x < *points[i].x || *other.y < *points[i].y));
      }
      EXPECT_EQ(front[i], !beaten) << trial << " " << i;
    }
  }
}

}  // namespace
}  // namespace lwq::reporting
