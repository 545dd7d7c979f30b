// SPDX-License-Identifier: Apache-2.0
// Results that are gone from the object store: made again while the run stays as it ended.
#include "coordinator/scheduler/step/step.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::BlockApSpec;
using testing::CheckIndexes;
using testing::DescribeDurable;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::NoopSpec;
using testing::SchedulerHarness;

class RemakeArtifactTest : public ::testing::Test {
 protected:
  RemakeArtifactTest() : harness_(testing::ActivationBudget(0)), worker_(harness_.Register("a")) {
    run_ = harness_.Submit(BlockApSpec(2));
    harness_.RunToEnd(worker_);
    harness_.DiscardAll(worker_);
    result_ = harness_.run(run_).record.result;
  }

  Status Remake(const Digest& artifact = {}) { return harness_.Do(RemakeArtifact{run_.value, artifact}).status; }
  bool IsRemaking() const { return !harness_.run(run_).record.remaking.is_zero(); }
  void ExpectAsItEnded() {
    const RunEntry& run = harness_.run(run_);
    EXPECT_EQ(run.record.state, RunState::kSucceeded);
    EXPECT_EQ(run.record.result, result_);
    EXPECT_EQ(run.counts.done, static_cast<int64_t>(run.tasks.size()));
    EXPECT_FALSE(IsRemaking());
    EXPECT_EQ(CheckIndexes(harness_.state()), "");
  }

  SchedulerHarness harness_;
  const WorkerId worker_;
  RunId run_;
  RunResult result_;
};

TEST_F(RemakeArtifactTest, OfALostExportOnlyTheExportIsMadeAgainAndTheRunStaysAsItWas) {
  ASSERT_TRUE(Remake().ok());
  EXPECT_TRUE(IsRemaking());
  EXPECT_EQ(harness_.run(run_).record.state, RunState::kSucceeded);
  EXPECT_EQ(CheckIndexes(harness_.state()), "");
  EXPECT_TRUE(Remake().ok()) << "asked again, while it lasts";
  EXPECT_TRUE(Remake(result_.exported->digest).ok()) << "by its name, which is the same";
  EXPECT_THAT(harness_.RunToEnd(worker_), ElementsAre("export gptq_v2"));
  ExpectAsItEnded();
  EXPECT_EQ(harness_.run(run_).remake_error, "");
  EXPECT_THAT(harness_.RunToEnd(worker_), IsEmpty());
}

TEST_F(RemakeArtifactTest, WhatItIsMadeFromIsMadeAgainAlongTheChainAsFarAsItIsGoneToo) {
  ASSERT_TRUE(Remake().ok());
  const Lease lost = *harness_.LeaseTo(worker_);
  ASSERT_EQ(lost.title, "export gptq_v2");
  std::string role;
  const Digest training = harness_.TaskTitled(run_, "train block 0").key;
  for (const auto& [name, input] : lost.def->inputs) {
    const auto* made = std::get_if<TaskOutputRef>(&input);
    if (made != nullptr && made->derivation_key == training) role = name;
  }
  ASSERT_TRUE(harness_.Fail(worker_, lost, FailureCause::kInputLost, "gone", role).ok());
  EXPECT_EQ(CheckIndexes(harness_.state()), "");
  // Its activations were deleted; the second block's checkpoint is there.
  EXPECT_THAT(harness_.RunToEnd(worker_), ElementsAre("embed calibration tokens", "advance full-precision block 0",
                                                      "train block 0", "export gptq_v2"));
  ExpectAsItEnded();
}

TEST_F(RemakeArtifactTest, ACheckpointIsMadeAgainByItsName) {
  const Digest checkpoint =
      harness_.state().actions.at(harness_.TaskTitled(run_, "train block 0").action_key).outputs.at("block").digest;
  ASSERT_TRUE(Remake(checkpoint).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(Remake())) << "one after the other";
  EXPECT_THAT(harness_.RunToEnd(worker_),
              ElementsAre("embed calibration tokens", "advance full-precision block 0", "train block 0"));
  ExpectAsItEnded();
}

TEST_F(RemakeArtifactTest, ARestartAtEveryMomentOfItGoesOn) {
  ASSERT_TRUE(
      Remake(
          harness_.state().actions.at(harness_.TaskTitled(run_, "train block 1").action_key).outputs.at("block").digest)
          .ok());
  int executed = 0;
  while (true) {
    std::string before = DescribeDurable(harness_.state());
    harness_.RestartWithoutWorkers();  // whose heartbeats would go on with deletions
    EXPECT_EQ(DescribeDurable(harness_.state()), before);
    ASSERT_EQ(CheckIndexes(harness_.state()), "");
    harness_.Restart();
    const std::optional<Lease> lease = harness_.LeaseTo(worker_);
    if (!lease.has_value()) break;
    before = DescribeDurable(harness_.state());
    harness_.RestartWithoutWorkers();
    EXPECT_EQ(DescribeDurable(harness_.state()), before);
    ASSERT_TRUE(harness_.Succeed(worker_, *lease).ok());
    ++executed;
  }
  EXPECT_EQ(executed, 5) << "embed, two steps of the full-precision chain, one of the quantized, the training";
  ExpectAsItEnded();
}

TEST_F(RemakeArtifactTest, ACancelledOneLeavesTheRunAsItWasAndCanBeAskedForAgain) {
  ASSERT_TRUE(Remake().ok());
  const Lease lease = *harness_.LeaseTo(worker_);
  ASSERT_TRUE(harness_.Do(CancelRun{run_.value}).status.ok());
  ExpectAsItEnded();
  EXPECT_THAT(harness_.run(run_).remake_error, HasSubstr("cancelled"));
  EXPECT_EQ(harness_.Beat(worker_, {lease}).size(), 1u) << "its worker is told to stop";
  ASSERT_TRUE(Remake().ok());
  EXPECT_THAT(harness_.RunToEnd(worker_), ElementsAre("export gptq_v2"));
  ExpectAsItEnded();
}

TEST_F(RemakeArtifactTest, OneThatFailsSaysWhyAndTheRunHasStillSucceeded) {
  ASSERT_TRUE(Remake().ok());
  ASSERT_TRUE(harness_.Fail(worker_, *harness_.LeaseTo(worker_), FailureCause::kTask, "no space").ok());
  ExpectAsItEnded();
  EXPECT_THAT(harness_.run(run_).remake_error, HasSubstr("no space"));
  EXPECT_EQ(harness_.run(run_).record.error, "");
}

TEST_F(RemakeArtifactTest, OtherBytesThanBeforeAreNotTakenForTheResult) {
  ASSERT_TRUE(Remake().ok());
  const Lease lease = *harness_.LeaseTo(worker_);
  ReportTask report;
  report.worker = worker_;
  report.task = lease.task;
  report.token = lease.token;
  ReportSuccess success = testing::HonestSuccess(lease);
  success.outputs["files"] = testing::NamedArtifact("other bytes");
  report.outcome = success;
  ASSERT_TRUE(harness_.Do(report).status.ok());
  ExpectAsItEnded();
  EXPECT_THAT(harness_.run(run_).remake_error, HasSubstr("not what it was"));
}

TEST_F(RemakeArtifactTest, OneBesideARunThatMakesTheSameIsDoneOnce) {
  ASSERT_TRUE(Remake().ok());
  const RunId same = harness_.Submit(BlockApSpec(2));
  EXPECT_THAT(harness_.RunToEnd(worker_), ElementsAre("export gptq_v2"));
  EXPECT_EQ(harness_.run(same).record.state, RunState::kSucceeded);
  EXPECT_EQ(harness_.run(same).record.result, result_);
  ExpectAsItEnded();
}

TEST_F(RemakeArtifactTest, WhatIsNoResultOfARunThatHasSucceededIsRefused) {
  EXPECT_TRUE(absl::IsNotFound(Remake(DigestOf("no result"))));
  EXPECT_TRUE(absl::IsNotFound(harness_.Do(RemakeArtifact{"0123456789ab", {}}).status));
  const RunId without = harness_.Submit(NoopSpec(1));
  EXPECT_TRUE(absl::IsFailedPrecondition(harness_.Do(RemakeArtifact{without.value, {}}).status)) << "it runs";
  harness_.RunToEnd(worker_);
  EXPECT_TRUE(absl::IsNotFound(harness_.Do(RemakeArtifact{without.value, {}}).status)) << "it has no export";
  ExpectAsItEnded();
}

}  // namespace
}  // namespace lwq::coordinator
