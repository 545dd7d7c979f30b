// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/policy/training_order.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(TrainingOrderTest, MostSensitiveFirstAndEqualScoresByDepth) {
  EXPECT_THAT(SensitivityOrder({1, 3, 2, 3, 0}), ElementsAre(1, 3, 2, 0, 4));
  EXPECT_THAT(SensitivityOrder({5, 5, 5}), ElementsAre(0, 1, 2));
  EXPECT_THAT(SensitivityOrder({}), IsEmpty());
}

// Fixed for good: a seed in a published recipe must mean the same order for ever.
TEST(TrainingOrderTest, TheRandomOrderOfASeedNeverChanges) {
  EXPECT_THAT(RandomOrder(8, 2), ElementsAre(5, 2, 7, 4, 1, 3, 0, 6));
  EXPECT_THAT(RandomOrder(8, 3), ElementsAre(7, 0, 1, 4, 2, 6, 3, 5));
  EXPECT_THAT(RandomOrder(1, 2), ElementsAre(0));
}

TEST(TrainingOrderTest, EveryPermutationOfThreeIsDrawnAboutAsOften) {
  int64_t counts[3][3] = {};
  constexpr int kSeeds = 6000;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    const std::vector<int64_t> order = RandomOrder(3, seed);
    for (size_t position = 0; position < 3; ++position) ++counts[position][order[position]];
  }
  for (const auto& row : counts) {
    for (const int64_t count : row) EXPECT_NEAR(static_cast<double>(count), kSeeds / 3.0, 150);
  }
}

TEST(TrainingUnitsTest, ConsecutiveBlocksAreJoinedAndScoredByTheirMean) {
  EXPECT_THAT(GroupConsecutive(5, {1, 3, 2, 4, 10}, 2),
              ElementsAre(TrainingUnit{0, 2, 2}, TrainingUnit{2, 2, 3}, TrainingUnit{4, 1, 10}));
  EXPECT_THAT(GroupConsecutive(3, {}, 8), ElementsAre(TrainingUnit{0, 3, 0}));
  EXPECT_THAT(UnitScores(GroupConsecutive(4, {}, 2), {1, 3, 8, 8}), ElementsAre(2, 8));
}

TEST(TrainingUnitsTest, SimilarNeighboursAreJoinedWithinTheFactorAndTheLimit) {
  // 10, 12 and 14 lie within 1.5; 4 does not; 5 lies within 1.5 of 4.
  EXPECT_THAT(GroupSimilar({10, 12, 14, 4, 5}, 1.5, 8), ElementsAre(TrainingUnit{0, 3, 12}, TrainingUnit{3, 2, 4.5}));
  // Against the whole unit, not the neighbour: 1, 1.4, 1.9 would drift.
  EXPECT_THAT(GroupSimilar({1, 1.4, 1.9}, 1.5, 8), ElementsAre(TrainingUnit{0, 2, 1.2}, TrainingUnit{2, 1, 1.9}));
  EXPECT_THAT(GroupSimilar({1, 1, 1}, 1, 2), ElementsAre(TrainingUnit{0, 2, 1}, TrainingUnit{2, 1, 1}));
}

TEST(TrainingUnitsTest, AZeroIsSimilarToZerosOnly) {
  EXPECT_THAT(GroupSimilar({0, 0, 1, 0}, 1e9, 8),
              ElementsAre(TrainingUnit{0, 2, 0}, TrainingUnit{2, 1, 1}, TrainingUnit{3, 1, 0}));
}

TEST(ReorderRemainingTest, WhatIsTrainedStaysAndTheRestIsSortedByTheNewScores) {
  const double trained = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(*ReorderRemaining({3, 1, 0, 2, 4}, 2, {1, trained, 5, trained, 5}), ElementsAre(3, 1, 2, 4, 0));
  EXPECT_THAT(*ReorderRemaining({1, 0}, 2, {trained, trained}), ElementsAre(1, 0));
  EXPECT_THAT(*ReorderRemaining({1, 0}, 0, {2, 1}), ElementsAre(0, 1));
}

TEST(ReorderRemainingTest, AMissingOrImpossibleScoreIsRefused) {
  EXPECT_THAT(std::string(MessageOf(ReorderRemaining({0, 1}, 1, {0, -1}).status())), HasSubstr("unit 1 is -1"));
  EXPECT_THAT(std::string(MessageOf(ReorderRemaining({0, 1}, 1, {1}).status())), HasSubstr("not 1"));
  EXPECT_EQ(ReorderRemaining({0, 1}, 3, {1, 1}).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace lwq::coordinator
