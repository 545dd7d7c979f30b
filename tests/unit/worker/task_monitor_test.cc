// SPDX-License-Identifier: Apache-2.0
#include "worker/daemon/task_monitor.h"

#include "gtest/gtest.h"

namespace lwq::worker {
namespace {

TEST(TaskMonitorTest, StagesAndLogLinesAreHandedOutAsShortValidLines) {
  TaskMonitor monitor;
  monitor.Begin("key", 3);
  monitor.SetProgress({.stage = "tr\xe9in\n", .step = 1, .steps = 2, .loss = 0.5});
  monitor.Log("failed: caf\xe9\nsecond line");
  monitor.Log(std::string(5 << 20, 'x'));
  const TaskMonitor::Snapshot snapshot = monitor.Take().value();
  EXPECT_EQ(snapshot.progress.stage, "tr\uFFFDin ");
  EXPECT_EQ(snapshot.progress.steps, 2);
  ASSERT_EQ(snapshot.log_lines.size(), 2u);
  EXPECT_EQ(snapshot.log_lines[0], "failed: caf\uFFFD second line");
  EXPECT_LE(snapshot.log_lines[1].size(), 2000u);
}

TEST(TaskMonitorTest, ALostLeaseCancelsItsOwnTaskOnly) {
  TaskMonitor monitor;
  monitor.Begin("key", 3);
  monitor.CancelLease("key", 2);
  monitor.CancelLease("other", 3);
  EXPECT_FALSE(monitor.cancel().cancelled);
  monitor.CancelLease("key", 3);
  EXPECT_TRUE(monitor.cancel().cancelled);
  monitor.End();
  monitor.Begin("key", 4);
  EXPECT_FALSE(monitor.cancel().cancelled);
}

}  // namespace
}  // namespace lwq::worker
