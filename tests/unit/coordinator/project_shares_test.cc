// SPDX-License-Identifier: Apache-2.0
// Shares of device time between projects: alone and through the scheduler.
#include "coordinator/scheduler/state/project_shares.h"

#include <cmath>
#include <queue>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::NoopSpec;
using testing::SchedulerHarness;

TEST(ProjectSharesTest, WhoWasGivenLessForItsWeightGoesFirst) {
  ProjectShares shares;
  shares.Configure({{"heavy", {.weight = 4}}});
  for (const char* project : {"heavy", "light"}) shares.Waits(project);
  shares.Begin("heavy", 4);
  shares.Begin("light", 2);
  EXPECT_LT(*shares.Rank("heavy"), *shares.Rank("light"));
  shares.End("heavy", 4, 40);
  EXPECT_GT(*shares.Rank("heavy"), *shares.Rank("light")) << "it took ten times what was expected";
  shares.End("light", 2, 2);
  EXPECT_EQ(shares.all().at("heavy").device_seconds, 40);
}

TEST(ProjectSharesTest, AProjectThatHadNothingToDoIsNotOwedForIt) {
  ProjectShares shares;
  shares.Waits("busy");
  for (int i = 0; i < 100; ++i) {
    shares.Begin("busy", 10);
    shares.End("busy", 10, 10);
  }
  shares.Waits("late");
  EXPECT_GE(*shares.Rank("late"), *shares.Rank("busy") - 10);
  EXPECT_LE(*shares.Rank("late"), *shares.Rank("busy"));
}

TEST(ProjectSharesTest, AProjectAtItsLimitIsPassedOverUntilATaskEnds) {
  ProjectShares shares;
  shares.Configure({{"few", {.weight = 1, .max_running = 2}}});
  shares.Waits("few");
  shares.Begin("few", 1);
  EXPECT_TRUE(shares.Rank("few").has_value());
  shares.Begin("few", 1);
  EXPECT_EQ(shares.Rank("few"), std::nullopt);
  shares.End("few", 1, 1);
  EXPECT_TRUE(shares.Rank("few").has_value());
}

RunSpec Of(const std::string& project, int64_t tasks, int64_t seed, int priority = 0) {
  RunSpec spec = NoopSpec(tasks, seed);
  spec.project = project;
  spec.priority = priority;
  return spec;
}

// Device seconds by project in each hour of simulated time, of workers that are never idle.
std::vector<std::map<std::string, double>> Hours(const std::map<std::string, ProjectOptions>& projects, int workers,
                                                 int hours, const std::function<double(const std::string&)>& seconds) {
  SchedulerOptions options;
  options.projects = projects;
  options.lease_ms = int64_t{1} << 40;
  SchedulerHarness harness(options);
  std::map<Digest, std::string> project_of;
  int64_t seed = 0;
  for (const auto& [project, unused] : projects) {
    const RunId run = harness.Submit(Of(project, 4000, ++seed));
    for (const RunTaskRecord& task : harness.run(run).tasks) project_of[task.key] = project;
  }
  struct Busy {
    int64_t end_ms;
    WorkerId worker;
    Lease lease;
    bool operator<(const Busy& other) const { return end_ms > other.end_ms; }
  };
  std::priority_queue<Busy> busy;
  std::vector<std::map<std::string, double>> by_hour(static_cast<size_t>(hours));
  const int64_t start_ms = harness.now().steady_ms;
  const auto begin = [&](const WorkerId& worker) {
    const std::optional<Lease> lease = harness.LeaseTo(worker);
    if (!lease.has_value()) return;
    const std::string& project = project_of.at(lease->task);
    const auto ms = static_cast<int64_t>(seconds(project) * 1000);
    const int64_t from = harness.now().steady_ms - start_ms;
    for (int64_t at = from; at < from + ms; at += 1000) {  // by the second
      const size_t hour = static_cast<size_t>(at / 3'600'000);
      if (hour < by_hour.size()) by_hour[hour][project] += 1;
    }
    busy.push({harness.now().steady_ms + ms, worker, *lease});
  };
  for (int i = 0; i < workers; ++i) begin(harness.Register(absl::StrCat("w", i)));
  while (!busy.empty() && busy.top().end_ms - start_ms < int64_t{hours} * 3'600'000) {
    const Busy next = busy.top();
    busy.pop();
    harness.Advance(next.end_ms - harness.now().steady_ms);
    LWQ_CHECK(harness.Succeed(next.worker, next.lease).ok(), "");
    begin(next.worker);
  }
  return by_hour;
}

TEST(FairShareTest, OverAnyHourProjectsGetTheirWeightedShareOfTheDeviceTimeWithinFivePercent) {
  const std::map<std::string, ProjectOptions> projects = {
      {"a", {.weight = 1}}, {"b", {.weight = 2}}, {"c", {.weight = 5}}};
  // Long tasks for one, short ones for another: shares are of time, not of tasks.
  const auto seconds = [](const std::string& project) { return project == "a" ? 90.0 : project == "b" ? 30.0 : 45.0; };
  for (const auto& hour : Hours(projects, 24, 3, seconds)) {
    double all = 0;
    for (const auto& [project, used] : hour) all += used;
    for (const auto& [project, options] : projects) {
      const double share = options.weight / 8;
      EXPECT_NEAR(hour.at(project) / all, share, 0.05 * share) << project;
    }
  }
}

TEST(FairShareTest, PriorityDecidesWithinAProjectAndNotBetweenProjects) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Submit(Of("one", 2, 1));
  const RunId urgent = harness.Submit(Of("one", 2, 2, 10));
  const RunId other = harness.Submit(Of("two", 2, 3));
  std::vector<RunId> order;
  for (int i = 0; i < 4; ++i) {
    const Lease lease = *harness.LeaseTo(worker);
    for (const auto& [id, run] : harness.state().runs) {
      for (const RunTaskRecord& task : run.tasks) {
        if (task.key == lease.task) order.push_back(id);
      }
    }
    harness.Advance(1000);
    ASSERT_TRUE(harness.Succeed(worker, lease).ok());
  }
  EXPECT_THAT(order, ::testing::ElementsAre(urgent, other, urgent, other));
}

TEST(FairShareTest, ALimitHoldsAcrossWorkersAndTheRestGoesToOthers) {
  SchedulerOptions options;
  options.projects["few"] = {.weight = 100, .max_running = 1};
  SchedulerHarness harness(options);
  harness.Submit(Of("few", 5, 1));
  const RunId other = harness.Submit(Of("other", 5, 2));
  std::vector<std::string> projects;
  for (int i = 0; i < 3; ++i) {
    const Lease lease = *harness.LeaseTo(harness.Register(absl::StrCat("w", i)));
    projects.push_back(harness.state().tasks.at(lease.task).place.project);
  }
  EXPECT_THAT(projects, ::testing::ElementsAre("few", "other", "other"));
  harness.Restart();
  EXPECT_EQ(harness.state().shares.all().at("few").running, 1);
  EXPECT_EQ(testing::CheckIndexes(harness.state()), "");
  harness.Do(CancelRun{other.value});
  EXPECT_EQ(harness.LeaseTo(harness.Register("w3")), std::nullopt);
}

}  // namespace
}  // namespace lwq::coordinator
