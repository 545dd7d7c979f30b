// SPDX-License-Identifier: Apache-2.0
// What halving leaves of a sweep, foreseen, beside what is then executed.
#include "coordinator/scheduler/foresee/halved_preview.h"

#include <algorithm>

#include "coordinator/scheduler/foresee/sweep_preview.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/halved_sweeps.h"

namespace lwq::coordinator {
namespace {

using testing::AcceptedSweep;
using testing::DirectReader;
using testing::HalvedSweep;
using testing::HalvingBy;
using testing::RunArmsToEnd;
using testing::SchedulerHarness;
using Rung = HalvedPreview::Rung;
using ::testing::ElementsAre;

StatusOr<SweepPreview> PreviewOf(const SchedulerHarness& harness, const SubmitSweep& sweep) {
  DirectReader reader(harness.state());
  return PreviewHalvedSweep(reader, sweep.runs, *sweep.halving);
}

int64_t Trainings(const std::vector<std::string>& titles) {
  return std::count_if(titles.begin(), titles.end(),
                       [](const std::string& title) { return title.starts_with("train block"); });
}

TEST(HalvedPreviewTest, OfArmsThatShareNoTrainingTheBoundsMeetInWhatIsExecuted) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const SubmitSweep sweep = HalvedSweep(9, 9, HalvingBy(3));
  const StatusOr<SweepPreview> preview = PreviewOf(harness, sweep);
  ASSERT_TRUE(preview.ok()) << preview.status();
  ASSERT_TRUE(preview->halved.has_value());
  EXPECT_THAT(preview->halved->rungs, ElementsAre(Rung{1, 9}, Rung{3, 3}, Rung{9, 1}));
  EXPECT_EQ(preview->halved->trainings, 81);
  EXPECT_EQ(preview->halved->most_trainings, 21);
  EXPECT_EQ(preview->halved->least_trainings, 9 + 8) << "as if all promoted were one";
  EXPECT_FALSE(preview->halved->least_device_seconds.has_value()) << "nothing was ever measured";
  AcceptedSweep(harness, sweep);
  EXPECT_EQ(
      Trainings(RunArmsToEnd(harness, worker, [](int64_t arm, int64_t) { return 1.0 + static_cast<double>(arm); })),
      21);
}

TEST(HalvedPreviewTest, ArmsThatAreOneAreTrainedOnce) {
  SchedulerHarness harness;
  SubmitSweep sweep = HalvedSweep(4, 4, HalvingBy(2));
  for (SubmitRun& run : sweep.runs) run.spec.recipe.quant_lr = sweep.runs[0].spec.recipe.quant_lr;
  const StatusOr<SweepPreview> preview = PreviewOf(harness, sweep);
  ASSERT_TRUE(preview.ok()) << preview.status();
  EXPECT_EQ(preview->halved->trainings, 4);
  EXPECT_EQ(preview->halved->least_trainings, 4);
  EXPECT_EQ(preview->halved->most_trainings, 4);
}

TEST(HalvedPreviewTest, AsynchronouslyEveryResultFromTheEtaThOnMayPromote) {
  const auto rungs = [](int64_t runs, int64_t eta) {
    HalvedTotal total({.order = HalvingOrder::kAsynchronous, .runs = runs, .min_blocks = 1, .blocks = 9, .eta = eta});
    return total.Finish().rungs;
  };
  EXPECT_THAT(rungs(9, 3), ElementsAre(Rung{1, 9}, Rung{3, 7}, Rung{9, 5}));
  EXPECT_THAT(rungs(2, 3), ElementsAre(Rung{1, 2}, Rung{3, 1}, Rung{9, 1}));
}

TEST(HalvedPreviewTest, DeviceTimeIsBoundOnceItIsKnownHowLongTasksTake) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const SubmitSweep sweep = HalvedSweep(4, 4, HalvingBy(2));
  AcceptedSweep(harness, sweep);
  RunArmsToEnd(harness, worker, [](int64_t arm, int64_t) { return 1.0 + static_cast<double>(arm); });
  SubmitSweep others = sweep;
  for (SubmitRun& run : others.runs) run.spec.recipe.seed = 77;
  const StatusOr<SweepPreview> preview = PreviewOf(harness, others);
  ASSERT_TRUE(preview.ok()) << preview.status();
  const HalvedPreview& halved = *preview->halved;
  ASSERT_TRUE(halved.least_device_seconds.has_value() && halved.most_device_seconds.has_value());
  EXPECT_LE(*halved.least_device_seconds, *halved.most_device_seconds);
  EXPECT_LE(*halved.most_device_seconds, *preview->device_seconds + 1e-9);
}

}  // namespace
}  // namespace lwq::coordinator
