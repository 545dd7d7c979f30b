// SPDX-License-Identifier: Apache-2.0
#include "worker/daemon/task_monitor.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq::worker {
namespace {

using ::testing::ElementsAre;

TEST(TaskMonitorTest, StagesAndLogLinesAreHandedOutAsShortValidLines) {
  TaskMonitor monitor;
  monitor.Begin("key", 3);
  monitor.SetProgress({.stage = "tr\xe9in\n", .step = 1, .steps = 2, .loss = 0.5});
  monitor.OnLine("info", "failed: caf\xe9\nsecond line");
  monitor.OnLine("warning", std::string(5 << 20, 'x'));
  const TaskMonitor::Snapshot snapshot = monitor.Look().value();
  EXPECT_EQ(snapshot.progress.stage, "tr\uFFFDin ");
  EXPECT_EQ(snapshot.progress.steps, 2);
  ASSERT_EQ(snapshot.log.lines.size(), 2u);
  EXPECT_EQ(snapshot.log.lines[0], "failed: caf\uFFFD second line");
  EXPECT_TRUE(snapshot.log.lines[1].starts_with("warning: xxx"));
  EXPECT_LE(snapshot.log.lines[1].size(), 2000u);
}

TEST(TaskMonitorTest, LinesAreHandedOutUntilTheyAreKnownToHaveArrived) {
  TaskMonitor monitor;
  monitor.Begin("key", 3);
  for (const char* line : {"a", "b", "c"}) monitor.OnLine("info", line);
  EXPECT_EQ(monitor.Look()->log.end(), 3);
  EXPECT_EQ(monitor.Look()->log.first, 0) << "whoever looked may not have got through";
  monitor.OnLine("info", "d");
  monitor.Delivered("key", 2, 3);
  monitor.Delivered("other", 3, 3);
  EXPECT_EQ(monitor.Look()->log.first, 0) << "those were of other leases";
  monitor.Delivered("key", 3, 3);
  monitor.End();
  const TaskMonitor::Lines rest = monitor.LinesLeft();
  EXPECT_EQ(rest.first, 3);
  EXPECT_THAT(rest.lines, ElementsAre("d"));
  monitor.Begin("key", 4);
  EXPECT_EQ(monitor.Look()->log.end(), 0);
}

TEST(TaskMonitorTest, OfMoreLinesThanFitTheOldestGoAndTheNumbersTell) {
  TaskMonitor monitor;
  monitor.Begin("key", 3);
  const int lines = static_cast<int>(TaskMonitor::kMaxLogLines) + 7;
  for (int i = 0; i < lines; ++i) monitor.OnLine("info", std::to_string(i));
  const TaskMonitor::Lines log = monitor.Look()->log;
  EXPECT_EQ(log.first, 7);
  EXPECT_EQ(log.lines.size(), TaskMonitor::kMaxLogLines);
  EXPECT_EQ(log.lines.front(), "7");
  EXPECT_EQ(log.lines.back(), std::to_string(lines - 1));
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
