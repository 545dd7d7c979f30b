// SPDX-License-Identifier: Apache-2.0
// Why runs share what they share, and why a task is where it is.
#include "coordinator/scheduler/foresee/explain.h"

#include "coordinator/scheduler/foresee/why.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/devices.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::BlockApSpec;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kL4;
using testing::NoopSpec;
using testing::SchedulerHarness;
using testing::WorkerOn;

Explanation Of(const SchedulerHarness& harness, const RunId& a, const RunId& b) {
  return Explain(*TasksToExplain(harness.state(), harness.run(a)), *TasksToExplain(harness.state(), harness.run(b)));
}

TEST(ExplainTest, RunsPartWhereAParameterDiffersAndWhatFollowsIsOnlyCounted) {
  SchedulerHarness harness;
  harness.Register("a");
  const RunId a = harness.Submit(BlockApSpec(2));
  RunSpec spec = BlockApSpec(2);
  spec.recipe.epochs = 3.5;
  const RunId b = harness.Submit(spec);
  const Explanation explanation = Of(harness, a, b);
  ASSERT_EQ(explanation.partings.size(), 2u) << "both blocks are trained for longer";
  EXPECT_EQ(explanation.partings[0].title, "train block 0");
  ASSERT_EQ(explanation.partings[0].fields.size(), 1u);
  EXPECT_EQ(explanation.partings[0].fields[0].field, "params.epochs");
  EXPECT_EQ(explanation.partings[0].fields[0].b, "3.5");
  EXPECT_GT(explanation.following, 0);
  EXPECT_EQ(explanation.shared + explanation.following + 2, explanation.tasks_a);
  EXPECT_EQ(explanation.tasks_a, explanation.tasks_b);
}

TEST(ExplainTest, EqualRunsShareEverythingAndOtherModelsPartAtTheirLeaves) {
  SchedulerHarness harness;
  harness.Register("a");
  const RunId a = harness.Submit(BlockApSpec(1));
  const RunId same = harness.Submit(BlockApSpec(1));
  EXPECT_EQ(Of(harness, a, same).shared, Of(harness, a, same).tasks_a);
  EXPECT_THAT(Of(harness, a, same).partings, IsEmpty());
  RunSpec other = BlockApSpec(1);
  other.model->files = testing::NamedArtifact("another");
  const Explanation explanation = Of(harness, a, harness.Submit(other));
  ASSERT_FALSE(explanation.partings.empty());
  EXPECT_EQ(explanation.partings[0].fields[0].field, "inputs.model");
}

TEST(ExplainTest, TasksThatOneRunHasAloneAreNamed) {
  SchedulerHarness harness;
  harness.Register("a");
  const RunId a = harness.Submit(BlockApSpec(1));
  RunSpec spec = BlockApSpec(1);
  spec.recipe.export_format = "none";
  const RunId b = harness.Submit(spec);
  EXPECT_THAT(Of(harness, a, b).only_a, Contains("export gptq_v2"));
  EXPECT_THAT(Of(harness, b, a).only_b, Contains("export gptq_v2"));
}

TEST(ExplainTest, ARunWithoutTasksIsRefused) {
  SchedulerHarness harness;
  const RunId a = harness.Submit(BlockApSpec(1));
  const auto refused = TasksToExplain(harness.state(), harness.run(a));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
}

class WhyTest : public ::testing::Test {
 protected:
  std::vector<std::string> Ask(const RunId& id, const std::string& task) {
    const RunEntry& run = harness_.run(id);
    return Why(harness_.state(), run, *FindTask(run, task), harness_.now());
  }
  SchedulerHarness harness_;
};

TEST_F(WhyTest, ABlockedTaskNamesWhatItWaitsForWithItsState) {
  harness_.Register("a");
  const RunId run = harness_.Submit(BlockApSpec(2));
  EXPECT_THAT(Ask(run, "embed calibration tokens"), ElementsAre("it waits for prepare calibration tokens (READY)"));
}

TEST_F(WhyTest, AReadyTaskSaysWhoFitsAndHowManyGoBefore) {
  harness_.Register("a");
  const RunId first = harness_.Submit(NoopSpec(3, 1));
  const RunId run = harness_.Submit(NoopSpec(1, 2));
  const std::string title = harness_.run(run).tasks[0].title;
  EXPECT_THAT(Ask(run, title), Contains("1 worker fits it, 1 of them idle"));
  EXPECT_THAT(Ask(run, title), Contains(HasSubstr("3 tasks of its project wait before it")));
  harness_.Do(PauseRun{run.value});
  EXPECT_THAT(Ask(run, title), ElementsAre(HasSubstr("is paused")));
  EXPECT_THAT(Ask(first, harness_.run(first).tasks[0].title), Contains(HasSubstr("0 tasks of its project")));
}

TEST_F(WhyTest, ATaskThatNoWorkerFitsSaysWhyNot) {
  const WorkerId worker = harness_.Register(WorkerOn(kL4, "l4"));
  const RunId run = harness_.Submit(BlockApSpec(1));
  harness_.RunUntil(worker, "train block 0");
  harness_.RestartWithoutWorkers();
  const WorkerId other = harness_.Register(WorkerOn(testing::kA10040, "a100"));
  for (int i = 0; i < 4; ++i) {
    harness_.Advance(harness_.options().lease_ms / 3);
    harness_.Beat(other);
  }
  EXPECT_THAT(Ask(run, "train block 0"), Contains(HasSubstr("none of the workers fits it")));
  EXPECT_THAT(Ask(run, "train block 0"),
              Contains(HasSubstr("of class 'A100-40|sm80|torch' instead of 'L4|sm89|torch'")));
}

TEST_F(WhyTest, ALeasedADoneAndASharedTaskSayWhoHasOrHadThem) {
  const WorkerId worker = harness_.Register("a");
  const RunId run = harness_.Submit(NoopSpec(1));
  const RunId other = harness_.Submit(NoopSpec(1));
  const std::string title = harness_.run(run).tasks[0].title;
  const Lease lease = *harness_.LeaseTo(worker);
  harness_.Advance(2000);
  EXPECT_THAT(Ask(run, title), ElementsAre(HasSubstr("a has it for 2.0 s"), "also wanted by run " + other.value));
  ASSERT_TRUE(harness_.Succeed(worker, lease).ok());
  EXPECT_THAT(Ask(run, title), ElementsAre(HasSubstr("it is done: a took")));
}

TEST_F(WhyTest, TasksAreNamedByTitleByKeyOrByAPartOfOneTitle) {
  harness_.Register("a");
  const RunId id = harness_.Submit(BlockApSpec(2));
  const RunEntry& run = harness_.run(id);
  EXPECT_EQ(run.tasks[*FindTask(run, "embed")].title, "embed calibration tokens");
  EXPECT_EQ(*FindTask(run, run.tasks[3].key.short_hex()), 3u);
  EXPECT_EQ(FindTask(run, "nothing").status().code(), absl::StatusCode::kNotFound);
  const auto several = FindTask(run, "train block");
  EXPECT_THAT(std::string(MessageOf(several.status())), HasSubstr("may be train block 0; train block 1"));
}

}  // namespace
}  // namespace lwq::coordinator
