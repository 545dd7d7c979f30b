// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/allocate/lower_hull.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq::coordinator {
namespace {

using ::testing::ElementsAre;

TEST(LowerHullTest, OnlyVerticesThatAMultiplierReachesStay) {
  // (2, 7) lies above the line from (1, 8) to (4, 2); (5, 1.5) on the way down; (6, 3) is worse and dearer.
  EXPECT_THAT(LowerHull({{6, 3}, {1, 8}, {4, 2}, {2, 7}, {5, 1.5}}),
              ElementsAre(LossPoint{1, 8}, LossPoint{4, 2}, LossPoint{5, 1.5}));
  EXPECT_THAT(LowerHull({{0, 4}, {1, 3}, {2, 2}}), ElementsAre(LossPoint{0, 4}, LossPoint{2, 2}));
  EXPECT_THAT(LowerHull({{3, 5}, {3, 4}}), ElementsAre(LossPoint{3, 4}));
}

TEST(HullOfSumTest, SegmentsAreJoinedSteepestFirstAndEqualSlopesAreOneEdge) {
  EXPECT_THAT(HullOfSum({{{0, 10}, {10, 0}}, {{0, 4}, {8, 0}}}),
              ElementsAre(LossPoint{0, 14}, LossPoint{10, 4}, LossPoint{18, 0}));
  EXPECT_THAT(HullOfSum({{{0, 3}, {3, 0}}, {{5, 2}, {7, 0}}}), ElementsAre(LossPoint{5, 5}, LossPoint{10, 0}));
}

TEST(LagrangianBoundTest, IsExactAtAVertexAndOnTheLineBetween) {
  const std::vector<std::vector<LossPoint>> sets = {{{0, 10}, {10, 0}}, {{0, 4}, {8, 0}}};
  EXPECT_DOUBLE_EQ(BestLagrangianBound(sets, 0).loss, 14);
  EXPECT_DOUBLE_EQ(BestLagrangianBound(sets, 10).loss, 4);
  EXPECT_DOUBLE_EQ(BestLagrangianBound(sets, 5).loss, 9);
  const LagrangianBound beyond = BestLagrangianBound(sets, 100);
  EXPECT_DOUBLE_EQ(beyond.loss, 0);
  EXPECT_EQ(beyond.multiplier, 0);
}

}  // namespace
}  // namespace lwq::coordinator
