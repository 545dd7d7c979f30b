// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/policy/mixed_precision.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq::coordinator {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(WidthsByScoreTest, ThresholdsAreStrict) {
  const std::vector<double> ratios = {1, 0.9, 0.7, 0.4, 0, 0.41, 0.71, 0.91};
  EXPECT_THAT(WidthsByScore(MpqStrategy::kConservative, ratios), ElementsAre(8, 8, 6, 4, 4, 6, 8, 8));
  EXPECT_THAT(WidthsByScore(MpqStrategy::kAggressive, ratios), ElementsAre(8, 6, 4, 2, 2, 4, 6, 8));
}

TEST(WidthsByScoreTest, AdaptiveFollowsTheQuantilesNotTheSizes) {
  EXPECT_THAT(WidthsByScore(MpqStrategy::kAdaptive, std::vector<double>{1, 0.42, 0.17, 0, 0.31}),
              ElementsAre(8, 6, 3, 2, 4));
  EXPECT_THAT(WidthsByScore(MpqStrategy::kAdaptive, std::vector<double>{1, 1e-6, 1e-8, 0, 1e-7}),
              ElementsAre(8, 6, 3, 2, 4));
  EXPECT_THAT(WidthsByScore(MpqStrategy::kAdaptive, std::vector<double>(7, 0.0)), Each(2));
}

TEST(GroupSizesByScoreTest, SmallGroupsForSensitiveBlocks) {
  EXPECT_THAT(GroupSizesByScore(std::vector<double>{1, 0.8, 0.5, 0}), ElementsAre(64, 128, 256, 256));
}

TEST(GreedyTest, TiesGoToTheLowestBlockInBothDirections) {
  EXPECT_THAT(GreedyToTarget({4, 4, 4, 4}, {1, 1, 1, 1}, 3.5).bits, ElementsAre(3, 3, 4, 4));
  EXPECT_THAT(GreedyToTarget({2, 2, 2, 2}, {1, 1, 1, 1}, 2.5).bits, ElementsAre(3, 3, 2, 2));
}

TEST(GreedyTest, ATargetThatIsAlreadyMetChangesNothing) {
  const GreedyResult result = GreedyToTarget({2, 4}, {1, 2}, 3.05);
  EXPECT_THAT(result.bits, ElementsAre(2, 4));
  EXPECT_EQ(result.steps, 0);
  EXPECT_TRUE(result.reached);
  EXPECT_EQ(result.remark, "");
}

TEST(GreedyTest, ATargetThatOneBlockCannotMeetIsSaid) {
  const GreedyResult result = GreedyToTarget({2}, {1}, 2.5);
  EXPECT_FALSE(result.reached);
  EXPECT_THAT(result.remark, HasSubstr("against a target of 2.5 after 5 steps: no change of one width comes closer"));
}

TEST(GreedyTest, ATargetBeyondTheWidthsEndsAtTheLastWidth) {
  const GreedyResult result = GreedyToTarget({4, 4}, {1, 2}, 1);
  EXPECT_THAT(result.bits, Each(2));
  EXPECT_THAT(result.remark, HasSubstr("no change of one width comes closer"));
}

}  // namespace
}  // namespace lwq::coordinator
