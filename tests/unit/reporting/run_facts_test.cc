// SPDX-License-Identifier: Apache-2.0
// What is told of a run's message alone, and messages as JSON.
#include "reporting/run_facts.h"

#include "gtest/gtest.h"
#include "reporting/json_text.h"
#include "tests/unit/reporting/sample_runs.h"

namespace lwq::reporting {
namespace {

TEST(TimeLeft, IsUnknownBeforeTheFirstTaskEnded) {
  lwqat::v1::Run run = test::RunningRun();
  run.mutable_tasks(1)->set_seconds(0);
  EXPECT_EQ(EstimateSecondsLeft(run), std::nullopt);
}

TEST(TimeLeft, CountsWhatIsLeftOfRunningTasksAndHowManyRunSideBySide) {
  // train_block takes 3 s: 3·(1 − 32/128) + 3 for block 2, the evaluation counts as the mean of all (3 s); two at a
  // time.
  EXPECT_DOUBLE_EQ(*EstimateSecondsLeft(test::RunningRun()), (3 * 0.75 + 3 + 3) / 2);
}

TEST(TimeLeft, KeepsPilotTrainingsApartFromThoseOfTheRun) {
  lwqat::v1::Run run = test::RunningRun();
  auto* pilot = run.add_tasks();
  *pilot = test::MakeTask("train_block", 9, lwqat::v1::TASK_STATE_SUCCEEDED);
  pilot->set_title("pilot block 9");
  pilot->set_seconds(1);
  EXPECT_DOUBLE_EQ(*EstimateSecondsLeft(run), (3 * 0.75 + 3 + 2) / 2);  // the evaluation: the mean of 3 s and 1 s
}

TEST(JsonText, KeepsTheProtosNamesAndEveryField) {
  lwqat::v1::Measured measured;
  measured.set_dataset("held-out");
  EXPECT_EQ(JsonLine(measured), R"({"subject":"","dataset":"held-out","metric":"","value":0,"count":"0"})");
}

}  // namespace
}  // namespace lwq::reporting
