// SPDX-License-Identifier: Apache-2.0
// How much work there is for a pool of workers, here or not.
#include "coordinator/scheduler/foresee/runnable_work.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/devices.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::BlockApSpec;
using testing::kA10080;
using testing::kL4;
using testing::LargeSpec;
using testing::NoopSpec;
using testing::SchedulerHarness;
using testing::WorkerOn;

constexpr double kMost = 1e9;
const Pool kL4Pool{"L4", int64_t{22} << 30};
const Pool kA100Pool{"A100", int64_t{75} << 30};

RunnableWork WorkFor(const SchedulerHarness& harness, const Pool& pool, double most = kMost) {
  return RunnableWorkFor(harness.state(), pool, most);
}

TEST(RunnableWorkTest, WithoutRunsThereIsNone) {
  SchedulerHarness harness;
  EXPECT_EQ(WorkFor(harness, kL4Pool), RunnableWork());
  harness.Register(WorkerOn(kL4, "a"));
  EXPECT_EQ(WorkFor(harness, kL4Pool), RunnableWork());
}

TEST(RunnableWorkTest, ARunThatWaitsForAFirstWorkerCountsForEveryEmptyPoolThatItFits) {
  SchedulerHarness harness;
  harness.Submit(BlockApSpec(2));
  EXPECT_EQ(WorkFor(harness, kL4Pool).waiting_runs, 1);
  EXPECT_EQ(WorkFor(harness, kA100Pool).waiting_runs, 1);
  harness.Submit(LargeSpec());
  EXPECT_EQ(WorkFor(harness, kL4Pool).waiting_runs, 1) << "a task of the second needs more than 24 GiB";
  EXPECT_EQ(WorkFor(harness, kA100Pool).waiting_runs, 2);
}

TEST(RunnableWorkTest, ARunThatNamesADeviceCountsForNoOther) {
  SchedulerHarness harness;
  RunSpec spec = BlockApSpec(2);
  spec.numerics_class = kL4.base;
  harness.Submit(spec);
  EXPECT_EQ(WorkFor(harness, kL4Pool).waiting_runs, 1);
  EXPECT_EQ(WorkFor(harness, kA100Pool).waiting_runs, 0);
}

TEST(RunnableWorkTest, APausedRunCountsForNobody) {
  SchedulerHarness harness;
  const RunId run = harness.Submit(BlockApSpec(2));
  harness.Do(PauseRun{run.value});
  EXPECT_EQ(WorkFor(harness, kL4Pool).waiting_runs, 0);
}

TEST(RunnableWorkTest, TasksThatArePinnedToADeviceCountForItsPool) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register(WorkerOn(kL4, "a"));
  const RunId run = harness.Submit(BlockApSpec(2));
  harness.RunUntil(worker, "train block 0");
  const RunnableWork busy = WorkFor(harness, kL4Pool);
  EXPECT_EQ(busy.busy_workers, 1);
  EXPECT_EQ(busy.waiting_runs, 0);
  EXPECT_EQ(WorkFor(harness, kA100Pool).busy_workers, 0);
  harness.Do(PauseRun{run.value});
  EXPECT_EQ(WorkFor(harness, kL4Pool).queued_seconds, 0) << "what is leased goes on, nothing else is begun";
  EXPECT_EQ(WorkFor(harness, kL4Pool).busy_workers, 1);
}

TEST(RunnableWorkTest, TasksOfALostPoolStillCountForIt) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register(WorkerOn(kL4, "a"));
  harness.Submit(BlockApSpec(2));
  const Lease lease = harness.RunUntil(worker, "train block 0");
  ASSERT_TRUE(harness.Release(worker, lease).ok());
  harness.Advance(600'000);
  const RunnableWork work = WorkFor(harness, kL4Pool);
  EXPECT_GT(work.queued_seconds, 0);
  EXPECT_EQ(work.busy_workers, 0);
  EXPECT_GT(work.queued_seconds, WorkFor(harness, kA100Pool).queued_seconds) << "which has what is pinned to nothing";
}

TEST(RunnableWorkTest, TasksThatArePinnedToNothingStartNoPoolWhileAnotherCanDoThem) {
  SchedulerHarness harness;
  harness.Submit(NoopSpec(4));
  EXPECT_EQ(WorkFor(harness, kL4Pool).queued_seconds, 4 * 60);
  EXPECT_EQ(WorkFor(harness, kA100Pool).queued_seconds, 4 * 60) << "a minute for each, as nothing is known";
  harness.Register(WorkerOn(kL4, "a"));
  EXPECT_EQ(WorkFor(harness, kL4Pool).queued_seconds, 4 * 60);
  EXPECT_EQ(WorkFor(harness, kA100Pool).queued_seconds, 0);
}

TEST(RunnableWorkTest, TasksCountAsLongAsSuchTasksTook) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register(WorkerOn(kL4, "a"));
  harness.Submit(NoopSpec(2));
  harness.RunToEnd(worker);
  harness.Submit(NoopSpec(6, /*seed=*/2));
  EXPECT_DOUBLE_EQ(WorkFor(harness, kL4Pool).queued_seconds, 6 * 0.5);
}

TEST(RunnableWorkTest, CountingEndsAtTheMostThatIsAskedFor) {
  SchedulerHarness harness;
  harness.Submit(NoopSpec(100));
  EXPECT_EQ(WorkFor(harness, kL4Pool, 90).queued_seconds, 90);
}

TEST(RunnableWorkTest, ATaskThatDoesNotFitThePoolsMemoryDoesNotCount) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register(WorkerOn(kA10080, "a"));
  harness.Submit(LargeSpec());
  const Lease lease = harness.RunUntil(worker, "train block 0");
  ASSERT_TRUE(harness.Release(worker, lease).ok());
  const Pool small{"A100", int64_t{24} << 30};
  EXPECT_GT(WorkFor(harness, kA100Pool).queued_seconds, WorkFor(harness, small).queued_seconds);
}

}  // namespace
}  // namespace lwq::coordinator
