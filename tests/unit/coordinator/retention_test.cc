// SPDX-License-Identifier: Apache-2.0
// How long results are kept, on a clock that moves when told.
#include "coordinator/scheduler/state/retention.h"

#include "coordinator/scheduler/state/live_roots.h"
#include "coordinator/scheduler/state/restore.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::BlockApSpec;
using testing::CheckIndexes;
using testing::CheckStored;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;
using testing::SchedulerHarness;

constexpr int64_t kHourMs = int64_t{60} * 60 * 1000;

SchedulerOptions Retain(const std::map<KeptKind, int64_t>& retain_ms) {
  SchedulerOptions options;
  options.retain_ms = retain_ms;
  options.forget_worker_ms = int64_t{1000} * kHourMs;
  return options;
}

RunSpec Epochs(double epochs) {
  RunSpec spec = BlockApSpec(2);
  spec.recipe.epochs = epochs;
  return spec;
}

class RetentionTest : public ::testing::Test {
 protected:
  void Start(const std::map<KeptKind, int64_t>& retain_ms) {
    harness_ = std::make_unique<SchedulerHarness>(Retain(retain_ms));
    worker_ = harness_->Register("a");
  }
  RunId Finished(const RunSpec& spec) {
    const RunId run = harness_->Submit(spec);
    harness_->RunToEnd(worker_);
    return run;
  }
  ArtifactRef Output(const RunId& run, const std::string& title, const std::string& role) const {
    return harness_->state().actions.at(harness_->TaskTitled(run, title).action_key).outputs.at(role);
  }
  std::vector<ArtifactRef> Roots() const { return LiveRootsOf(harness_->state(), harness_->now()).artifacts; }
  void ExpectConsistent() const {
    EXPECT_EQ(CheckIndexes(harness_->state()), "");
    EXPECT_EQ(CheckStored(harness_->state(), *harness_->store().Load()), "");
  }

  std::unique_ptr<SchedulerHarness> harness_;
  WorkerId worker_;
};

TEST_F(RetentionTest, WithoutOneEverythingIsKept) {
  Start({});
  const RunId run = Finished(Epochs(1));
  const std::vector<ArtifactRef> before = Roots();
  harness_->Advance(1000 * 24 * kHourMs);
  EXPECT_EQ(Roots(), before);
  EXPECT_THAT(before, Contains(Output(run, "train block 0", "block")));
}

TEST_F(RetentionTest, AResultOfTheKindIsARootForThatLongAfterTheEndOfItsRunAndNoLonger) {
  Start({{KeptKind::kCheckpoint, 2 * kHourMs}});
  const RunId run = Finished(Epochs(1));
  const ArtifactRef checkpoint = Output(run, "train block 0", "block");
  const ArtifactRef exported = Output(run, "export gptq_v2", "files");
  harness_->Advance(2 * kHourMs - 1);
  EXPECT_THAT(Roots(), Contains(checkpoint));
  harness_->Advance(1);
  EXPECT_THAT(Roots(), Not(Contains(checkpoint)));
  EXPECT_THAT(Roots(), Contains(exported));
  EXPECT_EQ(harness_->run(run).record.state, RunState::kSucceeded);
  ExpectConsistent();
  harness_->Restart();
  EXPECT_THAT(Roots(), Not(Contains(checkpoint))) << "also after a restart";
  ExpectConsistent();
}

TEST_F(RetentionTest, WhatAnotherRunHasIsKeptAsLongAsThatOneAsks) {
  Start({{KeptKind::kTokens, kHourMs}});
  const RunId first = Finished(Epochs(1));
  harness_->Advance(kHourMs / 2);
  const RunId second = Finished(Epochs(2));
  const ArtifactRef tokens = Output(first, "prepare calibration tokens", "tokens");
  harness_->Advance(kHourMs / 2 + 1);
  EXPECT_THAT(Roots(), Contains(tokens)) << "the second has ended half an hour ago";
  harness_->Advance(kHourMs / 2);
  EXPECT_THAT(Roots(), Not(Contains(tokens)));
  EXPECT_EQ(harness_->run(second).record.state, RunState::kSucceeded);
  ExpectConsistent();
}

TEST_F(RetentionTest, ARunThatHasNotEndedKeepsWhatItHas) {
  Start({{KeptKind::kTokens, kHourMs}});
  const RunId first = Finished(Epochs(1));
  const RunId second = harness_->Submit(Epochs(2));
  ASSERT_TRUE(harness_->Do(PauseRun{second.value}).status.ok());
  harness_->Advance(10 * kHourMs);
  EXPECT_THAT(Roots(), Contains(Output(first, "prepare calibration tokens", "tokens")));
}

TEST_F(RetentionTest, WhatIsReadAfterwardsIsMadeAgainAndIsARootAgain) {
  Start({{KeptKind::kTokens, kHourMs}, {KeptKind::kCheckpoint, kHourMs}});
  SchedulerHarness& harness = *harness_;
  const RunId first = Finished(Epochs(1));
  const ArtifactRef tokens = Output(first, "prepare calibration tokens", "tokens");
  const ArtifactRef checkpoint = Output(first, "train block 0", "block");
  harness.Advance(kHourMs);
  ASSERT_THAT(Roots(), Not(Contains(tokens)));
  // The same run again reads nothing.
  Finished(Epochs(1));
  harness.Advance(kHourMs);
  EXPECT_THAT(Roots(), Not(Contains(tokens)));
  // Its export does, once it is to be made again: both checkpoints, and they the tokens, since activations are there.
  ASSERT_TRUE(harness.Do(RemakeArtifact{first.value, {}}).status.ok());
  EXPECT_THAT(harness.RunToEnd(worker_), IsSupersetOf({"train block 0", "train block 1", "export gptq_v2"}));
  EXPECT_THAT(Roots(), Contains(checkpoint));
  EXPECT_EQ(harness.run(first).remake_error, "");
  ExpectConsistent();
  harness.Advance(kHourMs);
  EXPECT_THAT(Roots(), Not(Contains(checkpoint))) << "for as long again";
}

TEST_F(RetentionTest, AShorterOneAfterARestartTakesEffect) {
  Start({});
  const RunId run = Finished(Epochs(1));
  const ArtifactRef exported = Output(run, "export gptq_v2", "files");
  harness_->Advance(5 * kHourMs);
  SchedulerOptions shorter = Retain({{KeptKind::kExport, kHourMs}});
  StatusOr<State> state = RestoreState(*harness_->store().Load(), shorter, harness_->now());
  ASSERT_TRUE(state.ok()) << state.status();
  ASSERT_TRUE(NextDeadline(*state).has_value());
  Step(*state, Tick{}, harness_->now());
  EXPECT_THAT(LiveRootsOf(*state, harness_->now()).artifacts, Not(Contains(exported)));
}

TEST(LiveRootsTest, EveryInputThatNoTaskMakesAndEveryResultIsARoot) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  RunSpec spec = BlockApSpec(2);
  spec.model->companions = testing::NamedArtifact("companions");
  harness.Submit(spec);
  harness.RunToEnd(worker);
  const LiveRoots roots = LiveRootsOf(harness.state(), harness.now());
  const std::set<ArtifactRef> artifacts(roots.artifacts.begin(), roots.artifacts.end());
  for (const auto& [key, task] : harness.state().tasks) {
    for (const auto& [role, input] : task.record.def->inputs) {
      const std::optional<ArtifactRef> content = ContentOf(harness.state(), input);
      EXPECT_TRUE(artifacts.contains(*content)) << TaskKindName(task.record.def->kind) << " " << role;
    }
  }
  EXPECT_TRUE(artifacts.contains(spec.model->companions));
  EXPECT_EQ(roots.actions.size(), harness.state().actions.size());
}

TEST(LiveRootsTest, TheOldestOpenLeaseSaysSinceWhenSomebodyWorks) {
  SchedulerHarness harness;
  const WorkerId a = harness.Register("a");
  const WorkerId b = harness.Register("b");
  const auto since = [&] { return LiveRootsOf(harness.state(), harness.now()).working_since_unix_ms; };
  harness.Submit(testing::NoopSpec(3));
  EXPECT_EQ(since(), harness.now().unix_ms) << "nobody works";
  const int64_t began = harness.now().unix_ms;
  const Lease first = *harness.LeaseTo(a);
  harness.Advance(1000);
  harness.LeaseTo(b);
  EXPECT_EQ(since(), began);
  ASSERT_TRUE(harness.Succeed(a, first).ok());
  EXPECT_EQ(since(), began + 1000);
  harness.Restart();
  EXPECT_EQ(since(), 0) << "when it was begun is not known any more";
}

}  // namespace
}  // namespace lwq::coordinator
