// SPDX-License-Identifier: Apache-2.0
// Workers: leases, heartbeats, reports, silence, drain, rewinds.
#include "coordinator/scheduler/state/restore.h"
#include "coordinator/scheduler/step/step.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::BlockApSpec;
using testing::CheckIndexes;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::NoopSpec;
using testing::SchedulerHarness;
using testing::WorkerNamed;

TEST(RegisterWorkerTest, ImpossibleCapabilitiesAreRefused) {
  SchedulerHarness harness;
  const auto refused = [&](auto spoil, const char* what) {
    WorkerRecord worker = WorkerNamed("a");
    spoil(worker);
    const Effects effects = harness.Do(RegisterWorker{worker});
    EXPECT_EQ(effects.status.code(), absl::StatusCode::kInvalidArgument) << what;
    EXPECT_THAT(std::string(MessageOf(effects.status)), HasSubstr(what));
    EXPECT_THAT(effects.changes, IsEmpty());
  };
  refused([](WorkerRecord& w) { w.numerics_class = ""; }, "numerics_class is empty");
  refused([](WorkerRecord& w) { w.memory_bytes = 0; }, "memory_bytes is 0");
  refused([](WorkerRecord& w) { w.memory_bytes = -5; }, "memory_bytes is -5");
  refused([](WorkerRecord& w) { w.max_threads = 0; }, "max_threads is 0");
  refused([](WorkerRecord& w) { w.name = "a\nb"; }, "control character");
  refused([](WorkerRecord& w) { w.device = std::string(1000, 'x'); }, "at most 512 bytes");
}

TEST(RegisterWorkerTest, ANewProcessOfTheSameNameTakesTheLeaseOfTheDeadOneAtOnce) {
  SchedulerHarness harness;
  const WorkerId old = harness.Register("a");
  harness.Submit(NoopSpec(1));
  const Lease lease = *harness.LeaseTo(old);
  const WorkerId fresh = harness.Register("a");
  EXPECT_NE(fresh, old);
  const std::optional<Lease> again = harness.LeaseTo(fresh);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->task, lease.task);
  EXPECT_EQ(again->token, lease.token + 1);
  EXPECT_EQ(harness.Do(LeaseTask{old}).status.code(), absl::StatusCode::kNotFound);
}

TEST(RegisterWorkerTest, WorkersWithoutANameNeverReplaceEachOther) {
  SchedulerHarness harness;
  const WorkerId one = harness.Register("");
  const WorkerId two = harness.Register("");
  EXPECT_TRUE(harness.Do(LeaseTask{one}).status.ok());
  EXPECT_TRUE(harness.Do(LeaseTask{two}).status.ok());
}

TEST(RegisterWorkerTest, IdsAreNotReusedAfterARestart) {
  SchedulerHarness harness;
  const WorkerId first = harness.Register("a");
  harness.Register("a");  // forgets the first
  harness.Restart();
  const WorkerId third = harness.Register("a");
  EXPECT_EQ(third.value, "w-3");
  EXPECT_EQ(first.value, "w-1");
}

TEST(LeaseTaskTest, AWorkerThatAsksWhileItHoldsALeaseGetsTheSame) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Submit(NoopSpec(2));
  const Lease first = *harness.LeaseTo(worker);
  const Lease second = *harness.LeaseTo(worker);
  EXPECT_EQ(second.task, first.task);
  EXPECT_EQ(second.token, first.token);
  EXPECT_EQ(second.attempt, 1);
}

TEST(LeaseTaskTest, NothingIsLeasedBeforeItsInputsExist) {
  SchedulerHarness harness;
  const WorkerId a = harness.Register("a");
  const WorkerId b = harness.Register("b");
  const WorkerId c = harness.Register("c");
  harness.Submit(BlockApSpec(2));
  EXPECT_EQ(harness.LeaseTo(a)->title, "prepare calibration tokens");
  EXPECT_EQ(harness.LeaseTo(b)->title, "tokenize held-out");
  EXPECT_FALSE(harness.LeaseTo(c).has_value());
}

TEST(LeaseTaskTest, ALeaseCarriesTheContentOfEveryInput) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Submit(BlockApSpec(1));
  const Lease train = harness.RunUntil(worker, "train block 0");
  EXPECT_EQ(train.inputs.size(), train.def->inputs.size());
  EXPECT_EQ(train.action_key, ActionKeyOf(*train.def, train.inputs, 0));
  EXPECT_EQ(train.duration_ms, harness.options().lease_ms);
}

TEST(LeaseTaskTest, HigherPriorityRunsGoFirst) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Submit(NoopSpec(2, 1));
  RunSpec urgent = NoopSpec(2, 2);
  urgent.priority = 10;
  const RunId run = harness.Submit(urgent);
  const Lease lease = *harness.LeaseTo(worker);
  EXPECT_EQ(lease.task, harness.run(run).tasks[0].key);
}

TEST(LeaseTaskTest, ASharedTaskTakesTheHighestPriorityOfItsRunsAndLosesItWhenThatRunIsCancelled) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Submit(NoopSpec(1, 1));  // older
  const RunId plain = harness.Submit(NoopSpec(1, 2));
  RunSpec urgent = NoopSpec(1, 2);
  urgent.priority = 10;
  const RunId boosting = harness.Submit(urgent);
  const Lease boosted = *harness.LeaseTo(worker);
  EXPECT_EQ(boosted.task, harness.run(plain).tasks[0].key);
  ASSERT_TRUE(harness.Release(worker, boosted).ok());
  harness.Do(CancelRun{boosting.value});
  EXPECT_NE(harness.LeaseTo(worker)->task, harness.run(plain).tasks[0].key);
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

TEST(LeaseTaskTest, AnUnknownWorkerIsToldToRegister) {
  SchedulerHarness harness;
  const Effects effects = harness.Do(LeaseTask{WorkerId{"w-99"}});
  EXPECT_EQ(effects.status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(MessageOf(effects.status)), HasSubstr("register again"));
}

TEST(ExpiryTest, ASilentWorkersTaskIsGivenToAnotherAndItsLateReportChangesNothing) {
  SchedulerHarness harness;
  const WorkerId a = harness.Register("a");
  harness.Submit(NoopSpec(1));
  const Lease lease = *harness.LeaseTo(a);
  harness.Advance(harness.options().lease_ms + 1);
  const WorkerId b = harness.Register("b");
  const Lease again = *harness.LeaseTo(b);
  EXPECT_EQ(again.task, lease.task);
  EXPECT_EQ(again.attempt, 2);
  const std::string before = testing::DescribeDurable(harness.state());
  EXPECT_EQ(harness.Succeed(a, lease).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(testing::DescribeDurable(harness.state()), before);
  const std::vector<LostLease> lost = harness.Beat(a, {lease});
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_THAT(lost[0].reason, HasSubstr("another worker's"));
  EXPECT_TRUE(harness.Succeed(b, again).ok());
}

TEST(ExpiryTest, HeartbeatsKeepALeaseForAsLongAsTheyCome) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Submit(NoopSpec(1));
  const Lease lease = *harness.LeaseTo(worker);
  for (int i = 0; i < 20; ++i) {
    harness.Advance(harness.options().lease_ms - 1);
    EXPECT_THAT(harness.Beat(worker, {lease}), IsEmpty());
  }
  EXPECT_TRUE(harness.Succeed(worker, lease).ok());
}

TEST(ExpiryTest, AHeartbeatAloneExtendsTheLeaseEvenIfItDoesNotNameIt) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Submit(NoopSpec(1));
  const Lease lease = *harness.LeaseTo(worker);
  harness.Advance(harness.options().lease_ms - 1);
  harness.Beat(worker);
  harness.Advance(harness.options().lease_ms - 1);
  EXPECT_TRUE(harness.Succeed(worker, lease).ok());
}

TEST(ExpiryTest, AWorkerThatComesBackAfterItsLeaseKeepsItsIdUntilItIsForgotten) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Advance(harness.options().lease_ms + 1);
  EXPECT_FALSE(harness.state().workers.at(worker).alive);
  EXPECT_TRUE(harness.Do(LeaseTask{worker}).status.ok());
  EXPECT_TRUE(harness.state().workers.at(worker).alive);
  harness.Advance(harness.options().forget_worker_ms + 1);
  EXPECT_EQ(harness.Do(LeaseTask{worker}).status.code(), absl::StatusCode::kNotFound);
}

TEST(ExpiryTest, WhenTheCoordinatorItselfStoodStillNobodyLosesALease) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Submit(NoopSpec(1));
  const Lease lease = *harness.LeaseTo(worker);
  State copy = harness.state();
  // One tick long after its deadline: the loop was stopped, not the worker.
  const Instant late{harness.now().steady_ms + 10 * harness.options().lease_ms, 0};
  Step(copy, Tick{}, late);
  EXPECT_EQ(copy.tasks.at(lease.task).record.state, TaskState::kLeased);
  EXPECT_EQ(copy.workers.at(worker).deadline_ms, late.steady_ms + harness.options().lease_ms);
}

TEST(ExpiryTest, ATaskThatKeepsLosingItsWorkersFailsInTheEnd) {
  SchedulerHarness harness;
  const RunId run = harness.Submit(NoopSpec(1));
  for (int i = 0; i < 17; ++i) {
    const WorkerId worker = harness.Register("a");  // takes the place of the dead one
    ASSERT_TRUE(harness.LeaseTo(worker).has_value()) << i;
  }
  harness.Register("a");
  EXPECT_EQ(harness.run(run).record.state, RunState::kFailed);
  EXPECT_THAT(harness.run(run).record.error, HasSubstr("fell silent while executing it (17 times, on a)"));
}

TEST(ReportTaskTest, ARepeatedReportHasNoFurtherEffect) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Submit(NoopSpec(1));
  const Lease lease = *harness.LeaseTo(worker);
  ASSERT_TRUE(harness.Succeed(worker, lease).ok());
  const std::string before = testing::DescribeDurable(harness.state());
  EXPECT_TRUE(harness.Succeed(worker, lease).ok());
  EXPECT_TRUE(harness.Fail(worker, lease, FailureCause::kTask).ok()) << "even if it says something else now";
  EXPECT_EQ(testing::DescribeDurable(harness.state()), before);
}

TEST(ReportTaskTest, ARepeatedReportThatAsksForMoreGetsTheLeaseThatTheLostAnswerCarried) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Submit(NoopSpec(3));
  const Lease lease = *harness.LeaseTo(worker);
  ReportTask report;
  report.worker = worker;
  report.task = lease.task;
  report.token = lease.token;
  report.outcome = ReportSuccess{};
  report.lease_next = true;
  const Effects first = harness.Do(report);
  const Effects repeated = harness.Do(report);
  const auto& next = std::get<LeaseReply>(first.reply).lease;
  const auto& again = std::get<LeaseReply>(repeated.reply).lease;
  ASSERT_TRUE(next.has_value() && again.has_value());
  EXPECT_EQ(next->task, again->task);
  EXPECT_EQ(next->token, again->token);
}

TEST(ReportTaskTest, LeaseNextOffersWhatTheReportItselfMadeReady) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  RunSpec spec = BlockApSpec(1);
  spec.eval_texts.clear();
  harness.Submit(spec);
  const Lease lease = *harness.LeaseTo(worker);
  ReportTask report;
  report.worker = worker;
  report.task = lease.task;
  report.token = lease.token;
  report.outcome = testing::HonestSuccess(lease);
  report.lease_next = true;
  const auto next = std::get<LeaseReply>(harness.Do(report).reply).lease;
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->title, "embed calibration tokens");
}

TEST(ReportTaskTest, AnotherWorkersTokenIsAborted) {
  SchedulerHarness harness;
  const WorkerId a = harness.Register("a");
  const WorkerId b = harness.Register("b");
  harness.Submit(NoopSpec(1));
  const Lease lease = *harness.LeaseTo(a);
  EXPECT_EQ(harness.Succeed(b, lease).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(harness.task(lease.task).state, TaskState::kLeased);
}

TEST(ReportTaskTest, AnUnknownTaskIsAborted) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  Lease lease;
  lease.task = DigestOf("nothing");
  lease.token = 1;
  lease.def = std::make_shared<const TaskDef>();
  EXPECT_EQ(harness.Succeed(worker, lease).code(), absl::StatusCode::kAborted);
}

TEST(ReportTaskTest, ASuccessWithoutItsOutputIsTheTasksFailure) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId run = harness.Submit(BlockApSpec(1));
  const Lease lease = *harness.LeaseTo(worker);
  ReportTask report;
  report.worker = worker;
  report.task = lease.task;
  report.token = lease.token;
  report.outcome = ReportSuccess{};
  EXPECT_TRUE(harness.Do(report).status.ok());
  EXPECT_THAT(harness.run(run).record.error, HasSubstr("reported success without output 'tokens'"));
}

TEST(ReportTaskTest, AnEvaluationThatMeasuredNothingUsableIsTheTasksFailure) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "reported nothing that was measured"},
      {R"({"tokens":3})", "reported nothing that was measured"},
      {R"({"measured":[]})", "reported nothing that was measured"},
      {"[]", "metrics that are not a JSON object"},
      {"nonsense", "metrics that are not a JSON object"},
      {R"({"perplexity":null,"tokens":3})", "unusable measurements: metrics: 'perplexity' must be a number"},
      {R"({"measured":[{"metric":"accuracy","count":3}]})", "unusable measurements: measured: 'value' is missing"},
  };
  for (const auto& [metrics, problem] : cases) {
    SchedulerHarness harness;
    const WorkerId worker = harness.Register("a");
    const RunId run = harness.Submit(BlockApSpec(1));
    const Lease lease = harness.RunUntil(worker, "perplexity of fp on held-out");
    ReportTask report;
    report.worker = worker;
    report.task = lease.task;
    report.token = lease.token;
    report.outcome = ReportSuccess{.outputs = {}, .metrics_json = metrics, .from_cache = false};
    EXPECT_TRUE(harness.Do(report).status.ok());
    EXPECT_EQ(harness.run(run).record.state, RunState::kFailed) << metrics;
    EXPECT_THAT(harness.run(run).record.error, HasSubstr(problem)) << metrics;
  }
}

TEST(ReportTaskTest, InfrastructureFailuresAreTriedAgainAfterABackOffThatDoubles) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId run = harness.Submit(NoopSpec(1));
  for (const int64_t delay_ms : {500, 1000, 2000, 4000, 8000}) {
    const Lease lease = *harness.LeaseTo(worker);
    ASSERT_TRUE(harness.Fail(worker, lease, FailureCause::kInfrastructure, "disk full").ok());
    harness.Advance(delay_ms - 1);
    EXPECT_FALSE(harness.LeaseTo(worker).has_value()) << delay_ms;
    EXPECT_EQ(CheckIndexes(harness.state()), "");
    harness.Advance(1);
  }
  ASSERT_TRUE(harness.Fail(worker, *harness.LeaseTo(worker), FailureCause::kInfrastructure, "disk full").ok());
  EXPECT_EQ(harness.run(run).record.error, "no-op 0: disk full (6 times, on a)");
}

TEST(ReportTaskTest, ABackOffEndsWithARestart) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Submit(NoopSpec(1));
  ASSERT_TRUE(harness.Fail(worker, *harness.LeaseTo(worker), FailureCause::kInfrastructure).ok());
  harness.Restart();
  EXPECT_TRUE(harness.LeaseTo(worker).has_value());
}

TEST(ReportTaskTest, DivergedIsRetriedAsAnotherActionWithHalfTheRates) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId run = harness.Submit(BlockApSpec(1));
  Lease lease = harness.RunUntil(worker, "train block 0");
  const Digest first_action = lease.action_key;
  for (int halvings = 1; halvings <= 2; ++halvings) {
    ASSERT_TRUE(harness.Fail(worker, lease, FailureCause::kDiverged, "block 0 epoch 1 step 3: loss is nan").ok());
    lease = harness.RunUntil(worker, "train block 0");
    EXPECT_EQ(lease.lr_halvings, halvings);
    EXPECT_NE(lease.action_key, first_action);
  }
  ASSERT_TRUE(harness.Succeed(worker, lease).ok());
  harness.RunToEnd(worker);
  EXPECT_EQ(harness.run(run).record.state, RunState::kSucceeded);
}

TEST(ReportTaskTest, ALostInputMakesItsProducerRunAgainFirst) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId run = harness.Submit(BlockApSpec(1));
  const Lease train = harness.RunUntil(worker, "train block 0");
  const TaskRecord embed = harness.TaskTitled(run, "embed calibration tokens");
  ASSERT_TRUE(harness.Fail(worker, train, FailureCause::kInputLost, "blob gone", "inputs").ok());
  EXPECT_FALSE(harness.state().actions.contains(embed.action_key)) << "its result is forgotten";
  EXPECT_EQ(harness.task(embed.key).state, TaskState::kReady);
  EXPECT_EQ(harness.task(train.task).state, TaskState::kBlocked);
  EXPECT_EQ(CheckIndexes(harness.state()), "");
  harness.Restart();
  EXPECT_EQ(harness.LeaseTo(worker)->title, "embed calibration tokens");
  const Lease again = harness.RunUntil(worker, "train block 0");
  EXPECT_EQ(again.action_key, train.action_key) << "equal bytes, equal action";
  EXPECT_EQ(again.attempt, 2);
  ASSERT_TRUE(harness.Succeed(worker, again).ok());
  harness.RunToEnd(worker);
  EXPECT_EQ(harness.run(run).record.state, RunState::kSucceeded);
}

TEST(ReportTaskTest, ReadyTasksThatReadTheLostInputStepBackUntilItIsMadeAgain) {
  SchedulerHarness harness;
  const WorkerId a = harness.Register("a");
  const RunId run = harness.Submit(BlockApSpec(2));
  const Lease fp1 = harness.RunUntil(a, "advance full-precision block 0");
  ASSERT_TRUE(harness.Succeed(a, fp1).ok());
  // Ready now: full-precision block 1 and training of block 0, which both read what block 0 made.
  const TaskRecord& train = harness.TaskTitled(run, "train block 0");
  ASSERT_EQ(train.state, TaskState::kReady);
  const Lease reader = *harness.LeaseTo(a);
  const Digest ready =
      reader.task == train.key ? harness.TaskTitled(run, "advance full-precision block 1").key : train.key;
  const std::string role = reader.def->inputs.contains("targets") ? "targets" : "activations";
  ASSERT_TRUE(harness.Fail(a, reader, FailureCause::kInputLost, "gone", role).ok());
  EXPECT_EQ(harness.task(ready).state, TaskState::kBlocked);
  EXPECT_EQ(CheckIndexes(harness.state()), "");
  harness.RunToEnd(a);
  EXPECT_EQ(harness.run(run).record.state, RunState::kSucceeded);
}

TEST(ReportTaskTest, ALostInputThatAClientUploadedFailsTheRunAndSaysSo) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId run = harness.Submit(BlockApSpec(1));
  const Lease lease = *harness.LeaseTo(worker);
  ASSERT_TRUE(harness.Fail(worker, lease, FailureCause::kInputLost, "blob abc is gone", "text").ok());
  EXPECT_EQ(harness.run(run).record.state, RunState::kFailed);
  EXPECT_THAT(harness.run(run).record.error,
              HasSubstr("input 'text' is gone or damaged in the object store: submit the run again"));
}

TEST(ReportTaskTest, ALostInputOfAFinishedRunsTaskIsMadeAgainForTheRunThatNeedsIt) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Submit(BlockApSpec(2));
  harness.RunToEnd(worker);
  RunSpec other = BlockApSpec(2);
  other.recipe.wbits = 3;
  const RunId second = harness.Submit(other);
  Lease lease = *harness.LeaseTo(worker);
  ASSERT_EQ(lease.title, "train block 0");
  ASSERT_TRUE(harness.Fail(worker, lease, FailureCause::kInputLost, "gone", "targets").ok());
  EXPECT_EQ(harness.run(second).record.state, RunState::kRunning);
  const std::vector<std::string> titles = harness.RunToEnd(worker);
  EXPECT_EQ(titles[0], "advance full-precision block 0");
  EXPECT_EQ(harness.run(second).record.state, RunState::kSucceeded);
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

TEST(ReportTaskTest, ALeaseWhoseAnswerWasLostIsTakenBackWhenItsInputIsLostMeanwhile) {
  SchedulerHarness harness;
  const WorkerId a = harness.Register("a");
  const WorkerId b = harness.Register("b");
  const RunId run = harness.Submit(BlockApSpec(2));
  ASSERT_TRUE(harness.Succeed(a, harness.RunUntil(a, "advance full-precision block 0")).ok());
  const Lease unheard = *harness.LeaseTo(a);  // reads what block 0 made, as the other worker's task does
  const Lease reader = *harness.LeaseTo(b);
  const std::string role = reader.def->inputs.contains("targets") ? "targets" : "activations";
  ASSERT_TRUE(harness.Fail(b, reader, FailureCause::kInputLost, "gone", role).ok());
  const Lease instead = *harness.LeaseTo(a);
  EXPECT_EQ(instead.title, "advance full-precision block 0");
  EXPECT_EQ(harness.task(unheard.task).state, TaskState::kBlocked);
  EXPECT_EQ(CheckIndexes(harness.state()), "");
  ASSERT_TRUE(harness.Succeed(a, instead).ok());
  harness.RunToEnd(a);
  EXPECT_EQ(harness.run(run).record.state, RunState::kSucceeded);
}

TEST(DrainTest, ADrainingWorkerIsOfferedNothingAndGivesBackWithoutSpendingAnAttempt) {
  SchedulerHarness harness;
  const WorkerId a = harness.Register("a");
  harness.Submit(NoopSpec(2));
  const Lease lease = *harness.LeaseTo(a);
  Heartbeat draining;
  draining.worker = a;
  draining.draining = true;
  ASSERT_TRUE(harness.Do(draining).status.ok());
  ASSERT_TRUE(harness.Release(a, lease).ok());
  EXPECT_FALSE(harness.LeaseTo(a).has_value());
  const WorkerId b = harness.Register("b");
  const Lease again = *harness.LeaseTo(b);
  EXPECT_EQ(again.task, lease.task);
  EXPECT_EQ(again.attempt, 1);
}

TEST(HeartbeatTest, ProgressIsShownAndLogLinesAreKept) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId run = harness.Submit(NoopSpec(1));
  const Lease lease = *harness.LeaseTo(worker);
  const uint64_t revision = harness.run(run).revision;
  Heartbeat beat;
  beat.worker = worker;
  TaskProgress progress;
  progress.task = lease.task;
  progress.token = lease.token;
  progress.progress.stage = "epoch 1";
  progress.progress.step = 3;
  progress.progress.steps = 10;
  progress.progress.loss = 0.5;
  progress.log_lines = {"a line\twith a tab"};
  beat.tasks.push_back(progress);
  ASSERT_TRUE(harness.Do(beat).status.ok());
  EXPECT_EQ(harness.state().tasks.at(lease.task).progress.stage, "epoch 1");
  EXPECT_GT(harness.run(run).revision, revision) << "watchers see it";
  EXPECT_EQ(harness.run(run).logs.back().text, "a line with a tab");
  EXPECT_EQ(harness.run(run).logs.back().worker, "a");
}

TEST(HeartbeatTest, AHeartbeatThatItsOwnReportHasOvertakenLosesNothing) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Submit(NoopSpec(1));
  const Lease lease = *harness.LeaseTo(worker);
  ASSERT_TRUE(harness.Succeed(worker, lease).ok());
  EXPECT_THAT(harness.Beat(worker, {lease}), IsEmpty());
}

TEST(HeartbeatTest, WithoutNewsNothingIsWritten) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Submit(NoopSpec(1));
  const Lease lease = *harness.LeaseTo(worker);
  Heartbeat beat;
  beat.worker = worker;
  TaskProgress progress;
  progress.task = lease.task;
  progress.token = lease.token;
  beat.tasks.push_back(progress);
  EXPECT_THAT(harness.Do(beat).changes, IsEmpty());
}

TEST(RestartTest, RunningTasksKeepTheirLeasesAndTheirHoldersGoOn) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId run = harness.Submit(NoopSpec(2));
  const Lease lease = *harness.LeaseTo(worker);
  harness.Restart();
  EXPECT_EQ(harness.task(lease.task).state, TaskState::kLeased);
  EXPECT_THAT(harness.Beat(worker, {lease}), IsEmpty());
  EXPECT_TRUE(harness.Succeed(worker, lease).ok());
  EXPECT_EQ(harness.task(lease.task).attempts, 1) << "nothing was executed again";
  harness.RunToEnd(worker);
  EXPECT_EQ(harness.run(run).record.state, RunState::kSucceeded);
}

TEST(RestartTest, AHolderThatDiedMeanwhileLosesItsLeaseOneLeaseTimeAfterTheRestart) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Submit(NoopSpec(1));
  const Lease lease = *harness.LeaseTo(worker);
  harness.Restart();
  harness.Advance(harness.options().lease_ms - 1);
  EXPECT_EQ(harness.task(lease.task).state, TaskState::kLeased);
  harness.Advance(2);
  EXPECT_EQ(harness.task(lease.task).state, TaskState::kReady);
}

TEST(RestartTest, TheRestoredStateIsTheStateThatWasStored) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Submit(BlockApSpec(2));
  harness.Submit(NoopSpec(3));
  harness.RunUntil(worker, "train block 1");
  const std::string before = testing::DescribeDurable(harness.state());
  harness.Restart();
  EXPECT_EQ(testing::DescribeDurable(harness.state()), before);
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

TEST(RestartTest, AnInconsistentStoreIsRefused) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Submit(NoopSpec(1));
  const Lease lease = *harness.LeaseTo(worker);
  ASSERT_TRUE(harness.Succeed(worker, lease).ok());
  StatusOr<Records> records = harness.store().Load();
  ASSERT_TRUE(records.ok());
  records->actions.clear();
  const StatusOr<State> state = RestoreState(*records, {}, {});
  EXPECT_EQ(state.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(MessageOf(state.status())), HasSubstr("its result is missing"));
}

// Heartbeats for so many seconds; what the worker was told it has lost.
std::vector<LostLease> BeatFor(SchedulerHarness& harness, const WorkerId& worker, const Lease& lease, int seconds) {
  for (int i = 0; i < seconds; ++i) {
    harness.Advance(1000);
    std::vector<LostLease> lost = harness.Beat(worker, {lease});
    if (!lost.empty()) return lost;
  }
  return {};
}

SchedulerOptions CeilingOf(int64_t least_ms) {
  SchedulerOptions options;
  options.execution_least_ms = least_ms;
  return options;
}

TEST(ExecutionCeilingTest, ATaskThatLivesFarLongerThanSuchTasksTookIsGivenToAnotherWorker) {
  SchedulerHarness harness(CeilingOf(30'000));  // 20 times half a second is less
  const WorkerId hung = harness.Register("a");
  harness.Submit(BlockApSpec(1));
  harness.RunToEnd(hung);
  RunSpec other = BlockApSpec(1);
  other.recipe.seed = 77;
  const RunId run = harness.Submit(other);
  const Lease lease = *harness.LeaseTo(hung);
  EXPECT_THAT(BeatFor(harness, hung, lease, 29), IsEmpty());
  EXPECT_EQ(BeatFor(harness, hung, lease, 2).size(), 1u);
  EXPECT_THAT(harness.run(run).logs.back().text, HasSubstr("it has run for 30 s"));
  EXPECT_EQ(CheckIndexes(harness.state()), "");
  const WorkerId sound = harness.Register("b");
  const std::optional<Lease> again = harness.LeaseTo(sound);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->task, lease.task);
  EXPECT_EQ(harness.Succeed(hung, lease).code(), absl::StatusCode::kAborted) << "too late";
  EXPECT_TRUE(harness.Succeed(sound, *again).ok());
}

TEST(ExecutionCeilingTest, WhatWasNeverMeasuredMayTakeItsTimeAndSoMayAllWithoutACeiling) {
  for (const bool is_measured : {false, true}) {
    SchedulerOptions options = CeilingOf(30'000);
    if (is_measured) options.execution_factor = 0;
    SchedulerHarness harness(options);
    const WorkerId worker = harness.Register("a");
    harness.Submit(BlockApSpec(1));
    if (is_measured) harness.RunToEnd(worker);
    RunSpec other = BlockApSpec(1);
    other.recipe.seed = 77;
    harness.Submit(other);
    const Lease lease = *harness.LeaseTo(worker);
    EXPECT_THAT(BeatFor(harness, worker, lease, 3600), IsEmpty()) << is_measured;
  }
}

TEST(ExecutionCeilingTest, AfterARestartTheTimeStartsAnew) {
  SchedulerHarness harness(CeilingOf(30'000));
  const WorkerId worker = harness.Register("a");
  harness.Submit(BlockApSpec(1));
  harness.RunToEnd(worker);
  RunSpec other = BlockApSpec(1);
  other.recipe.seed = 77;
  harness.Submit(other);
  const Lease lease = *harness.LeaseTo(worker);
  EXPECT_THAT(BeatFor(harness, worker, lease, 20), IsEmpty());
  harness.Restart();
  EXPECT_THAT(BeatFor(harness, worker, lease, 29), IsEmpty());
  EXPECT_EQ(BeatFor(harness, worker, lease, 2).size(), 1u);
}

}  // namespace
}  // namespace lwq::coordinator
