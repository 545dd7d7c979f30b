// SPDX-License-Identifier: Apache-2.0
// Tasks that take far longer than such tasks took are given to a second worker.
#include "coordinator/scheduler/choose/straggler.h"

#include "coordinator/scheduler/choose/task_choice.h"
#include "coordinator/scheduler/foresee/why.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/scheduler_harness.h"
#include "tests/unit/coordinator/virtual_fleet.h"

namespace lwq::coordinator {
namespace {

using testing::BlockApSpec;
using ::testing::Contains;
using ::testing::HasSubstr;
using testing::NoopSpec;
using testing::SchedulerHarness;
using testing::VirtualFleet;
using testing::WorkerNamed;

SchedulerOptions SoonStraggling() {
  SchedulerOptions options;
  options.straggler_least_ms = 1000;
  options.lease_ms = 1 << 30;
  return options;
}

// Noops take 1 s each, as the first run has shown; `slow` has had one of the second run's for a minute.
class StragglerTest : public ::testing::Test {
 protected:
  StragglerTest() : harness_(SoonStraggling()) {
    slow_ = harness_.Register("slow");
    fast_ = harness_.Register("fast");
    run_ = harness_.Submit(RtnLike());
    // The first of its tasks is known to take no longer than others of its kind.
    while (true) {
      lease_ = *harness_.LeaseTo(slow_);
      if (lease_.def->kind == TaskKind::kRtnBlock && learned_) break;
      learned_ = learned_ || lease_.def->kind == TaskKind::kRtnBlock;
      ReportTask report{.worker = slow_,
                        .task = lease_.task,
                        .token = lease_.token,
                        .outcome = testing::HonestSuccess(lease_),
                        .seconds = 1,
                        .log_lines = {}};
      LWQ_CHECK(harness_.Do(report).status.ok());
    }
  }
  static RunSpec RtnLike() { return testing::RtnSpec(2); }
  const TaskRecord& task() const { return harness_.task(lease_.task); }

  SchedulerHarness harness_;
  WorkerId slow_, fast_;
  RunId run_;
  bool learned_ = false;
  Lease lease_;
};

TEST_F(StragglerTest, AnIdleWorkerOfItsClassGetsATaskThatTheRunWaitsForOnceItHasRunForTooLong) {
  EXPECT_EQ(harness_.LeaseTo(fast_), std::nullopt);
  harness_.Advance(2500);
  EXPECT_EQ(harness_.LeaseTo(fast_), std::nullopt) << "not yet three times as long";
  harness_.Advance(1000);
  EXPECT_TRUE(HasTaskFor(harness_.state(), harness_.state().workers.at(fast_)));
  const Lease second = *harness_.LeaseTo(fast_);
  EXPECT_EQ(second.task, lease_.task);
  EXPECT_EQ(second.action_key, lease_.action_key);
  EXPECT_GT(second.token, lease_.token);
  EXPECT_EQ(harness_.LeaseTo(fast_)->token, second.token) << "who asks again gets its own lease again";
  EXPECT_EQ(harness_.LeaseTo(slow_)->token, lease_.token);
  EXPECT_THAT(harness_.Beat(slow_, {lease_}), ::testing::IsEmpty()) << "both go on";
  EXPECT_THAT(harness_.Beat(fast_, {second}), ::testing::IsEmpty());
  const WorkerId third = harness_.Register("third");
  harness_.Advance(60'000);
  EXPECT_EQ(harness_.LeaseTo(third), std::nullopt) << "two are enough";
  EXPECT_THAT(Why(harness_.state(), harness_.run(run_),
                  harness_.state().tasks.at(lease_.task).wanted_by.begin()->second, harness_.now()),
              Contains(HasSubstr("slow has had it for")));
  EXPECT_EQ(testing::CheckIndexes(harness_.state()), "");
}

TEST_F(StragglerTest, TheFirstSuccessCountsAndTheOtherIsToldToStop) {
  harness_.Advance(4000);
  const Lease second = *harness_.LeaseTo(fast_);
  ASSERT_TRUE(harness_.Succeed(slow_, lease_).ok());
  EXPECT_EQ(task().state, TaskState::kSucceeded);
  EXPECT_EQ(task().worker, slow_);
  EXPECT_TRUE(harness_.Succeed(slow_, lease_).ok()) << "a repeated report has no further effect";
  const auto lost = harness_.Beat(fast_, {second});
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].reason, "it is done: another worker was first");
  EXPECT_EQ(harness_.Succeed(fast_, second).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(testing::CheckIndexes(harness_.state()), "");
}

TEST_F(StragglerTest, TheLaterOfTheTwoMayBeFirst) {
  harness_.Advance(4000);
  const Lease second = *harness_.LeaseTo(fast_);
  ASSERT_TRUE(harness_.Succeed(fast_, second).ok());
  EXPECT_EQ(task().state, TaskState::kSucceeded);
  EXPECT_EQ(task().worker_name, "fast");
  EXPECT_EQ(harness_.Succeed(slow_, lease_).code(), absl::StatusCode::kAborted);
  const double paid = harness_.state().shares.all().at("").device_seconds;
  EXPECT_NEAR(paid, 4, 1e-9) << "one worker's time is paid for";
  EXPECT_EQ(testing::CheckIndexes(harness_.state()), "");
}

TEST_F(StragglerTest, WhateverElseHappensToOneLeavesTheTaskToTheOther) {
  harness_.Advance(4000);
  const Lease second = *harness_.LeaseTo(fast_);
  ASSERT_TRUE(harness_.Fail(fast_, second, FailureCause::kTask, "bug").ok());
  EXPECT_EQ(task().state, TaskState::kLeased);
  EXPECT_EQ(task().worker_name, "slow");
  EXPECT_TRUE(harness_.Fail(fast_, second, FailureCause::kTask, "bug").ok()) << "a repeated report";
  harness_.Advance(60'000);
  EXPECT_EQ(harness_.LeaseTo(fast_), std::nullopt) << "a lease has one duplicate at most";
  EXPECT_THAT(harness_.Beat(slow_, {lease_}), ::testing::IsEmpty());
  EXPECT_EQ(testing::CheckIndexes(harness_.state()), "");
  ASSERT_TRUE(harness_.Succeed(slow_, lease_).ok());
  EXPECT_EQ(task().state, TaskState::kSucceeded);
}

TEST_F(StragglerTest, WhenTheSlowOneIsLostTheOtherGoesOnAlone) {
  harness_.Advance(4000);
  const Lease second = *harness_.LeaseTo(fast_);
  const WorkerId again = harness_.Register("slow");  // a new process
  EXPECT_EQ(task().state, TaskState::kLeased);
  EXPECT_EQ(task().worker_name, "fast");
  EXPECT_EQ(task().failures, (std::array<int, kFailureCauses>{}));
  EXPECT_EQ(harness_.LeaseTo(again), std::nullopt);
  EXPECT_EQ(testing::CheckIndexes(harness_.state()), "");
  EXPECT_TRUE(harness_.Succeed(fast_, second).ok());
}

TEST_F(StragglerTest, AfterARestartOnlyTheLastLeaseHoldsAndTokensStillGrow) {
  harness_.Advance(4000);
  const Lease second = *harness_.LeaseTo(fast_);
  harness_.Restart();
  EXPECT_EQ(testing::CheckIndexes(harness_.state()), "");
  EXPECT_EQ(harness_.Beat(slow_, {lease_}).size(), 1u);
  EXPECT_EQ(harness_.Succeed(slow_, lease_).code(), absl::StatusCode::kAborted);
  EXPECT_THAT(harness_.Beat(fast_, {second}), ::testing::IsEmpty());
  ASSERT_TRUE(harness_.Fail(fast_, second, FailureCause::kInfrastructure).ok());
  harness_.Advance(1000);
  const Lease third = *harness_.LeaseTo(slow_);
  EXPECT_GT(third.token, second.token);
}

TEST_F(StragglerTest, AfterARestartTheOlderLeaseAloneIsGivenAgainUnderATokenThatNobodyHasHad) {
  harness_.Advance(4000);
  const Lease second = *harness_.LeaseTo(fast_);
  ASSERT_TRUE(harness_.Fail(fast_, second, FailureCause::kTask, "bug").ok());
  harness_.Restart();
  EXPECT_EQ(harness_.Beat(slow_, {lease_}).size(), 1u);
  const Lease again = *harness_.LeaseTo(slow_);
  EXPECT_EQ(again.task, lease_.task);
  EXPECT_GT(again.token, second.token);
  EXPECT_TRUE(harness_.Succeed(slow_, again).ok());
  EXPECT_EQ(testing::CheckIndexes(harness_.state()), "");
}

TEST_F(StragglerTest, NothingIsDuplicatedWhileSomethingElseIsToBeDoneNorForAPausedRunNorOnAnotherClass) {
  harness_.Advance(4000);
  harness_.Submit(NoopSpec(1));
  const Lease other = *harness_.LeaseTo(fast_);
  EXPECT_NE(other.task, lease_.task);
  ASSERT_TRUE(harness_.Succeed(fast_, other).ok());
  harness_.Do(PauseRun{run_.value, true});
  EXPECT_EQ(harness_.LeaseTo(fast_), std::nullopt);
  harness_.Do(PauseRun{run_.value, false});
  EXPECT_EQ(harness_.LeaseTo(harness_.Register(WorkerNamed("alien", "gpu|sm90|torch"))), std::nullopt);
  EXPECT_TRUE(harness_.LeaseTo(fast_).has_value());
}

TEST_F(StragglerTest, ACancelledRunTakesTheTaskFromBoth) {
  harness_.Advance(4000);
  const Lease second = *harness_.LeaseTo(fast_);
  harness_.Do(CancelRun{run_.value});
  EXPECT_EQ(harness_.Beat(slow_, {lease_}).size(), 1u);
  EXPECT_EQ(harness_.Beat(fast_, {second}).size(), 1u);
  EXPECT_EQ(testing::CheckIndexes(harness_.state()), "");
}

// How long the runs take after one of the workers has become ten times as slow as the others.
double SecondsWithOneSlow(double factor, int workers, int runs, int64_t* duplicates) {
  SchedulerOptions options;
  options.straggler_factor = factor;
  bool slow = false;
  VirtualFleet fleet(options, [&slow](const TaskDef& def, const WorkerRecord& worker) {
    return (def.kind == TaskKind::kTrainBlock ? 100 : 5) * (slow && worker.name == "w0" ? 10 : 1);
  });
  for (int i = 0; i < workers; ++i) fleet.Add(WorkerNamed(absl::StrCat("w", i)));
  double learned = 0;
  for (int run = 0; run <= runs; ++run) {
    RunSpec spec = BlockApSpec(6);
    spec.recipe.seed = run + 1;
    fleet.Submit(spec);
    if (run == 0) learned = fleet.RunToEnd();
  }
  slow = true;
  const double makespan = fleet.RunToEnd() - learned;
  for (const auto& [id, run] : fleet.state().runs) EXPECT_EQ(run.record.state, RunState::kSucceeded);
  *duplicates = fleet.duplicates();
  return makespan;
}

TEST(StragglerSimulationTest, OneSlowWorkerHoldsUpARunForFarLessThanItsOwnTime) {
  int64_t duplicates = 0, none = 0;
  const double with = SecondsWithOneSlow(3, 4, 1, &duplicates);
  const double without = SecondsWithOneSlow(0, 4, 1, &none);
  EXPECT_EQ(none, 0);
  EXPECT_GT(duplicates, 0);
  EXPECT_LT(with, 0.6 * without);
}

TEST(StragglerSimulationTest, WhereWorkersAreBusyThereAreDuplicatesOnlyAtTheEnd) {
  int64_t few = 0, none = 0;
  const double with = SecondsWithOneSlow(3, 4, 24, &few);
  const double without = SecondsWithOneSlow(0, 4, 24, &none);
  EXPECT_LE(few, 12) << "of 144 trainings";
  EXPECT_LE(with, without);
}

}  // namespace
}  // namespace lwq::coordinator
