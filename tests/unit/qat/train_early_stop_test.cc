// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/train/early_stop.h"

#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "worker/qat/api/train_block.h"
#include "worker/qat/train/best_keeper.h"

namespace lwq::qat {
namespace {

// Validations observed until the stop, or all of them.
int64_t Observed(EarlyStop early_stop, const std::vector<double>& losses) {
  int64_t observed = 0;
  for (const double loss : losses) {
    ++observed;
    if (early_stop.Observe(loss)) break;
  }
  return observed;
}

TEST(EarlyStop, WithResetsOnlyConsecutiveFailuresCount) {
  const std::vector<double> losses = {5, 6, 4, 6, 3, 6, 6, 1};
  EXPECT_EQ(Observed(EarlyStop(2, /*resets=*/true), losses), 7);
  EXPECT_EQ(Observed(EarlyStop(2, /*resets=*/false), losses), 4);
}

TEST(EarlyStop, AnEqualLossIsNoImprovement) {
  EXPECT_EQ(Observed(EarlyStop(1, true), {5, 5, 4}), 2);
}

TEST(EarlyStop, NanIsNoImprovement) {
  EXPECT_EQ(Observed(EarlyStop(1, true), {5, std::numeric_limits<double>::quiet_NaN(), 4}), 2);
}

TEST(EarlyStop, PatienceZeroNeverStops) {
  EXPECT_EQ(Observed(EarlyStop(0, true), {1, 2, 3, 4, 5, 6}), 6);
}

TEST(EarlyStop, AFractionalPatienceActsAsTheNextWholeOne) {
  EXPECT_EQ(Observed(EarlyStop(3.7, true), {1, 1, 1, 1, 1, 1}), 5);
  EXPECT_EQ(Observed(EarlyStop(4, true), {1, 1, 1, 1, 1, 1}), 5);
}

std::vector<TrainedBlock> Marked(int64_t mark) {
  std::vector<TrainedBlock> unit(1);
  unit[0].block.input_norm.shape = {mark};
  return unit;
}

TEST(BestKeeper, KeepsTheEarliestMinimum) {
  BestKeeper keeper;
  const std::vector<double> losses = {3, 2, 4, 2, 5};
  for (size_t i = 0; i < losses.size(); ++i) keeper.Offer(losses[i], [&] { return Marked(static_cast<int64_t>(i)); });
  EXPECT_EQ(keeper.loss(), 2);
  EXPECT_EQ(keeper.Take()[0].block.input_norm.shape, std::vector<int64_t>{1});
}

TEST(BestKeeper, AsksForAStateOnlyWhenItWillKeepIt) {
  BestKeeper keeper;
  int asked = 0;
  const auto state = [&] {
    ++asked;
    return Marked(asked);
  };
  EXPECT_TRUE(keeper.Offer(2, state));
  EXPECT_FALSE(keeper.Offer(2, state));
  EXPECT_FALSE(keeper.Offer(std::numeric_limits<double>::quiet_NaN(), state));
  EXPECT_TRUE(keeper.Offer(1, state));
  EXPECT_EQ(asked, 2);
}

TEST(LearningRate, FallsFromTheBaseToTheMinimumInBothSchedules) {
  for (const LrSchedule schedule : {LrSchedule::kCosine, LrSchedule::kChainedCosine}) {
    EXPECT_EQ(LearningRate(schedule, 1e-3, 20, 0, 10), 1e-3);
    EXPECT_NEAR(LearningRate(schedule, 1e-3, 20, 10, 10), 1e-3 / 20, 1e-18);
    for (int64_t step = 1; step <= 10; ++step) {
      EXPECT_LT(LearningRate(schedule, 1e-3, 20, step, 10), LearningRate(schedule, 1e-3, 20, step - 1, 10));
    }
  }
}

TEST(LearningRate, AMinFactorOfOneIsConstant) {
  for (int64_t step = 0; step < 8; ++step) {
    EXPECT_NEAR(LearningRate(LrSchedule::kChainedCosine, 1e-3, 1, step, 8), 1e-3, 1e-18);
  }
}

// PyTorch 2.15, torch.nn.utils.clip_grad_norm_ of the gradient (3, 4) at 1 and at 10, of (0, 0) at 1 and of (0.3, 0.4)
// at 0.5: the gradient's first number afterwards.
TEST(ClipFactor, ScalesGradientsAsPyTorchDoes) {
  EXPECT_FLOAT_EQ(static_cast<float>(3 * ClipFactor(5, 1)), 0.5999999046325684f);
  EXPECT_EQ(ClipFactor(5, 10), 1);
  EXPECT_EQ(ClipFactor(0, 1), 1);
  EXPECT_FLOAT_EQ(static_cast<float>(0.3 * ClipFactor(0.5, 0.5)), 0.2999994158744812f);
  EXPECT_EQ(ClipFactor(5, 0), 1) << "0 never clips";
}

}  // namespace
}  // namespace lwq::qat
