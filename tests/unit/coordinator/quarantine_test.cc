// SPDX-License-Identifier: Apache-2.0
// Devices on which tasks fail, and tasks that fail on devices, through the scheduler.
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
using testing::NamedArtifact;
using testing::NoopSpec;
using testing::SchedulerHarness;
using testing::VirtualFleet;
using testing::WorkerNamed;

std::string LogOf(const RunEntry& run) {
  std::string text;
  for (const LogRecord& line : run.logs) absl::StrAppend(&text, line.worker, ": ", line.text, "\n");
  return text;
}

TEST(AnotherDeviceTest, ATaskThatFailedOnADeviceGoesToAnotherWhereOneFitsIt) {
  SchedulerHarness harness;
  const WorkerId a = harness.Register("a");
  const WorkerId b = harness.Register("b");
  const RunId run = harness.Submit(NoopSpec(1));
  const Lease lease = *harness.LeaseTo(a);
  ASSERT_TRUE(harness.Fail(a, lease, FailureCause::kDevice, "illegal memory access").ok());
  harness.Advance(1000);
  EXPECT_EQ(harness.LeaseTo(a), std::nullopt) << "b is there";
  EXPECT_THAT(Why(harness.state(), harness.run(run), 0, harness.now()),
              Contains(HasSubstr("it has failed on a: another worker goes first")));
  ASSERT_TRUE(harness.LeaseTo(b).has_value());
}

TEST(AnotherDeviceTest, WhereNoOtherFitsItTheSameTriesAgainUntilItsBudgetIsSpent) {
  SchedulerHarness harness;
  const WorkerId a = harness.Register("a");
  WorkerRecord other = WorkerNamed("b");
  other.kinds = {TaskKind::kEmbed};
  harness.Register(other);
  const RunId run = harness.Submit(NoopSpec(1));
  for (int attempt = 1; attempt <= 3; ++attempt) {
    const std::optional<Lease> lease = harness.LeaseTo(a);
    ASSERT_TRUE(lease.has_value()) << attempt;
    ASSERT_TRUE(harness.Fail(a, *lease, FailureCause::kDevice, "illegal memory access").ok());
    harness.Advance(2000);
  }
  EXPECT_EQ(harness.run(run).record.state, RunState::kFailed);
  EXPECT_THAT(harness.run(run).record.error, HasSubstr("illegal memory access (3 times, on a)"));
}

TEST(AnotherDeviceTest, ATaskThatFailsOnThreeDevicesFailsItsRunAndNamesThem) {
  SchedulerHarness harness;
  for (const char* name : {"a", "b", "c", "d"}) harness.Register(name);
  const RunId run = harness.Submit(NoopSpec(1));
  for (int attempt = 1; attempt <= 3; ++attempt) {
    std::optional<Lease> lease;
    for (const auto& [name, id] : std::map(harness.state().workers_by_name)) {
      lease = harness.LeaseTo(id);
      if (!lease.has_value()) continue;
      ASSERT_TRUE(harness.Fail(id, *lease, FailureCause::kDevice, "illegal memory access").ok());
      break;
    }
    ASSERT_TRUE(lease.has_value()) << attempt;
    harness.Advance(2000);
  }
  EXPECT_EQ(harness.run(run).record.state, RunState::kFailed);
  EXPECT_THAT(harness.run(run).record.error, HasSubstr("illegal memory access (3 times, on a, b and c)"));
  for (const char* name : {"a", "b", "c", "d"}) EXPECT_EQ(harness.state().health.StandingOf(name), Standing::kTrusted);
}

TEST(AnotherDeviceTest, ATaskThatKillsItsWorkersEndsOnItsSixthDevice) {
  SchedulerHarness harness;
  const RunId run = harness.Submit(NoopSpec(1));
  for (int i = 0; i < 6; ++i) {
    const WorkerId worker = harness.Register(absl::StrCat("w", i));
    ASSERT_TRUE(harness.LeaseTo(worker).has_value()) << i;
    harness.Advance(harness.options().lease_ms);
  }
  EXPECT_EQ(harness.run(run).record.state, RunState::kFailed);
  EXPECT_THAT(harness.run(run).record.error, HasSubstr("(6 times, on w0, w1, w2, w3, w4 and w5)"));
}

// Fails the tasks of two runs on `worker`, whatever it is given.
void FailTwice(SchedulerHarness& harness, const WorkerId& worker) {
  for (int i = 0; i < 2; ++i) {
    const std::optional<Lease> lease = harness.LeaseTo(worker);
    ASSERT_TRUE(lease.has_value());
    ASSERT_TRUE(harness.Fail(worker, *lease, FailureCause::kDevice, "ECC error").ok());
  }
}

class QuarantineTest : public ::testing::Test {
 protected:
  QuarantineTest() {
    bad_ = harness_.Register("bad");
    good_ = harness_.Register("good");
    for (int i = 0; i < 6; ++i) runs_.push_back(harness_.Submit(NoopSpec(1, i + 1)));
    FailTwice(harness_, bad_);
  }
  SchedulerHarness harness_;
  WorkerId bad_, good_;
  std::vector<RunId> runs_;
};

TEST_F(QuarantineTest, ADeviceOnWhichTasksOfDifferentRunsFailGetsNothingForAWhileAndThenOneTask) {
  EXPECT_EQ(harness_.LeaseTo(bad_), std::nullopt);
  EXPECT_FALSE(HasTaskFor(harness_.state(), harness_.state().workers.at(bad_)));
  EXPECT_THAT(LogOf(harness_.run(runs_[1])),
              HasSubstr("worker bad is given nothing for 30 s: 2 tasks of 2 runs failed on it and on no other worker; "
                        "last: ECC error (lwq workers --release bad)"));
  EXPECT_THAT(Why(harness_.state(), harness_.run(runs_[4]), 0, harness_.now()),
              Contains("2 workers fit it, 1 of them idle, 1 in quarantine (lwq workers)"));
  while (harness_.now().steady_ms < 1'030'000) {  // heartbeats for half a minute
    harness_.Advance(5000);
    harness_.Beat(bad_);
    harness_.Beat(good_);
  }
  const std::optional<Lease> probe = harness_.LeaseTo(bad_);
  ASSERT_TRUE(probe.has_value());
  EXPECT_NE(harness_.run(runs_[0]).tasks[0].key, probe->task) << "no task is probed with that has failed anywhere";
  EXPECT_NE(harness_.run(runs_[1]).tasks[0].key, probe->task);
  ASSERT_TRUE(harness_.Fail(bad_, *probe, FailureCause::kDevice).ok());
  EXPECT_EQ(*harness_.state().health.QuarantinedUntil("bad"), harness_.now().steady_ms + 60'000) << "twice as long";
  EXPECT_EQ(testing::CheckIndexes(harness_.state()), "");
}

TEST_F(QuarantineTest, ItWorksAllTheSameWhereNobodyElseCan) {
  ASSERT_EQ(harness_.LeaseTo(bad_), std::nullopt);
  Heartbeat ending;
  ending.worker = good_;
  ending.draining = true;
  harness_.Do(ending);
  EXPECT_TRUE(harness_.LeaseTo(bad_).has_value());
}

TEST_F(QuarantineTest, ANewProcessOfTheSameNameIsTheSameDevice) {
  const WorkerId again = harness_.Register("bad");
  EXPECT_EQ(harness_.LeaseTo(again), std::nullopt);
}

TEST_F(QuarantineTest, AnOperatorCanEndItAndARestartDoes) {
  EXPECT_EQ(harness_.Do(ReleaseWorker{"nobody"}).status.code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(harness_.Do(ReleaseWorker{"bad"}).status.ok());
  EXPECT_TRUE(harness_.LeaseTo(bad_).has_value());
  SchedulerHarness other;
  const WorkerId bad = other.Register("bad");
  other.Register("good");
  for (int i = 0; i < 3; ++i) other.Submit(NoopSpec(1, i + 1));
  FailTwice(other, bad);
  ASSERT_EQ(other.LeaseTo(bad), std::nullopt);
  other.Restart();
  EXPECT_TRUE(other.LeaseTo(bad).has_value());
}

TEST(AnotherDeviceTest, DevicesThatAreProbedDoNotLeaveATaskToEachOther) {
  SchedulerHarness harness;
  const WorkerId a = harness.Register("a"), b = harness.Register("b"), c = harness.Register("c");
  for (int i = 0; i < 8; ++i) harness.Submit(NoopSpec(1, i + 1));
  FailTwice(harness, a);
  FailTwice(harness, b);
  // Of the four tasks each has failed on one device only; then both are tried again, and c goes.
  for (int i = 0; i < 6; ++i) {
    harness.Advance(5000);
    for (const WorkerId& worker : {a, b, c}) harness.Beat(worker);
  }
  ASSERT_EQ(harness.state().health.StandingOf("a"), Standing::kProbed);
  ASSERT_EQ(harness.state().health.StandingOf("b"), Standing::kProbed);
  Heartbeat ending;
  ending.worker = c;
  ending.draining = true;
  harness.Do(ending);
  for (int i = 0; i < 8; ++i) {
    const WorkerId& worker = i % 2 == 0 ? a : b;
    const std::optional<Lease> lease = harness.LeaseTo(worker);
    ASSERT_TRUE(lease.has_value()) << i;
    ASSERT_TRUE(harness.Succeed(worker, *lease).ok());
  }
}

double BadIsQuick(const TaskDef& def, const WorkerRecord& worker) {
  if (worker.name == "bad") return 1;
  return def.kind == TaskKind::kTrainBlock ? 60 : 5;
}

void SubmitModels(VirtualFleet& fleet) {
  for (int run = 0; run < 24; ++run) {
    RunSpec spec = BlockApSpec(4);
    spec.model->files = NamedArtifact(absl::StrCat("model ", run));
    fleet.Submit(spec);
  }
}

double MakespanOfGood(int workers) {
  VirtualFleet fleet({}, BadIsQuick);
  for (int i = 0; i < workers; ++i) fleet.Add(WorkerNamed(absl::StrCat("good", i)));
  SubmitModels(fleet);
  return fleet.RunToEnd();
}

TEST(QuarantineSimulationTest, OneBadWorkerAmongGoodOnesCostsNextToNothingAndNoOtherIsQuarantined) {
  for (const FailureCause cause : {FailureCause::kDevice, FailureCause::kMemory, FailureCause::kInfrastructure}) {
    const auto fails = [&](const Lease&, const WorkerRecord& worker) {
      return worker.name == "bad" ? std::make_optional(cause) : std::nullopt;
    };
    VirtualFleet fleet({}, BadIsQuick, fails);
    fleet.Add(WorkerNamed("bad"));
    for (int i = 0; i < 7; ++i) fleet.Add(WorkerNamed(absl::StrCat("good", i)));
    int on_bad = 0;
    fleet.Watch([&](const WorkerRecord& worker, const Lease&, double, double) {
      on_bad += worker.name == "bad" ? 1 : 0;
      for (int i = 0; i < 7; ++i) {
        ASSERT_EQ(fleet.state().health.StandingOf(absl::StrCat("good", i)), Standing::kTrusted);
      }
    });
    SubmitModels(fleet);
    const double makespan = fleet.RunToEnd();
    for (const auto& [id, run] : fleet.state().runs) EXPECT_EQ(run.record.state, RunState::kSucceeded);
    EXPECT_LE(makespan, 1.1 * MakespanOfGood(7)) << FailureCauseName(cause);
    EXPECT_NE(fleet.state().health.StandingOf("bad"), Standing::kTrusted);
    EXPECT_LT(on_bad, 30) << FailureCauseName(cause);
  }
}

TEST(QuarantineSimulationTest, WithoutQuarantineABadWorkerTakesManyMoreTasks) {
  int on_bad[2] = {};
  for (const int with : {0, 1}) {
    SchedulerOptions options;
    if (with == 0) options.quarantine_ms = 0;
    VirtualFleet fleet(options, BadIsQuick, [](const Lease&, const WorkerRecord& worker) {
      return worker.name == "bad" ? std::make_optional(FailureCause::kDevice) : std::nullopt;
    });
    for (const char* name : {"bad", "good0", "good1", "good2"}) fleet.Add(WorkerNamed(name));
    fleet.Watch([&](const WorkerRecord& worker, const Lease&, double, double) {
      on_bad[with] += worker.name == "bad" ? 1 : 0;
    });
    SubmitModels(fleet);
    fleet.RunToEnd();
  }
  EXPECT_LT(10 * on_bad[1], on_bad[0]);
}

TEST(QuarantineSimulationTest, OneBadTaskFailsItsRunOnThreeDevicesAndQuarantinesNobody) {
  std::optional<Digest> bad;
  std::set<std::string> devices;
  VirtualFleet fleet({}, BadIsQuick, [&](const Lease& lease, const WorkerRecord& worker) {
    if (!bad.has_value() && lease.def->kind == TaskKind::kTrainBlock) bad = lease.task;
    if (bad != lease.task) return std::optional<FailureCause>();
    devices.insert(worker.name);
    return std::make_optional(FailureCause::kDevice);
  });
  for (int i = 0; i < 6; ++i) fleet.Add(WorkerNamed(absl::StrCat("good", i)));
  fleet.Watch([&](const WorkerRecord& worker, const Lease&, double, double) {
    ASSERT_EQ(fleet.state().health.StandingOf(worker.name), Standing::kTrusted);
  });
  SubmitModels(fleet);
  fleet.RunToEnd();
  EXPECT_EQ(devices.size(), 3u);
  int failed = 0;
  for (const auto& [id, run] : fleet.state().runs) failed += run.record.state == RunState::kFailed ? 1 : 0;
  EXPECT_EQ(failed, 1);
}

}  // namespace
}  // namespace lwq::coordinator
