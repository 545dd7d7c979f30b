// SPDX-License-Identifier: Apache-2.0
#include "common/search/halving.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq::search {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinite = std::numeric_limits<double>::infinity();

HalvingRule RuleOf(HalvingOrder order, int64_t runs, int64_t blocks = 32) {
  HalvingRule rule;
  rule.order = order;
  rule.runs = runs;
  rule.min_blocks = 4;
  rule.blocks = blocks;
  rule.eta = 2;
  return rule;
}

std::vector<Promotion> Recorded(HalvingSweep& sweep, int64_t run, int64_t rung, double value) {
  const auto promotions = sweep.Record({run, rung, value});
  EXPECT_TRUE(promotions.ok()) << promotions.status();
  return promotions.value_or(std::vector<Promotion>{});
}

TEST(HalvingTest, RungsGrowByEtaAndTheLastIsAllBlocks) {
  EXPECT_THAT(RungBlocks({HalvingOrder::kSynchronous, 9, 1, 32, 3}), ElementsAre(1, 3, 9, 27, 32));
  EXPECT_THAT(RungBlocks({HalvingOrder::kSynchronous, 9, 4, 32, 2}), ElementsAre(4, 8, 16, 32));
  EXPECT_THAT(RungBlocks({HalvingOrder::kSynchronous, 9, 30, 32, 2}), ElementsAre(30, 32));
  EXPECT_THAT(RungBlocks({HalvingOrder::kSynchronous, 9, 32, 32, 2}), ElementsAre(32));
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  EXPECT_THAT(RungBlocks({HalvingOrder::kSynchronous, 9, 1, kMost, kMost}), ElementsAre(1, kMost));
  EXPECT_EQ(RungBlocks({HalvingOrder::kSynchronous, 9, 1, kMost, 2}).size(), 64U);
}

TEST(HalvingTest, ARuleWithANumberOutOfItsRangeIsRefused) {
  const HalvingRule rule = RuleOf(HalvingOrder::kSynchronous, 8);
  EXPECT_TRUE(CheckHalving(rule).ok());
  HalvingRule wrong = rule;
  wrong.runs = 0;
  EXPECT_THAT(std::string(CheckHalving(wrong).message()), HasSubstr("no runs"));
  wrong = rule;
  wrong.min_blocks = 0;
  EXPECT_THAT(std::string(CheckHalving(wrong).message()), HasSubstr("min_blocks 0 is below 1"));
  wrong.min_blocks = 33;
  EXPECT_THAT(std::string(CheckHalving(wrong).message()), HasSubstr("min_blocks 33 is above the model's 32 blocks"));
  wrong = rule;
  wrong.eta = 1;
  EXPECT_THAT(std::string(CheckHalving(wrong).message()), HasSubstr("eta 1 is below 2"));
  EXPECT_FALSE(ReplayHalving(wrong, {}).ok());
}

TEST(HalvingTest, SynchronouslyARungIsDecidedWhenItIsWholeAndTiesGoToTheLowerRun) {
  HalvingSweep sweep(RuleOf(HalvingOrder::kSynchronous, 4, 16));  // rungs 4, 8, 16
  EXPECT_EQ(sweep.PlaceOf(0), (HalvingPlace{HalvingDecision::kPromote, 0}));
  EXPECT_THAT(Recorded(sweep, 3, 0, 2.0), IsEmpty());
  EXPECT_THAT(Recorded(sweep, 1, 0, 2.0), IsEmpty());
  EXPECT_THAT(Recorded(sweep, 0, 0, 1.0), IsEmpty());
  EXPECT_EQ(sweep.PlaceOf(0), (HalvingPlace{HalvingDecision::kWait, 0}));
  EXPECT_THAT(Recorded(sweep, 2, 0, 3.0), ElementsAre(Promotion{0, 1}, Promotion{1, 1}));
  EXPECT_EQ(sweep.PlaceOf(1), (HalvingPlace{HalvingDecision::kPromote, 1}));
  EXPECT_EQ(sweep.PlaceOf(3), (HalvingPlace{HalvingDecision::kStop, 0}));
  EXPECT_THAT(Recorded(sweep, 0, 1, 0.9), IsEmpty());
  EXPECT_THAT(Recorded(sweep, 1, 1, 0.8), ElementsAre(Promotion{1, 2}));
  EXPECT_EQ(sweep.PlaceOf(0), (HalvingPlace{HalvingDecision::kStop, 1}));
  EXPECT_FALSE(sweep.ended());
  EXPECT_THAT(Recorded(sweep, 1, 2, 0.7), IsEmpty());
  EXPECT_EQ(sweep.PlaceOf(1), (HalvingPlace{HalvingDecision::kFinish, 2}));
  EXPECT_TRUE(sweep.ended());
}

TEST(HalvingTest, AsynchronouslyAnEarlierRunIsPromotedOnceLaterResultsMakeRoomForIt) {
  HalvingSweep sweep(RuleOf(HalvingOrder::kAsynchronous, 6));
  EXPECT_THAT(Recorded(sweep, 0, 0, 1.0), IsEmpty()) << "the best half of one run is none";
  EXPECT_EQ(sweep.PlaceOf(0), (HalvingPlace{HalvingDecision::kStop, 0}));
  EXPECT_THAT(Recorded(sweep, 1, 0, 2.0), ElementsAre(Promotion{0, 1}));
  EXPECT_THAT(Recorded(sweep, 2, 0, 3.0), IsEmpty());
  EXPECT_THAT(Recorded(sweep, 3, 0, 4.0), ElementsAre(Promotion{1, 1}));
  EXPECT_THAT(Recorded(sweep, 4, 0, 0.5), ElementsAre(Promotion{4, 1})) << "among the best two of five";
  EXPECT_EQ(sweep.PlaceOf(1), (HalvingPlace{HalvingDecision::kPromote, 1})) << "what was promoted remains so";
}

TEST(HalvingTest, WhatFailedIsNeverPromotedEvenWhereTooFewAreLeft) {
  for (const double failed : {kNotANumber, kInfinite, -kInfinite}) {
    HalvingSweep sweep(RuleOf(HalvingOrder::kSynchronous, 4));
    Recorded(sweep, 0, 0, failed);
    Recorded(sweep, 1, 0, failed);
    Recorded(sweep, 2, 0, failed);
    EXPECT_THAT(Recorded(sweep, 3, 0, 9.0), ElementsAre(Promotion{3, 1}));
    EXPECT_EQ(sweep.PlaceOf(0), (HalvingPlace{HalvingDecision::kStop, 0}));
  }
}

TEST(HalvingTest, ARungOfFewerThanEtaRunsStillSendsItsBestOn) {
  for (const HalvingOrder order : {HalvingOrder::kSynchronous, HalvingOrder::kAsynchronous}) {
    HalvingSweep sweep(RuleOf(order, 1));
    EXPECT_THAT(Recorded(sweep, 0, 0, 1.0), ElementsAre(Promotion{0, 1}));
    EXPECT_THAT(Recorded(sweep, 0, 1, 1.0), ElementsAre(Promotion{0, 2}));
    EXPECT_THAT(Recorded(sweep, 0, 2, 1.0), ElementsAre(Promotion{0, 3}));
    EXPECT_THAT(Recorded(sweep, 0, 3, 1.0), IsEmpty());
    EXPECT_TRUE(sweep.ended());
  }
}

TEST(HalvingTest, WhereAllThatWerePromotedFailTheNextBestGoesOn) {
  for (const HalvingOrder order : {HalvingOrder::kSynchronous, HalvingOrder::kAsynchronous}) {
    HalvingSweep sweep(RuleOf(order, 2, 8));  // rungs 4, 8
    Recorded(sweep, 0, 0, 1.0);
    EXPECT_THAT(Recorded(sweep, 1, 0, 2.0), ElementsAre(Promotion{0, 1}));
    EXPECT_THAT(Recorded(sweep, 0, 1, kNotANumber), ElementsAre(Promotion{1, 1}));
    EXPECT_THAT(Recorded(sweep, 1, 1, kNotANumber), IsEmpty());
    EXPECT_TRUE(sweep.ended()) << "and where all have failed it is over";
    EXPECT_EQ(sweep.PlaceOf(1), (HalvingPlace{HalvingDecision::kStop, 1}));
  }
}

TEST(HalvingTest, AResultThatCannotBeIsRefusedAndChangesNothing) {
  HalvingSweep sweep(RuleOf(HalvingOrder::kSynchronous, 2));
  Recorded(sweep, 0, 0, 1.0);
  EXPECT_THAT(std::string(sweep.Record({2, 0, 1}).status().message()), HasSubstr("run 2 is none of 2"));
  EXPECT_THAT(std::string(sweep.Record({-1, 0, 1}).status().message()), HasSubstr("run -1 is none of 2"));
  EXPECT_THAT(std::string(sweep.Record({0, 0, 1}).status().message()), HasSubstr("run 0 is recorded at rung 0"));
  EXPECT_THAT(std::string(sweep.Record({1, 1, 1}).status().message()), HasSubstr("run 1 is going to rung 0"));
  EXPECT_THAT(std::string(sweep.Record({1, -1, 1}).status().message()), HasSubstr("takes no result at rung -1"));
  EXPECT_THAT(Recorded(sweep, 1, 0, 2.0), ElementsAre(Promotion{0, 1}));
  const std::vector<RungResult> twice = {{0, 0, 1}, {0, 0, 1}};
  EXPECT_THAT(std::string(ReplayHalving(RuleOf(HalvingOrder::kSynchronous, 2), twice).status().message()),
              HasSubstr("result 1: run 0"));
}

}  // namespace
}  // namespace lwq::search
