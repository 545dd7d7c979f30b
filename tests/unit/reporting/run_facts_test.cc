// SPDX-License-Identifier: Apache-2.0
// What is told of a run's message alone, and messages as JSON.
#include "reporting/run_facts.h"

#include "gtest/gtest.h"
#include "reporting/json_text.h"
#include "reporting/metric.h"
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

TEST(Metric, SaysWhatACountCountsAndWhichOfTwoValuesIsTheBetter) {
  EXPECT_EQ(CountedBy("perplexity", "held-out"), "tokens");
  EXPECT_EQ(CountedBy("perplexity", "lambada_openai"), "items") << "a last word each";
  EXPECT_EQ(CountedBy("word_perplexity", "wikitext"), "words");
  EXPECT_EQ(CountedBy("kl_divergence", "held-out"), "predicted tokens");
  EXPECT_EQ(TraitsOfMetric("kl_divergence").lower_is_better, true);
  EXPECT_EQ(TraitsOfMetric("top1_agreement").lower_is_better, false);
  EXPECT_EQ(TraitsOfMetric("bits_per_byte").lower_is_better, true);
  for (const char* metric :
       {"kl_divergence", "top1_agreement", "word_perplexity", "byte_perplexity", "bits_per_byte"}) {
    EXPECT_TRUE(TraitsOfMetric(metric).needs_equal_windows) << metric;
  }
}

TEST(JsonText, KeepsTheProtosNamesAndEveryField) {
  lwqat::v1::Measured measured;
  measured.set_dataset("held-out");
  EXPECT_EQ(JsonLine(measured), R"({"subject":"","dataset":"held-out","metric":"","value":0,"count":"0"})");
}

}  // namespace
}  // namespace lwq::reporting
