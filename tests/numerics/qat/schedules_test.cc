// SPDX-License-Identifier: Apache-2.0
// The learning rates and the early-stop rule of EfficientQAT's loop, against golden/blockap/schedules.json.
#include <cmath>
#include <fstream>
#include <limits>

#include "common/json/json.h"
#include "gtest/gtest.h"
#include "worker/qat/api/train_block.h"
#include "worker/qat/train/early_stop.h"

namespace lwq::qat {
namespace {

Json Schedules() {
  std::ifstream file(std::string(LWQ_SOURCE_DIR) + "/tests/numerics/golden/blockap/schedules.json");
  return Json::parse(file);
}

void ExpectSeries(LrSchedule schedule, const Json& test_case, const Json& expected) {
  const int64_t steps = test_case["total_iterations"];
  ASSERT_EQ(static_cast<int64_t>(expected.size()), steps);
  for (int64_t step = 0; step < steps; ++step) {
    const double lr = LearningRate(schedule, test_case["base_lr"], test_case["min_lr_factor"], step, steps);
    const double wanted = expected[step];
    EXPECT_NEAR(lr, wanted, 1e-12 * wanted) << "step " << step << " of " << steps;
  }
}

TEST(LearningRate, TheChainedCosineIsTheSeriesThatEfficientQatReallyUses) {
  const Json lr = Schedules()["lr"];
  ASSERT_FALSE(lr["cases"].empty());
  for (const Json& test_case : lr["cases"]) {
    ExpectSeries(LrSchedule::kChainedCosine, test_case, test_case["lr_used_at_iteration"]);
    const int64_t steps = test_case["total_iterations"];
    const double last = test_case["lr_set_after_last_iteration"];
    EXPECT_NEAR(
        LearningRate(LrSchedule::kChainedCosine, test_case["base_lr"], test_case["min_lr_factor"], steps, steps), last,
        1e-12 * last);
  }
}

TEST(LearningRate, TheCosineIsTheClosedForm) {
  for (const Json& test_case : Schedules()["lr"]["cases"]) {
    ExpectSeries(LrSchedule::kCosine, test_case, test_case["plain_cosine"]);
  }
}

TEST(LearningRate, HalfWayThroughThePublishedRunTheRateIsTheOneInItsLog) {
  EXPECT_DOUBLE_EQ(LearningRate(LrSchedule::kChainedCosine, 1e-4, 20, 2048, 4096), 5.246359588146619e-05);
}

void ExpectStop(const Json& test_case, bool resets, const Json& expected) {
  EarlyStop early_stop(test_case["early_stop"], resets);
  int64_t epochs = 0;
  for (const Json& loss : test_case["val_losses"]) {
    ++epochs;
    if (early_stop.Observe(loss.is_null() ? std::numeric_limits<double>::quiet_NaN() : loss.get<double>())) break;
  }
  EXPECT_EQ(epochs, expected["epochs_run"].get<int64_t>()) << test_case;
  EXPECT_EQ(early_stop.best(), expected["best_val_loss"].get<double>()) << test_case;
}

TEST(EarlyStop, EveryReferenceCaseRunsTheSameNumberOfEpochsInBothVariants) {
  const Json cases = Schedules()["early_stop"]["cases"];
  ASSERT_FALSE(cases.empty());
  for (const Json& test_case : cases) {
    ExpectStop(test_case, /*resets=*/false, test_case["efficientqat_cumulative"]);
    ExpectStop(test_case, /*resets=*/true, test_case["author_reset_on_improvement"]);
  }
}

TEST(EarlyStop, APatienceOf3Point7ActsAs4) {
  EarlyStop early_stop(3.7, /*resets=*/true);
  EXPECT_FALSE(early_stop.Observe(1.0));
  EXPECT_FALSE(early_stop.Observe(1.0));
  EXPECT_FALSE(early_stop.Observe(1.0));
  EXPECT_FALSE(early_stop.Observe(1.0));
  EXPECT_TRUE(early_stop.Observe(1.0));
}

TEST(PlannedSteps, FractionalEpochsAreHonouredAndAPartialBatchIsABatch) {
  EXPECT_EQ(PlannedSteps(2, 32, 2), 32);
  EXPECT_EQ(PlannedSteps(2.5, 32, 2), 40);
  EXPECT_EQ(PlannedSteps(1, 5, 2), 3);
  EXPECT_EQ(PlannedSteps(0.5, 5, 2), 2);
  EXPECT_EQ(PlannedSteps(0, 5, 2), 0);
}

}  // namespace
}  // namespace lwq::qat
