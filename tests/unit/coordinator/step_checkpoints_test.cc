// SPDX-License-Identifier: Apache-2.0
// Checkpoints of tasks: who may store one, who goes on from it, and when it is deleted.
#include "coordinator/scheduler/state/live_roots.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::BlockApSpec;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::NamedArtifact;
using ::testing::Not;
using testing::SchedulerHarness;

SchedulerOptions KeepActivations() {
  SchedulerOptions options;
  options.activation_bytes = int64_t{1} << 40;  // activations stay, so that only checkpoints are discarded
  return options;
}

class StepCheckpointsTest : public ::testing::Test {
 protected:
  StepCheckpointsTest() : harness_(KeepActivations()) {
    a_ = harness_.Register("a");
    run_ = harness_.Submit(BlockApSpec(1));
    lease_ = harness_.RunUntil(a_, "train block 0");
    b_ = harness_.Register("b");
  }

  // A heartbeat that says so; what the worker is told to delete.
  std::vector<ArtifactRef> Store(const WorkerId& worker, const Lease& lease, const ArtifactRef& artifact,
                                 int64_t step) {
    Heartbeat beat;
    beat.worker = worker;
    TaskProgress progress;
    progress.task = lease.task;
    progress.token = lease.token;
    progress.checkpoint = StoredCheckpoint{artifact, step, 100};
    beat.tasks.push_back(std::move(progress));
    const Effects effects = harness_.Do(beat);
    LWQ_CHECK(effects.status.ok(), effects.status.ToString());
    return std::get<HeartbeatReply>(effects.reply).discard;
  }
  Status Report(const WorkerId& worker, const Lease& lease,
                std::variant<ReportReleased, ReportSuccess, ReportFailure> outcome,
                std::optional<StoredCheckpoint> checkpoint = std::nullopt) {
    ReportTask report;
    report.worker = worker;
    report.task = lease.task;
    report.token = lease.token;
    report.outcome = std::move(outcome);
    report.checkpoint = std::move(checkpoint);
    return harness_.Do(report).status;
  }
  // The worker's lease of the training, once it gets it; what else it gets before it succeeds with.
  Lease Again(const WorkerId& worker) {
    for (int tries = 0; tries < 100; ++tries) {
      const std::optional<Lease> lease = harness_.LeaseTo(worker);
      if (lease.has_value() && lease->task == lease_.task) return *lease;
      if (lease.has_value()) {
        LWQ_CHECK(harness_.Succeed(worker, *lease).ok());
        continue;
      }
      harness_.Advance(2000);
      for (const WorkerId& each : {a_, b_}) harness_.Beat(each);
    }
    LWQ_CHECK(false, "the training does not come again");
    return {};
  }
  // As the record has it; zero: none.
  Digest Stored() const {
    const TaskRecord& task = harness_.task(lease_.task);
    return task.checkpoint.has_value() ? task.checkpoint->artifact.digest : Digest();
  }
  bool IsRoot(const ArtifactRef& artifact) const {
    const std::vector<ArtifactRef> roots = LiveRootsOf(harness_.state(), harness_.now()).artifacts;
    return std::find(roots.begin(), roots.end(), artifact) != roots.end();
  }
  void LoseWorker(const WorkerId& silent, const WorkerId& other) {
    for (int64_t passed = 0; passed <= harness_.options().lease_ms; passed += harness_.options().lease_ms / 4) {
      harness_.Advance(harness_.options().lease_ms / 4);
      harness_.Beat(other);
    }
    LWQ_CHECK(harness_.task(lease_.task).state == TaskState::kReady, "the lease of ", silent.value, " is not lost");
  }

  SchedulerHarness harness_;
  WorkerId a_, b_;
  RunId run_;
  Lease lease_;
  const ArtifactRef first_ = NamedArtifact("first checkpoint");
  const ArtifactRef second_ = NamedArtifact("second checkpoint");
};

TEST_F(StepCheckpointsTest, TheNextAttemptGoesOnFromWhatALostOneHadStored) {
  EXPECT_EQ(lease_.checkpoint, std::nullopt);
  EXPECT_THAT(Store(a_, lease_, first_, 10), IsEmpty());
  EXPECT_TRUE(IsRoot(first_));
  LoseWorker(a_, b_);
  const Lease next = Again(b_);
  ASSERT_EQ(next.task, lease_.task);
  EXPECT_EQ(next.checkpoint, (TaskCheckpoint{first_, lease_.action_key, lease_.token, 10, 100}));
  EXPECT_EQ(next.action_key, lease_.action_key);
}

TEST_F(StepCheckpointsTest, ACoordinatorThatRestartsRemembersIt) {
  Store(a_, lease_, first_, 10);
  harness_.Restart();
  EXPECT_EQ(Stored(), first_.digest);
  EXPECT_TRUE(IsRoot(first_));
  ASSERT_TRUE(harness_.Release(a_, lease_).ok());
  EXPECT_EQ(Again(b_).checkpoint->artifact, first_);
}

TEST_F(StepCheckpointsTest, TheNewestReplacesTheOneBeforeWhichIsDeleted) {
  Store(a_, lease_, first_, 10);
  EXPECT_THAT(Store(a_, lease_, second_, 20), ElementsAre(first_));
  EXPECT_EQ(Stored(), second_.digest);
  EXPECT_THAT(Store(a_, lease_, second_, 20), ElementsAre(first_)) << "said again, as every heartbeat does";
  EXPECT_TRUE(IsRoot(first_)) << "until it is gone";
  EXPECT_THAT(harness_.DiscardAll(a_), ElementsAre(first_));
  EXPECT_FALSE(IsRoot(first_));
  EXPECT_TRUE(IsRoot(second_));
}

TEST_F(StepCheckpointsTest, AnAttemptWhoseLeaseIsLostStoresNothingAndIsToldToDeleteIt) {
  Store(a_, lease_, first_, 10);
  LoseWorker(a_, b_);
  const Lease next = Again(b_);
  EXPECT_THAT(Store(a_, lease_, second_, 90), ElementsAre(second_));
  EXPECT_EQ(Stored(), first_.digest);
  EXPECT_TRUE(absl::IsAborted(Report(a_, lease_, ReportReleased(), StoredCheckpoint{second_, 90, 100})));
  EXPECT_EQ(Stored(), first_.digest);
  EXPECT_THAT(Store(a_, lease_, first_, 10), Not(Contains(first_))) << "that one is in use";
  EXPECT_EQ(Again(b_).checkpoint->artifact, first_);
  EXPECT_EQ(next.token, Again(b_).token);
}

TEST_F(StepCheckpointsTest, ALaterAttemptThatBeganAnewReplacesWhatItCouldNotUse) {
  Store(a_, lease_, first_, 90);
  ASSERT_TRUE(harness_.Release(a_, lease_).ok());
  const Lease next = Again(b_);
  Store(b_, next, second_, 5);
  EXPECT_EQ(Stored(), second_.digest);
}

TEST_F(StepCheckpointsTest, AReleaseBringsItsLastCheckpointAndSpendsNoAttempt) {
  ASSERT_TRUE(Report(a_, lease_, ReportReleased(), StoredCheckpoint{first_, 33, 100}).ok());
  EXPECT_EQ(harness_.task(lease_.task).attempts, 0);
  const Lease next = Again(b_);
  EXPECT_EQ(next.checkpoint->step, 33);
  ASSERT_TRUE(Report(a_, lease_, ReportReleased(), StoredCheckpoint{first_, 33, 100}).ok()) << "repeated";
  EXPECT_EQ(Stored(), first_.digest);
}

TEST_F(StepCheckpointsTest, ItGoesWhenTheTaskIsDone) {
  Store(a_, lease_, first_, 10);
  ASSERT_TRUE(Report(a_, lease_, testing::HonestSuccess(lease_), StoredCheckpoint{second_, 20, 100}).ok());
  EXPECT_EQ(Stored(), Digest());
  EXPECT_THAT(harness_.DiscardAll(b_), ::testing::UnorderedElementsAre(first_, second_));
  EXPECT_FALSE(IsRoot(first_));
  EXPECT_FALSE(IsRoot(second_));
}

TEST_F(StepCheckpointsTest, ItGoesWithItsCancelledOrDeletedRun) {
  Store(a_, lease_, first_, 10);
  ASSERT_TRUE(harness_.Do(DeleteRun{run_.value, /*force=*/true}).status.ok());
  EXPECT_THAT(harness_.DiscardAll(b_), Contains(first_));
  EXPECT_FALSE(IsRoot(first_));
  EXPECT_THAT(Store(a_, lease_, second_, 20), Contains(second_)) << "of a task that is not known any more";
}

TEST_F(StepCheckpointsTest, AnAttemptAtHalfTheLearningRateDoesNotGoOnFromTheDivergedOne) {
  Store(a_, lease_, first_, 10);
  ASSERT_TRUE(harness_.Fail(a_, lease_, FailureCause::kDiverged).ok());
  const Lease next = Again(b_);
  ASSERT_EQ(next.task, lease_.task);
  EXPECT_NE(next.action_key, lease_.action_key);
  EXPECT_EQ(next.checkpoint, std::nullopt);
  EXPECT_THAT(harness_.DiscardAll(a_), ElementsAre(first_));
}

TEST_F(StepCheckpointsTest, FailuresThatAreNotTheTasksKeepIt) {
  Store(a_, lease_, first_, 10);
  ASSERT_TRUE(harness_.Fail(a_, lease_, FailureCause::kMemory).ok());
  lease_ = Again(b_);
  EXPECT_EQ(lease_.checkpoint->artifact, first_);
  ASSERT_TRUE(harness_.Fail(b_, lease_, FailureCause::kInfrastructure).ok());
  EXPECT_EQ(Again(a_).checkpoint->artifact, first_);
}

TEST_F(StepCheckpointsTest, AResultOfATaskIsNoCheckpointAndIsNeverDeletedAsOne) {
  const auto& [digest, activation] = *harness_.state().activations.all().begin();
  ASSERT_GT(activation.results, 0);
  const ArtifactRef result{digest, activation.size_bytes};
  EXPECT_THAT(Store(a_, lease_, result, 10), IsEmpty());
  EXPECT_EQ(Stored(), Digest());
  EXPECT_TRUE(harness_.state().activations.IsReadable(result.digest));
}

TEST_F(StepCheckpointsTest, ActionsCountTheSecondsOfAllAttemptsThatAreInThem) {
  ReportTask report;
  report.worker = a_;
  report.task = lease_.task;
  report.token = lease_.token;
  report.outcome = testing::HonestSuccess(lease_);
  report.seconds = 20;
  report.seconds_before = 300;
  ASSERT_TRUE(harness_.Do(report).status.ok());
  EXPECT_EQ(harness_.state().actions.at(lease_.action_key).seconds, 320);
}

}  // namespace
}  // namespace lwq::coordinator
