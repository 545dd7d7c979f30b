// SPDX-License-Identifier: Apache-2.0
// Runs: submission, sharing, pinning, cancelling, failing, results.
#include "coordinator/scheduler/foresee/preview.h"
#include "coordinator/scheduler/step/step.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::BlockApSpec;
using testing::CheckIndexes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::NoopSpec;
using testing::RtnSpec;
using testing::SchedulerHarness;
using testing::WorkerNamed;

// A tokenize task's success with the given content, whatever the action.
ReportTask SuccessWithTokens(const WorkerId& worker, const Lease& lease, const std::string& content) {
  ReportTask report;
  report.worker = worker;
  report.task = lease.task;
  report.token = lease.token;
  ReportSuccess success;
  success.outputs["tokens"] = testing::NamedArtifact(content);
  report.outcome = success;
  return report;
}

TEST(SubmitRunTest, APinnedRunWaitsForAWorkerAndThenStarts) {
  SchedulerHarness harness;
  const RunId run = harness.Submit(BlockApSpec(2));
  EXPECT_EQ(harness.run(run).record.state, RunState::kPending);
  EXPECT_THAT(harness.run(run).tasks, IsEmpty());
  harness.Register("a");
  EXPECT_EQ(harness.run(run).record.state, RunState::kRunning);
  EXPECT_EQ(harness.run(run).record.numerics_class, "cpu|avx512|torch|fp32|t1");
  EXPECT_EQ(harness.run(run).record.recipe.precision, Precision::kFp32) << "resolved when pinned";
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

TEST(SubmitRunTest, ARunWithoutPinnedKindsStartsWithoutWorkers) {
  SchedulerHarness harness;
  const RunId run = harness.Submit(NoopSpec(3));
  EXPECT_EQ(harness.run(run).record.state, RunState::kRunning);
  EXPECT_EQ(harness.run(run).tasks.size(), 3u);
}

TEST(SubmitRunTest, PrecisionAutoIsBf16WhereTheWorkersHaveIt) {
  SchedulerHarness harness;
  WorkerRecord worker = WorkerNamed("a");
  worker.hardware_bf16 = true;
  harness.Register(worker);
  const RunId run = harness.Submit(BlockApSpec(1));
  EXPECT_EQ(harness.run(run).record.numerics_class, "cpu|avx512|torch|bf16|t1");
  RunSpec original = BlockApSpec(1);
  original.recipe.preset = "efficientqat";
  EXPECT_EQ(harness.run(harness.Submit(original)).record.numerics_class, "cpu|avx512|torch|fp32|t1");
}

TEST(SubmitRunTest, TheSameRequestIdReturnsTheSameRunAlsoAfterARestart) {
  SchedulerHarness harness;
  const RunId first = harness.Submit(NoopSpec(2), "request");
  EXPECT_EQ(harness.Submit(NoopSpec(2), "request"), first);
  harness.Restart();
  EXPECT_EQ(harness.Submit(NoopSpec(2), "request"), first);
  EXPECT_EQ(harness.state().runs.size(), 1u);
  EXPECT_NE(harness.Submit(NoopSpec(2), ""), first) << "without a request id every submission is a new run";
}

TEST(SubmitRunTest, ARequestIdWithAnotherSpecIsRefused) {
  SchedulerHarness harness;
  harness.Submit(NoopSpec(2), "request");
  const Effects effects = harness.Do(SubmitRun{NoopSpec(3), "request"});
  EXPECT_EQ(effects.status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(effects.changes, IsEmpty());
}

TEST(SubmitRunTest, ARunThatWasPreparedBesideTheLoopIsTheRunThatTheStepWouldHaveMade) {
  for (const RunSpec& spec : {BlockApSpec(3), RtnSpec(2), NoopSpec(5)}) {
    SchedulerHarness prepared;
    SchedulerHarness unprepared;
    for (SchedulerHarness* harness : {&prepared, &unprepared}) {
      harness->Register("a");
      harness->Submit(NoopSpec(3));  // some of its tasks are there
    }
    const SubmitRun submission = prepared.Prepared(spec);
    ASSERT_TRUE(submission.prepared != nullptr && submission.prepared->start.has_value());
    EXPECT_TRUE(prepared.Do(submission).status.ok());
    EXPECT_TRUE(unprepared.Do(SubmitRun{spec, ""}).status.ok());
    EXPECT_EQ(testing::DescribeDurable(prepared.state()), testing::DescribeDurable(unprepared.state()));
    EXPECT_EQ(CheckIndexes(prepared.state()), "");
    prepared.Restart();
    EXPECT_EQ(testing::DescribeDurable(prepared.state()), testing::DescribeDurable(unprepared.state()));
  }
}

TEST(SubmitRunTest, AGraphThatWasPreparedForOtherClassesThanAreChosenNowIsBuiltAnew) {
  SchedulerHarness harness;
  harness.Register(WorkerNamed("a", "class b"));
  const SubmitRun stale = harness.Prepared(BlockApSpec(2));
  ASSERT_EQ(stale.prepared->start->chosen.bases.at(TaskKind::kTrainBlock), "class b");
  for (const char* name : {"b", "c"}) harness.Register(WorkerNamed(name, "class a"));
  const Effects effects = harness.Do(stale);
  ASSERT_TRUE(effects.status.ok()) << effects.status;
  const RunEntry& run = harness.run(std::get<RunReply>(effects.reply).run);
  EXPECT_EQ(run.record.numerics_class, "class a|fp32|t1");
  for (const RunTaskRecord& task : run.tasks) {
    const TaskDef& def = *harness.task(task.key).def;
    EXPECT_EQ(task.key, DerivationKeyOf(def));
    EXPECT_EQ(def.numerics_class.find("class b"), std::string::npos) << task.title;
  }
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

TEST(SubmitRunTest, ARunThatWasPreparedBeforeAnyWorkerWasThereStartsOrWaitsAsThingsAreNow) {
  SchedulerHarness harness;
  const SubmitRun early = harness.Prepared(BlockApSpec(1));
  EXPECT_FALSE(early.prepared->start.has_value());
  const RunId waiting = std::get<RunReply>(harness.Do(early).reply).run;
  EXPECT_EQ(harness.run(waiting).record.state, RunState::kPending);
  harness.Register("a");
  const RunId started = std::get<RunReply>(harness.Do(early).reply).run;
  EXPECT_EQ(harness.run(started).record.state, RunState::kRunning);
  EXPECT_EQ(harness.run(waiting).record.state, RunState::kRunning);
}

TEST(SubmitRunsTest, SeveralRunsInOneStepAreWhatTheyAreOneByOne) {
  SchedulerHarness together;
  SchedulerHarness apart;
  RunSpec other = BlockApSpec(2);
  other.recipe.seed = 77;
  const std::vector<SubmitRun> runs = {{BlockApSpec(2), "a"}, {other, "b"}, {NoopSpec(3), ""}, {NoopSpec(3), ""}};
  for (SchedulerHarness* harness : {&together, &apart}) harness->Register("a");
  const Effects effects = together.Do(SubmitRuns{runs});
  ASSERT_TRUE(effects.status.ok()) << effects.status;
  std::vector<RunId> one_by_one;
  for (const SubmitRun& run : runs) one_by_one.push_back(apart.Submit(run.spec, run.request_id));
  EXPECT_EQ(std::get<RunsReply>(effects.reply).runs, one_by_one);
  EXPECT_EQ(testing::DescribeDurable(together.state()), testing::DescribeDurable(apart.state()));
  EXPECT_EQ(CheckIndexes(together.state()), "");
  together.Restart();
  EXPECT_EQ(testing::DescribeDurable(together.state()), testing::DescribeDurable(apart.state()));
  EXPECT_EQ(std::get<RunsReply>(together.Do(SubmitRuns{{runs[0], runs[1]}}).reply).runs,
            (std::vector<RunId>{one_by_one[0], one_by_one[1]}))
      << "by their request ids";
}

TEST(SubmitRunsTest, OneThatIsRefusedLeavesNothingOfTheOthers) {
  SchedulerHarness harness;
  WorkerRecord small = WorkerNamed("a");
  small.memory_bytes = 1 << 20;
  harness.Register(small);
  harness.Submit(NoopSpec(1), "used");
  const std::string before = testing::DescribeDurable(harness.state());
  RunSpec wrong = NoopSpec(1);
  wrong.recipe.train_size = -1;
  const SubmitRun good{NoopSpec(2), "new"};
  const std::vector<std::pair<SubmitRun, absl::StatusCode>> bad = {
      {{wrong, ""}, absl::StatusCode::kInvalidArgument},
      {{NoopSpec(2), std::string(201, 'x')}, absl::StatusCode::kInvalidArgument},
      {{NoopSpec(3), "new"}, absl::StatusCode::kInvalidArgument},
      {{NoopSpec(2), "used"}, absl::StatusCode::kAlreadyExists},
      {{BlockApSpec(1), ""}, absl::StatusCode::kFailedPrecondition},
  };
  for (const auto& [run, code] : bad) {
    const Effects effects = harness.Do(SubmitRuns{{good, run}});
    EXPECT_EQ(effects.status.code(), code) << effects.status;
    EXPECT_THAT(std::string(MessageOf(effects.status)), ::testing::StartsWith("run 2 of 2"));
    EXPECT_THAT(effects.changes, IsEmpty());
    EXPECT_EQ(testing::DescribeDurable(harness.state()), before);
  }
  EXPECT_EQ(harness.Do(SubmitRuns{}).status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(harness.Do(SubmitRuns{{good}}).status.ok()) << "nothing of it was remembered";
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

TEST(SubmitRunTest, ARefusedSpecLeavesNothingBehind) {
  SchedulerHarness harness;
  RunSpec spec = BlockApSpec(2);
  spec.recipe.wbits = 7;
  const Effects effects = harness.Do(SubmitRun{spec, "request"});
  EXPECT_EQ(effects.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(effects.changes, IsEmpty());
  EXPECT_THAT(harness.state().runs, IsEmpty());
}

TEST(RunTest, ABlockApRunEndsWithPerplexitiesExportAndDigest) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId run = harness.Submit(BlockApSpec(2));
  harness.RunToEnd(worker);
  const RunRecord& record = harness.run(run).record;
  ASSERT_EQ(record.state, RunState::kSucceeded) << record.error;
  ASSERT_EQ(record.result.measured.size(), 2u);
  EXPECT_EQ(record.result.measured[0], (Measured{"fp", "held-out", kPerplexityMetric, 2.5, std::nullopt, 100, true}));
  EXPECT_EQ(record.result.measured[1].subject, "block_ap");
  EXPECT_TRUE(record.result.exported.has_value());
  EXPECT_EQ(record.result.result_digest.size(), 64u);
  EXPECT_EQ(CheckIndexes(harness.state()), "");
  const RunResult before = record.result;
  harness.Restart();
  EXPECT_EQ(harness.run(run).record.result, before);
}

TEST(RunTest, TheResultDigestChangesWithAnyCheckpoint) {
  SchedulerHarness a;
  SchedulerHarness b;
  const RunId run_a = a.Submit(BlockApSpec(2));
  RunSpec other = BlockApSpec(2);
  other.recipe.quant_lr = 3e-4;
  const RunId run_b = b.Submit(other);
  a.RunToEnd(a.Register("a"));
  b.RunToEnd(b.Register("a"));
  EXPECT_NE(a.run(run_a).record.result.result_digest, b.run(run_b).record.result.result_digest);
}

TEST(RunTest, TheFullPrecisionChainRunsAheadOnTheCriticalPath) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Submit(BlockApSpec(2));
  const std::vector<std::string> titles = harness.RunToEnd(worker);
  EXPECT_THAT(std::vector<std::string>(titles.begin(), titles.begin() + 4),
              ElementsAre("prepare calibration tokens", "embed calibration tokens", "advance full-precision block 0",
                          "train block 0"));
}

TEST(SharingTest, TwoConcurrentRunsOfOneRecipeExecuteEachTaskOnce) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId first = harness.Submit(BlockApSpec(2));
  const RunId second = harness.Submit(BlockApSpec(2));
  const size_t executed = harness.RunToEnd(worker).size();
  EXPECT_EQ(executed, harness.run(first).tasks.size());
  EXPECT_EQ(harness.run(first).record.state, RunState::kSucceeded);
  EXPECT_EQ(harness.run(second).record.state, RunState::kSucceeded);
  EXPECT_EQ(harness.run(first).record.result, harness.run(second).record.result);
  for (const RunTaskRecord& task : harness.run(second).tasks) EXPECT_TRUE(task.shared) << task.title;
  for (const RunTaskRecord& task : harness.run(first).tasks) EXPECT_FALSE(task.shared) << task.title;
}

TEST(SharingTest, ALaterRunOfTheSameRecipeExecutesNothing) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Submit(BlockApSpec(2));
  harness.RunToEnd(worker);
  harness.Restart();
  const RunId again = harness.Submit(BlockApSpec(2));
  EXPECT_EQ(harness.run(again).record.state, RunState::kSucceeded) << "at once";
  EXPECT_FALSE(harness.LeaseTo(worker).has_value());
}

TEST(SharingTest, RecipesThatDifferShareTheFullPrecisionChain) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Submit(BlockApSpec(3));
  harness.RunToEnd(worker);
  RunSpec other = BlockApSpec(3);
  other.recipe.wbits = 3;
  harness.Submit(other);
  for (const std::string& title : harness.RunToEnd(worker)) {
    EXPECT_THAT(title, ::testing::Not(HasSubstr("full-precision")));
    EXPECT_THAT(title, ::testing::Not(HasSubstr("evaluate fp")));
  }
}

TEST(SharingTest, DifferentPlansThatMeetInEqualBytesShareTheAction) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Submit(BlockApSpec(1));
  harness.RunToEnd(worker);
  // Another seed draws other windows, but the worker makes the same bytes of them: what follows is known.
  RunSpec other = BlockApSpec(1);
  other.recipe.seed = 77;
  const RunId run = harness.Submit(other);
  const std::optional<Lease> tokenize = harness.LeaseTo(worker);
  ASSERT_TRUE(tokenize.has_value());
  ASSERT_EQ(tokenize->title, "prepare calibration tokens");
  ReportTask report;
  report.worker = worker;
  report.task = tokenize->task;
  report.token = tokenize->token;
  ReportSuccess success;
  success.outputs["tokens"] =
      harness.state()
          .actions
          .at(harness.TaskTitled(RunId(harness.state().runs_by_sequence.at(1)), "prepare calibration tokens")
                  .action_key)
          .outputs.at("tokens");
  report.outcome = success;
  ASSERT_TRUE(harness.Do(report).status.ok());
  EXPECT_EQ(harness.run(run).record.state, RunState::kSucceeded);
  EXPECT_TRUE(harness.TaskTitled(run, "train block 0").from_cache);
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

TEST(SharingTest, AnEqualActionInFlightIsWaitedForInsteadOfDoneTwice) {
  SchedulerHarness harness;
  const WorkerId a = harness.Register("a");
  const WorkerId b = harness.Register("b");
  // Two texts of different content whose tokens come out equal: from there on both runs do the same.
  RunSpec one = BlockApSpec(1);
  RunSpec two = BlockApSpec(1);
  two.recipe.seed = 77;
  const RunId first = harness.Submit(one);
  const RunId second = harness.Submit(two);
  const Lease lease_a = harness.RunUntil(a, "prepare calibration tokens");
  const Lease lease_b = harness.RunUntil(b, "prepare calibration tokens");
  ASSERT_NE(lease_a.task, lease_b.task);
  ASSERT_TRUE(harness.Do(SuccessWithTokens(a, lease_a, "the same tokens")).status.ok());
  ASSERT_TRUE(harness.Do(SuccessWithTokens(b, lease_b, "the same tokens")).status.ok());
  EXPECT_EQ(CheckIndexes(harness.state()), "");
  const Digest embed_one = harness.TaskTitled(first, "embed calibration tokens").key;
  const Digest embed_two = harness.TaskTitled(second, "embed calibration tokens").key;
  EXPECT_NE(embed_one, embed_two);
  EXPECT_EQ(harness.task(embed_one).state, TaskState::kReady);
  EXPECT_EQ(harness.task(embed_two).state, TaskState::kBlocked) << "it waits for the other";
  harness.Restart();  // the wait is found again
  const Lease embed = harness.RunUntil(a, "embed calibration tokens");
  ASSERT_TRUE(harness.Succeed(a, embed).ok());
  EXPECT_EQ(harness.task(embed_two).state, TaskState::kSucceeded);
  EXPECT_TRUE(harness.task(embed_two).from_cache);
  harness.RunToEnd(a);
  EXPECT_EQ(harness.run(first).record.state, RunState::kSucceeded);
  EXPECT_EQ(harness.run(second).record.state, RunState::kSucceeded);
}

TEST(SharingTest, WhoWaitsForAnEqualActionTakesOverWhenItsOwnerIsCancelled) {
  SchedulerHarness harness;
  const WorkerId a = harness.Register("a");
  const RunId first = harness.Submit(BlockApSpec(1));
  RunSpec other = BlockApSpec(1);
  other.recipe.seed = 77;
  const RunId second = harness.Submit(other);
  const WorkerId b = harness.Register("b");
  const Lease lease_a = harness.RunUntil(a, "prepare calibration tokens");
  const Lease lease_b = harness.RunUntil(b, "prepare calibration tokens");
  ASSERT_TRUE(harness.Do(SuccessWithTokens(a, lease_a, "the same tokens")).status.ok());
  ASSERT_TRUE(harness.Do(SuccessWithTokens(b, lease_b, "the same tokens")).status.ok());
  const Digest waiting = harness.TaskTitled(second, "embed calibration tokens").key;
  ASSERT_EQ(harness.task(waiting).state, TaskState::kBlocked);
  ASSERT_TRUE(harness.Do(CancelRun{first.value}).status.ok());
  EXPECT_EQ(harness.task(waiting).state, TaskState::kReady);
  EXPECT_EQ(CheckIndexes(harness.state()), "");
  harness.RunToEnd(a);
  EXPECT_EQ(harness.run(second).record.state, RunState::kSucceeded);
}

TEST(SharingTest, APausedRunDoesNotHoldUpWhoWaitsForItsEqualAction) {
  SchedulerHarness harness;
  const WorkerId a = harness.Register("a");
  const WorkerId b = harness.Register("b");
  const RunId first = harness.Submit(BlockApSpec(1));
  RunSpec other = BlockApSpec(1);
  other.recipe.seed = 77;
  const RunId second = harness.Submit(other);
  const Lease lease_a = harness.RunUntil(a, "prepare calibration tokens");
  const Lease lease_b = harness.RunUntil(b, "prepare calibration tokens");
  ASSERT_TRUE(harness.Do(PauseRun{first.value}).status.ok());
  ASSERT_TRUE(harness.Do(SuccessWithTokens(a, lease_a, "the same tokens")).status.ok());
  ASSERT_TRUE(harness.Do(SuccessWithTokens(b, lease_b, "the same tokens")).status.ok());
  ASSERT_EQ(harness.task(harness.TaskTitled(second, "embed calibration tokens").key).state, TaskState::kBlocked)
      << "the paused run's task does it";
  EXPECT_EQ(CheckIndexes(harness.state()), "");
  harness.RunToEnd(a);
  EXPECT_EQ(harness.run(second).record.state, RunState::kSucceeded);
  EXPECT_EQ(harness.run(first).record.state, RunState::kSucceeded) << "the same bytes were made for the other";
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

TEST(SharingTest, CancellingOneRunLeavesSharedTasksToTheOther) {
  SchedulerHarness harness;
  const WorkerId a = harness.Register("a");
  const RunId first = harness.Submit(RtnSpec(1));
  const Lease lease = *harness.LeaseTo(a);
  const RunId second = harness.Submit(RtnSpec(1));
  ASSERT_TRUE(harness.Do(CancelRun{first.value}).status.ok());
  EXPECT_EQ(harness.task(lease.task).state, TaskState::kLeased) << "the second run still wants it";
  ASSERT_TRUE(harness.Succeed(a, lease).ok());
  harness.RunToEnd(a);
  EXPECT_EQ(harness.run(first).record.state, RunState::kCancelled);
  EXPECT_EQ(harness.run(second).record.state, RunState::kSucceeded);
}

TEST(CancelRunTest, CancelTakesTasksFromTheirWorkersAtTheNextHeartbeat) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId run = harness.Submit(NoopSpec(2));
  const Lease lease = *harness.LeaseTo(worker);
  ASSERT_TRUE(harness.Do(CancelRun{run.value.substr(0, 5)}).status.ok());
  EXPECT_EQ(harness.run(run).record.state, RunState::kCancelled);
  const std::vector<LostLease> lost = harness.Beat(worker, {lease});
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].token, lease.token);
  EXPECT_EQ(lost[0].reason, "no run wants it any more");
  EXPECT_EQ(harness.Succeed(worker, lease).code(), absl::StatusCode::kAborted);
  EXPECT_FALSE(harness.LeaseTo(worker).has_value());
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

TEST(CancelRunTest, IsIdempotentAndTerminalStatesAbsorbIt) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId done = harness.Submit(NoopSpec(1));
  harness.RunToEnd(worker);
  const Effects effects = harness.Do(CancelRun{done.value});
  EXPECT_TRUE(effects.status.ok());
  EXPECT_THAT(effects.changes, IsEmpty());
  EXPECT_EQ(harness.run(done).record.state, RunState::kSucceeded);
}

TEST(CancelRunTest, APendingRunCanBeCancelled) {
  SchedulerHarness harness;
  const RunId run = harness.Submit(BlockApSpec(1));
  ASSERT_TRUE(harness.Do(CancelRun{run.value}).status.ok());
  harness.Register("a");
  EXPECT_EQ(harness.run(run).record.state, RunState::kCancelled);
}

TEST(CancelRunTest, ACancelledTaskIsDoneWhenALaterRunWantsIt) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId first = harness.Submit(NoopSpec(2));
  const Lease old = *harness.LeaseTo(worker);
  harness.Do(CancelRun{first.value});
  const RunId second = harness.Submit(NoopSpec(2));
  EXPECT_EQ(harness.RunToEnd(worker).size(), 2u);
  EXPECT_EQ(harness.run(second).record.state, RunState::kSucceeded);
  EXPECT_EQ(harness.Succeed(worker, old).code(), absl::StatusCode::kAborted) << "the old token is stale";
}

TEST(FindRunTest, PrefixesNameARunOnlyWhenTheyAreUnique) {
  SchedulerHarness harness;
  const RunId run = harness.Submit(NoopSpec(1));
  EXPECT_EQ(*FindRun(harness.state(), run.value), run);
  EXPECT_EQ(*FindRun(harness.state(), run.value.substr(0, 4)), run);
  EXPECT_EQ(FindRun(harness.state(), run.value.substr(0, 3)).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FindRun(harness.state(), "zzzz").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(FindRun(harness.state(), run.value + "0").status().code(), absl::StatusCode::kNotFound);
}

TEST(PlacementTest, TheNamedClassIsWaitedFor) {
  SchedulerHarness harness;
  harness.Register(WorkerNamed("a", "cpu|avx2|torch"));
  RunSpec spec = BlockApSpec(1);
  spec.numerics_class = "cpu|avx512|torch";
  const RunId run = harness.Submit(spec);
  EXPECT_EQ(harness.run(run).record.state, RunState::kPending);
  harness.Register(WorkerNamed("b", "cpu|avx512|torch"));
  EXPECT_EQ(harness.run(run).record.numerics_class, "cpu|avx512|torch|fp32|t1");
}

TEST(PlacementTest, TheClassWithMostWorkersIsChosenAndTiesGoToTheFirstName) {
  SchedulerHarness harness;
  harness.Register(WorkerNamed("a", "class b"));
  harness.Register(WorkerNamed("b", "class b"));
  harness.Register(WorkerNamed("c", "class a"));
  RunSpec one = BlockApSpec(1);
  EXPECT_EQ(harness.run(harness.Submit(one)).record.numerics_class, "class b|fp32|t1");
  harness.Register(WorkerNamed("d", "class a"));
  RunSpec other_model = BlockApSpec(1);
  other_model.model->files = testing::NamedArtifact("another model");
  EXPECT_EQ(harness.run(harness.Submit(other_model)).record.numerics_class, "class a|fp32|t1");
}

TEST(PlacementTest, AClassThatRunsOfTheSameModelUseIsPreferredSoThatTheyShare) {
  SchedulerHarness harness;
  harness.Register(WorkerNamed("a", "class b"));
  harness.Submit(BlockApSpec(1));
  harness.Register(WorkerNamed("b", "class a"));
  harness.Register(WorkerNamed("c", "class a"));
  RunSpec other = BlockApSpec(1);
  other.recipe.wbits = 4;
  EXPECT_EQ(harness.run(harness.Submit(other)).record.numerics_class, "class b|fp32|t1");
}

TEST(PlacementTest, AWorkerWithTooFewThreadsOrWithoutTheKindDoesNotCount) {
  SchedulerHarness harness;
  WorkerRecord narrow = WorkerNamed("a");
  narrow.max_threads = 1;
  harness.Register(narrow);
  WorkerRecord exporter = WorkerNamed("b");
  exporter.kinds = {TaskKind::kExport};
  harness.Register(exporter);
  RunSpec spec = BlockApSpec(1);
  spec.recipe.threads = 2;
  EXPECT_EQ(harness.run(harness.Submit(spec)).record.state, RunState::kPending);
}

TEST(PlacementTest, ATaskThatFitsNoKnownWorkerIsRefusedWithTheMissingNumber) {
  SchedulerHarness harness;
  WorkerRecord small = WorkerNamed("a");
  small.memory_bytes = 1 << 20;
  harness.Register(small);
  const Effects effects = harness.Do(SubmitRun{BlockApSpec(1), ""});
  EXPECT_EQ(effects.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(MessageOf(effects.status)), HasSubstr("the largest worker for it has 1.0 MiB"));
  EXPECT_THAT(std::string(MessageOf(effects.status)), HasSubstr("are missing"));
}

TEST(PlacementTest, APendingRunWaitsForALargerWorkerAndSaysSoOnce) {
  SchedulerHarness harness;
  const RunId run = harness.Submit(BlockApSpec(1));
  WorkerRecord small = WorkerNamed("a");
  small.memory_bytes = 1 << 20;
  harness.Register(small);
  EXPECT_EQ(harness.run(run).record.state, RunState::kPending);
  small.name = "b";
  harness.Register(small);
  int said = 0;
  for (const LogRecord& line : harness.run(run).logs)
    said += line.text.find("are missing") != std::string::npos ? 1 : 0;
  EXPECT_EQ(said, 1);
  harness.Register(WorkerNamed("c"));
  EXPECT_EQ(harness.run(run).record.state, RunState::kRunning);
}

TEST(PreviewRunTest, CountsTasksAndWhatIsAlreadyDone) {
  SchedulerHarness harness;
  StatusOr<RunPreview> preview = harness.Preview(BlockApSpec(2));
  ASSERT_TRUE(preview.ok()) << preview.status();
  EXPECT_EQ(preview->tasks.at(TaskKind::kTrainBlock), 2);
  EXPECT_TRUE(preview->tasks_shared.empty()) << "no class is known";
  const WorkerId worker = harness.Register("a");
  harness.Submit(BlockApSpec(2));
  harness.RunToEnd(worker);
  RunSpec other = BlockApSpec(2);
  other.recipe.wbits = 3;
  preview = harness.Preview(other);
  ASSERT_TRUE(preview.ok()) << preview.status();
  EXPECT_EQ(preview->tasks_shared.at(TaskKind::kAdvance), 2) << "the full-precision chain";
  EXPECT_FALSE(preview->tasks_shared.contains(TaskKind::kTrainBlock));
  EXPECT_EQ(harness.state().runs.size(), 1u) << "nothing was stored";
}

TEST(FailureTest, AFailedTaskFailsEveryRunThatWantsItAndCancelsTheRest) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId first = harness.Submit(BlockApSpec(2));
  const RunId second = harness.Submit(BlockApSpec(2));
  const Lease lease = harness.RunUntil(worker, "train block 0");
  ASSERT_TRUE(harness.Fail(worker, lease, FailureCause::kTask, "weights are\nnot finite").ok());
  for (const RunId& run : {first, second}) {
    EXPECT_EQ(harness.run(run).record.state, RunState::kFailed);
    EXPECT_EQ(harness.run(run).record.error, "train block 0: weights are not finite");
  }
  EXPECT_FALSE(harness.LeaseTo(worker).has_value());
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

TEST(FailureTest, ARunThatDoesNotWantTheFailedTaskGoesOn) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  RunSpec two = BlockApSpec(2);
  RunSpec three = BlockApSpec(2);
  three.recipe.wbits = 3;
  const RunId failing = harness.Submit(two);
  const RunId other = harness.Submit(three);
  const Lease lease = harness.RunUntil(worker, "train block 0");
  ASSERT_TRUE(harness.Fail(worker, lease, FailureCause::kTask).ok());
  EXPECT_EQ(harness.run(failing).record.state, RunState::kFailed);
  harness.RunToEnd(worker);
  EXPECT_EQ(harness.run(other).record.state, RunState::kSucceeded);
}

TEST(FailureTest, AFailedRunCanBeSubmittedAgain) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Submit(NoopSpec(1));
  ASSERT_TRUE(harness.Fail(worker, *harness.LeaseTo(worker), FailureCause::kTask).ok());
  const RunId again = harness.Submit(NoopSpec(1));
  harness.RunToEnd(worker);
  EXPECT_EQ(harness.run(again).record.state, RunState::kSucceeded);
}

TEST(LogTest, LinesAreBoundedAndTheNewestStay) {
  SchedulerHarness harness(SchedulerOptions{.log_lines = 20});
  const WorkerId worker = harness.Register("a");
  const RunId run = harness.Submit(NoopSpec(100));
  harness.RunToEnd(worker);
  const auto& logs = harness.run(run).logs;
  EXPECT_LE(logs.size(), 25u);
  EXPECT_EQ(logs.back().text, "succeeded");
  const int64_t last = logs.back().sequence;
  const size_t kept = logs.size();
  harness.Restart();
  EXPECT_EQ(harness.run(run).logs.size(), kept) << "the store forgot the same lines";
  EXPECT_EQ(harness.state().next_log, last + 1);
}

}  // namespace
}  // namespace lwq::coordinator
