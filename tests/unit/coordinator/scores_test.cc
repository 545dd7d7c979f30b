// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/policy/scores.h"

#include <limits>

#include "coordinator/plan/policy/score_table.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::string WhyNot(const Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(MessageOf(status));
}

TEST(CheckScoresTest, ABadScoreIsRefusedWithItsBlockOnOneLine) {
  EXPECT_TRUE(CheckScores({0, 1.5, 1e300}).ok());
  EXPECT_EQ(WhyNot(CheckScores({1, kNan})),
            "the sensitivity score of block 1 is nan; a score must be a finite number that is not negative");
  EXPECT_THAT(WhyNot(CheckScores({1, 2, -0.5})), HasSubstr("block 2 is -0.5"));
  EXPECT_THAT(WhyNot(CheckScores({kInfinity})), HasSubstr("block 0 is inf"));
  EXPECT_THAT(WhyNot(CheckScores({})), HasSubstr("no sensitivity score"));
}

TEST(RatiosTest, TheLeastIsZeroTheMostIsOneAndEqualScoresAreAllZero) {
  EXPECT_THAT(Ratios({3, 1, 2}), ElementsAre(1, 0, 0.5));
  EXPECT_THAT(Ratios({0.1, 0.1, 0.1}), ElementsAre(0, 0, 0));
  EXPECT_THAT(Ratios({7}), ElementsAre(0));
  EXPECT_THAT(Ratios({0, 1e308}), ElementsAre(0, 1));
}

TEST(NormalizedScoresTest, HugeScoresDoNotOverflowTheMean) {
  EXPECT_THAT(NormalizedScores({1e308, 1e308, 1e308}, LrNormalization::kMean), ElementsAre(1, 1, 1));
  EXPECT_THAT(NormalizedScores({1, 3}, LrNormalization::kMean), ElementsAre(0.5, 1.5));
  EXPECT_THAT(NormalizedScores({1, 4}, LrNormalization::kMax), ElementsAre(0.25, 1));
}

TEST(AtSinglePrecisionTest, WhatDiffersBeyondTwentyFourBitsIsEqualAtAnySize) {
  for (const double scale : {1e-300, 1.0, 1e300}) {
    const std::vector<double> rounded = AtSinglePrecision({scale, scale * (1 + 1e-9), scale * (1 + 1e-6)});
    EXPECT_EQ(rounded[0], rounded[1]) << scale;
    EXPECT_LT(rounded[1], rounded[2]) << scale;
  }
}

ScoreTable SmallTable() {
  return {.choices = {{2, 64}, {4, 64}, {4, -1}}, .loss = {{3, 1, 2}, {0.5, -0.1, 0.25}}};
}

TEST(ScoreTableTest, AColumnIsWhatAPolicyOfOneNumberReads) {
  EXPECT_TRUE(CheckTable(SmallTable()).ok());
  EXPECT_THAT(*ScoresAt(SmallTable(), {4, -1}), ElementsAre(2, 0.25));
  const Status missing = ScoresAt(SmallTable(), {3, 64}).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(MessageOf(missing), "the score table has no w3g64; it has w2g64, w4g64, w4g-1");
}

TEST(ScoreTableTest, ATableThatIsNotRectangularAndFiniteIsRefused) {
  ScoreTable table = SmallTable();
  table.loss[1][2] = kNan;
  EXPECT_THAT(WhyNot(CheckTable(table)), HasSubstr("the loss of block 1 at w4g-1 is nan"));
  table = SmallTable();
  table.loss[0].pop_back();
  EXPECT_THAT(WhyNot(CheckTable(table)), HasSubstr("block 0 of the score table has 2 losses; there are 3 choices"));
  table = SmallTable();
  table.choices[2] = {2, 64};
  EXPECT_THAT(WhyNot(CheckTable(table)), HasSubstr("w2g64 twice"));
  EXPECT_THAT(WhyNot(CheckTable({.choices = {{2, 64}}, .loss = {}})), HasSubstr("no block"));
  EXPECT_THAT(WhyNot(CheckTable({.choices = {}, .loss = {{}}})), HasSubstr("no choice"));
}

TEST(ScoreTableTest, AScalarMetricBecomesATableByTheSquaredErrorOfTheWeights) {
  const ScoreTable errors{.choices = {{2, 64}, {4, 64}}, .loss = {{8, 2}, {4, 1}}};
  const StatusOr<ScoreTable> table = TableFromScores({10, 3}, {100, 50}, errors);
  ASSERT_TRUE(table.ok());
  EXPECT_DOUBLE_EQ(table->loss[0][0], 0.5 * 10 / 100 * 8);
  EXPECT_DOUBLE_EQ(table->loss[1][1], 0.5 * 3 / 50 * 1);
  EXPECT_THAT(WhyNot(TableFromScores({10}, {100, 50}, errors).status()), HasSubstr("scores for 1"));
  EXPECT_THAT(WhyNot(TableFromScores({10, 3}, {100, 50}, {.choices = {{2, 64}}, .loss = {{1}, {-1}}}).status()),
              HasSubstr("block 1 at w2g64 is -1"));
}

}  // namespace
}  // namespace lwq::coordinator
