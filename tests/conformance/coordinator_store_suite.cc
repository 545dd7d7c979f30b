// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/coordinator_store_suite.h"
#include "coordinator/scheduler/state/restore.h"

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Filled before main() begins.
std::vector<CoordinatorStoreKind>& CoordinatorStoreKinds() {
  static std::vector<CoordinatorStoreKind> kinds;
  return kinds;
}

}  // namespace

CoordinatorStoreUnderTest::CoordinatorStoreUnderTest(std::string name,
                                                     std::function<StoreOpener(const std::string& folder)> make) {
  CoordinatorStoreKinds().push_back({std::move(name), std::move(make)});
}

namespace {

class CoordinatorStoreConformance : public ::testing::TestWithParam<CoordinatorStoreKind> {
 protected:
  CoordinatorStoreConformance() : opener_(GetParam().make(directory_.path())) { Start(); }

  // A coordinator starts: the one before is gone.
  void Start() {
    store_.reset();
    store_ = opener_().value();
    term_ = store_->TakeTerm().value();
  }
  void Commit(std::vector<Change> changes) {
    const Status status = store_->Commit(term_, changes);
    LWQ_CHECK(status.ok(), status.ToString());
  }
  // What a coordinator that starts now would see.
  Records Reload() {
    Start();
    return store_->Load().value();
  }

  test::TemporaryDirectory directory_;
  const StoreOpener opener_;
  std::unique_ptr<Store> store_;
  Term term_;
};

TaskRecord SomeTask(std::string_view name) {
  TaskRecord task;
  task.key = DigestOf(name);
  auto def = std::make_shared<TaskDef>();
  def->kind = TaskKind::kAdvance;
  def->params = Json{{"block", 3}};
  def->numerics_class = "a|b|c|fp32|t1";
  def->inputs["model"] = testing::NamedArtifact("model");
  def->inputs["activations"] = TaskOutputRef{DigestOf("producer"), "activations"};
  task.def = def;
  task.memory_bytes = int64_t{1} << 40;
  return task;
}

TEST_P(CoordinatorStoreConformance, ANewStoreIsEmpty) {
  const Records records = Reload();
  EXPECT_THAT(records.runs, IsEmpty());
  EXPECT_THAT(records.tasks, IsEmpty());
  EXPECT_EQ(records.next_worker, 1);
}

TEST_P(CoordinatorStoreConformance, EveryFieldOfATaskComesBack) {
  TaskRecord task = SomeTask("task");
  task.divergence_retries = 2;
  task.state = TaskState::kLeased;
  task.action_key = DigestOf("action");
  task.token = 7;
  task.reported_token = 6;
  task.worker.value = "w-3";
  task.worker_name = "näme";
  task.attempts = 5;
  task.failures = {0, 1, 0, 2, 0, 3};
  task.lr_halvings = 1;
  task.from_cache = true;
  task.error = "it's \"quoted\"; DROP TABLE tasks";
  task.checkpoint = TaskCheckpoint{testing::NamedArtifact("checkpoint"), DigestOf("action"), 7, 12, 345};
  Commit({PutTask{task, true}});
  const Records records = Reload();
  ASSERT_EQ(records.tasks.size(), 1u);
  const TaskRecord& again = records.tasks[0];
  EXPECT_EQ(again.key, task.key);
  EXPECT_EQ(TaskDefToJson(*again.def), TaskDefToJson(*task.def));
  EXPECT_EQ(again.memory_bytes, task.memory_bytes);
  EXPECT_EQ(again.divergence_retries, 2);
  EXPECT_EQ(again.state, TaskState::kLeased);
  EXPECT_EQ(again.action_key, task.action_key);
  EXPECT_EQ(again.token, 7u);
  EXPECT_EQ(again.reported_token, 6u);
  EXPECT_EQ(again.worker, task.worker);
  EXPECT_EQ(again.worker_name, "näme");
  EXPECT_EQ(again.attempts, 5);
  EXPECT_EQ(again.failures, task.failures);
  EXPECT_EQ(again.lr_halvings, 1);
  EXPECT_TRUE(again.from_cache);
  EXPECT_EQ(again.error, task.error);
  EXPECT_EQ(again.checkpoint, task.checkpoint);
  task.checkpoint.reset();
  Commit({PutTask{task, false}});
  EXPECT_EQ(Reload().tasks.at(0).checkpoint, std::nullopt);
}

TEST_P(CoordinatorStoreConformance, ALaterPutOfATaskReplacesWhatChangesAndKeepsItsDefinition) {
  TaskRecord task = SomeTask("task");
  Commit({PutTask{task, true}});
  task.state = TaskState::kCancelled;
  task.token = 9;
  Commit({PutTask{task, false}});
  const Records records = Reload();
  ASSERT_EQ(records.tasks.size(), 1u);
  EXPECT_EQ(records.tasks[0].state, TaskState::kCancelled);
  EXPECT_EQ(records.tasks[0].token, 9u);
  EXPECT_EQ(TaskDefToJson(*records.tasks[0].def), TaskDefToJson(*task.def));
}

TEST_P(CoordinatorStoreConformance, EveryFieldOfARunAndItsTasksComesBack) {
  RunRecord run;
  run.id.value = "0123456789ab";
  run.sequence = 4;
  run.spec = std::make_shared<const RunSpec>(BlockApSpec(2));
  run.recipe = ResolveSpec(*run.spec)->recipe;
  run.state = RunState::kSucceeded;
  run.numerics_class = "a|b|c|bf16|t2";
  run.paused = true;
  run.left_halving = true;
  run.kind_bases = {{TaskKind::kTrainBlock, "a|b|c"}, {TaskKind::kAdvance, "d|\"e\"|f"}};
  run.error = "none";
  run.submitted_unix_ms = 1'700'000'000'123;
  run.finished_unix_ms = 1'700'000'100'456;
  run.result.measured = {{"fp", "held-out", "perplexity", 2.3456789012345678, std::nullopt, 50000},
                         {"block_ap", "held-out", "accuracy", 0.625, 1.0 / 3, 80, true}};
  run.result.exported = NamedArtifact("export");
  run.result.result_digest = std::string(64, 'a');
  run.remaking = DigestOf("task");
  run.trace = {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00f067aa0ba902b7"};
  Measurement& measured = run.measurements.emplace_back();
  measured.metric = SensitivityMetric::kFisher;
  measured.scores = {1.0 / 3, 2};
  RunTaskRecord task;
  task.key = DigestOf("task");
  task.title = "train block 1";
  task.block = 1;
  task.depth = 9;
  task.purpose = TaskPurpose::kEvaluation;
  task.evaluated_model = "fp";
  task.evaluated_text = "held-out";
  task.shared = true;
  RunTaskRecord second = task;
  second.title = "another";
  second.purpose = TaskPurpose::kExport;
  second.needs_blocks = 7;
  Commit({PutRun{run}, PutRunTasks{run.id, {task, second}}});
  const Records records = Reload();
  ASSERT_EQ(records.runs.size(), 1u);
  const RunRecord& again = records.runs[0];
  EXPECT_EQ(again.id, run.id);
  EXPECT_EQ(again.sequence, 4);
  EXPECT_EQ(RunSpecToJson(*again.spec), RunSpecToJson(*run.spec));
  EXPECT_EQ(RecipeToJson(again.recipe), RecipeToJson(run.recipe));
  EXPECT_EQ(again.state, RunState::kSucceeded);
  EXPECT_EQ(again.numerics_class, run.numerics_class);
  ASSERT_EQ(again.measurements.size(), 1u);
  EXPECT_EQ(MeasurementToJson(again.measurements[0]), MeasurementToJson(run.measurements[0]));
  EXPECT_EQ(again.kind_bases, run.kind_bases);
  EXPECT_EQ(again.error, "none");
  EXPECT_TRUE(again.paused);
  EXPECT_TRUE(again.left_halving);
  EXPECT_EQ(again.remaking, run.remaking);
  EXPECT_EQ(again.trace, run.trace);
  EXPECT_EQ(again.submitted_unix_ms, run.submitted_unix_ms);
  EXPECT_EQ(again.finished_unix_ms, run.finished_unix_ms);
  EXPECT_EQ(again.result, run.result) << "values to the last bit";
  const std::vector<RunTaskRecord>& tasks = records.run_tasks.at(run.id);
  ASSERT_EQ(tasks.size(), 2u);
  EXPECT_EQ(tasks[0].key, task.key);
  EXPECT_EQ(tasks[0].title, "train block 1");
  EXPECT_EQ(tasks[0].block, 1);
  EXPECT_EQ(tasks[0].depth, 9);
  EXPECT_EQ(tasks[0].purpose, TaskPurpose::kEvaluation);
  EXPECT_EQ(tasks[0].evaluated_model, "fp");
  EXPECT_EQ(tasks[0].evaluated_text, "held-out");
  EXPECT_TRUE(tasks[0].shared);
  EXPECT_EQ(tasks[0].needs_blocks, 0);
  EXPECT_EQ(tasks[1].purpose, TaskPurpose::kExport);
  EXPECT_EQ(tasks[1].needs_blocks, 7);
}

TEST_P(CoordinatorStoreConformance, ARunThatBeginsAgainKeepsNoTaskOfBefore) {
  RunRecord run;
  run.id.value = "0123456789ab";
  run.spec = std::make_shared<const RunSpec>(BlockApSpec(2));
  run.recipe = ResolveSpec(*run.spec)->recipe;
  RunTaskRecord task;
  task.key = DigestOf("task");
  Commit({PutRun{run}, PutRunTasks{run.id, {task, task, task}}});
  task.key = DigestOf("another");
  Commit({PutRunTasks{run.id, {task}}});
  const Records records = Reload();
  ASSERT_EQ(records.run_tasks.at(run.id).size(), 1u);
  EXPECT_EQ(records.run_tasks.at(run.id)[0].key, task.key);
}

TEST_P(CoordinatorStoreConformance, EveryFieldOfASweepComesBackAndSweepsInTheOrderTheyCame) {
  SweepRecord sweep;
  sweep.id.value = "0123456789ab";
  sweep.sequence = 2;
  sweep.name = "it's \"quoted\"";
  sweep.request_id = "request";
  sweep.spec_digest = DigestOf("sweep");
  sweep.submitted_unix_ms = 1'700'000'000'123;
  sweep.members = {{RunId{"a"}, {{"wbits", "2"}, {"seed", "3"}}}, {RunId{"b"}, {}, 2}};
  SweepRecord earlier;
  earlier.id.value = "ba9876543210";
  earlier.sequence = 1;
  earlier.spec_digest = DigestOf("earlier");
  Commit({PutSweep{sweep}, PutSweep{earlier}});
  const Records records = Reload();
  ASSERT_EQ(records.sweeps.size(), 2u);
  EXPECT_EQ(records.sweeps[0].id, earlier.id);
  const SweepRecord& again = records.sweeps[1];
  EXPECT_EQ(again.id, sweep.id);
  EXPECT_EQ(again.sequence, 2);
  EXPECT_EQ(again.name, sweep.name);
  EXPECT_EQ(again.request_id, "request");
  EXPECT_EQ(again.spec_digest, sweep.spec_digest);
  EXPECT_EQ(again.submitted_unix_ms, sweep.submitted_unix_ms);
  EXPECT_EQ(again.members, sweep.members);
  EXPECT_EQ(again.halving, std::nullopt);
}

TEST_P(CoordinatorStoreConformance, AHalvingAndItsJournalComeBackInTheOrderTheyWereRecordedToTheLastBit) {
  SweepRecord sweep;
  sweep.id.value = "0123456789ab";
  sweep.sequence = 1;
  sweep.members = {{RunId{"a"}, {}, 0}, {RunId{"b"}, {}, 1}, {RunId{"c"}, {}, 2}};
  sweep.halving =
      SweepHalving{.metric = HalvingMetric::kPerplexity,
                   .rule = {.order = HalvingOrder::kAsynchronous, .runs = 3, .min_blocks = 2, .blocks = 12, .eta = 4}};
  SweepRecord other = sweep;
  other.id.value = "ba9876543210";
  other.sequence = 2;
  const double no_number = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  Commit({PutSweep{sweep}, PutSweep{other}, AppendRungResult{sweep.id, 0, {2, 0, 1.0 / 3}}});
  // Eleven more, so that the order is that of numbers, not of texts.
  for (int64_t number = 1; number < 10; ++number) {
    Commit({AppendRungResult{sweep.id, number, {number, 0, static_cast<double>(number)}}});
  }
  Commit({AppendRungResult{sweep.id, 10, {0, 0, no_number}}, AppendRungResult{sweep.id, 11, {1, 1, infinity}},
          AppendRungResult{other.id, 0, {1, 0, -0.5}}});
  const Records records = Reload();
  ASSERT_EQ(records.sweeps.size(), 2u);
  EXPECT_EQ(records.sweeps[0].halving, sweep.halving);
  const std::vector<RungResult>& journal = records.sweeps[0].rung_results;
  ASSERT_EQ(journal.size(), 12u);
  EXPECT_EQ(journal[0], (RungResult{2, 0, 1.0 / 3}));
  EXPECT_EQ(journal[9], (RungResult{9, 0, 9}));
  EXPECT_EQ(journal[10].run, 0);
  EXPECT_TRUE(std::isnan(journal[10].value));
  EXPECT_EQ(journal[11], (RungResult{1, 1, infinity}));
  EXPECT_EQ(records.sweeps[1].rung_results, (std::vector<RungResult>{{1, 0, -0.5}}));
}

TEST_P(CoordinatorStoreConformance, ActionsWorkersRequestsLogsAndTheCounterComeBackAndGoWhenDropped) {
  ActionRecord action;
  action.key = DigestOf("action");
  action.outputs["block"] = NamedArtifact("block");
  action.metrics_json = R"({"steps":3})";
  action.seconds = 1.25;
  action.peak_memory_bytes = 10;
  action.peak_rss_bytes = 20;
  action.finished_unix_ms = 30;
  WorkerRecord worker = WorkerNamed("a");
  worker.id.value = "w-2";
  worker.hardware_bf16 = true;
  worker.kinds = {TaskKind::kExport, TaskKind::kNoop};
  worker.cache_bytes = int64_t{1} << 41;
  worker.token_sha256 = DigestOf("token");
  worker.projects = ProjectScope::Of({"a", "b \"quoted\""});
  const RunId run{"run"};
  std::vector<Change> changes = {PutAction{action}, PutWorker{worker}, PutNextWorker{3},
                                 PutRequest{{"request", DigestOf("spec"), run}}};
  for (int64_t i = 1; i <= 4; ++i)
    changes.push_back(AppendLog{{run, i, 1000 + i, "task", "a", absl::StrCat("line ", i), static_cast<int>(i) - 1}});
  changes.push_back(AppendLog{{RunId{"other"}, 5, 0, "", "", "kept"}});
  Commit(changes);
  Records records = Reload();
  ASSERT_EQ(records.actions.size(), 1u);
  EXPECT_EQ(records.actions[0].outputs, action.outputs);
  EXPECT_EQ(records.actions[0].metrics_json, action.metrics_json);
  EXPECT_EQ(records.actions[0].seconds, 1.25);
  EXPECT_EQ(records.actions[0].peak_rss_bytes, 20);
  EXPECT_EQ(records.actions[0].finished_unix_ms, 30);
  ASSERT_EQ(records.workers.size(), 1u);
  EXPECT_EQ(records.workers[0].id, worker.id);
  EXPECT_TRUE(records.workers[0].hardware_bf16);
  EXPECT_EQ(records.workers[0].memory_bytes, worker.memory_bytes);
  EXPECT_EQ(records.workers[0].kinds, worker.kinds);
  EXPECT_EQ(records.workers[0].cache_bytes, worker.cache_bytes);
  EXPECT_EQ(records.workers[0].token_sha256, worker.token_sha256);
  EXPECT_EQ(records.workers[0].projects, worker.projects);
  EXPECT_EQ(records.next_worker, 3);
  ASSERT_EQ(records.requests.size(), 1u);
  EXPECT_EQ(records.requests[0].spec_digest, DigestOf("spec"));
  EXPECT_EQ(records.logs.size(), 5u);
  EXPECT_EQ(records.logs[3].text, "line 4");
  EXPECT_EQ(records.logs[3].time_unix_ms, 1004);
  EXPECT_EQ(records.logs[3].attempt, 3);
  EXPECT_EQ(records.logs[0].attempt, 0);

  Commit({DropAction{action.key}, DropWorker{worker.id}, DropLogs{run, 3}});
  records = Reload();
  EXPECT_THAT(records.actions, IsEmpty());
  EXPECT_THAT(records.workers, IsEmpty());
  ASSERT_EQ(records.logs.size(), 2u);
  EXPECT_EQ(records.logs[0].text, "line 4");
  EXPECT_EQ(records.logs[1].text, "kept");
}

TEST_P(CoordinatorStoreConformance, DiscardedArtifactsComeBackChangeAndGoWhenDropped) {
  const DiscardedRecord first{NamedArtifact("first"), false};
  const DiscardedRecord second{NamedArtifact("second, longer"), true};
  Commit({PutDiscarded{first}, PutDiscarded{second}});
  std::map<Digest, DiscardedRecord> again;
  for (const DiscardedRecord& record : Reload().discarded) again[record.artifact.digest] = record;
  ASSERT_EQ(again.size(), 2u);
  EXPECT_EQ(again.at(first.artifact.digest).artifact, first.artifact);
  EXPECT_FALSE(again.at(first.artifact.digest).deleted);
  EXPECT_EQ(again.at(second.artifact.digest).artifact, second.artifact);
  EXPECT_TRUE(again.at(second.artifact.digest).deleted);

  Commit({PutDiscarded{{first.artifact, true}}, DropDiscarded{second.artifact.digest}});
  const Records records = Reload();
  ASSERT_EQ(records.discarded.size(), 1u);
  EXPECT_EQ(records.discarded[0].artifact, first.artifact);
  EXPECT_TRUE(records.discarded[0].deleted);
}

TEST_P(CoordinatorStoreConformance, ARunThatIsDroppedTakesItsTasksAndItsLogAlongAndNothingElse) {
  std::vector<Change> changes;
  for (int64_t sequence = 1; sequence <= 2; ++sequence) {
    RunRecord run;
    run.id.value = absl::StrCat("run ", sequence);
    run.sequence = sequence;
    run.spec = std::make_shared<const RunSpec>(BlockApSpec(2));
    run.recipe = ResolveSpec(*run.spec)->recipe;
    RunTaskRecord task;
    task.key = DigestOf("task");
    changes.push_back(PutRun{run});
    changes.push_back(PutRunTasks{run.id, {task, task}});
    changes.push_back(PutRequest{{absl::StrCat("request ", sequence), DigestOf("spec"), run.id}});
    changes.push_back(AppendLog{{run.id, 2 * sequence, 0, "", "", "first line"}});
    changes.push_back(AppendLog{{run.id, 2 * sequence + 1, 0, "", "", "second line"}});
  }
  Commit(changes);
  Commit({DropRun{RunId{"run 1"}, 1}, DropRequest{"request 1"}});
  const Records records = Reload();
  ASSERT_EQ(records.runs.size(), 1u);
  EXPECT_EQ(records.runs[0].id.value, "run 2");
  ASSERT_EQ(records.run_tasks.size(), 1u);
  EXPECT_EQ(records.run_tasks.at(RunId{"run 2"}).size(), 2u);
  ASSERT_EQ(records.logs.size(), 2u);
  EXPECT_EQ(records.logs[0].run.value, "run 2");
  ASSERT_EQ(records.requests.size(), 1u);
  EXPECT_EQ(records.requests[0].request_id, "request 2");
}

TEST_P(CoordinatorStoreConformance, TasksAndSweepsGoWhenDroppedAndTheSameTaskMayComeAgain) {
  SweepRecord sweep;
  sweep.id.value = "0123456789ab";
  sweep.sequence = 1;
  sweep.members = {{RunId{"a"}, {}, 0}, {RunId{"b"}, {}, 1}, {RunId{"c"}, {}, 2}};
  SweepRecord other = sweep;
  other.id.value = "ba9876543210";
  other.sequence = 2;
  Commit({PutTask{SomeTask("one"), true}, PutTask{SomeTask("two"), true}, PutSweep{sweep}, PutSweep{other}});
  Commit({AppendRungResult{sweep.id, 0, {1, 0, 0.5}}, AppendRungResult{other.id, 0, {1, 0, 0.25}}});
  sweep.members.erase(sweep.members.begin() + 1);
  Commit({DropTask{DigestOf("one")}, PutSweep{sweep}, DropSweep{other.id, 2}, PutTokenFloor{17}});
  Records records = Reload();
  ASSERT_EQ(records.tasks.size(), 1u);
  EXPECT_EQ(records.tasks[0].key, DigestOf("two"));
  ASSERT_EQ(records.sweeps.size(), 1u);
  EXPECT_EQ(records.sweeps[0].members, sweep.members) << "each in its place";
  EXPECT_EQ(records.sweeps[0].rung_results, (std::vector<RungResult>{{1, 0, 0.5}}));
  EXPECT_EQ(records.token_floor, 17u);
  Commit({PutSweep{other}});
  records = Reload();
  ASSERT_EQ(records.sweeps.size(), 2u);
  EXPECT_TRUE(records.sweeps[1].rung_results.empty()) << "a journal goes with its sweep";
  TaskRecord again = SomeTask("one");
  again.token = 18;
  Commit({PutTask{again, true}, DropTask{DigestOf("never there")}});
  records = Reload();
  ASSERT_EQ(records.tasks.size(), 2u);
  for (const TaskRecord& task : records.tasks) {
    EXPECT_EQ(task.token, task.key == again.key ? 18u : 0u);
  }
}

TEST_P(CoordinatorStoreConformance, ChangesOfOneCommitApplyInOrder) {
  ActionRecord action;
  action.key = DigestOf("action");
  Commit({PutAction{action}, DropAction{action.key}, PutAction{action}});
  EXPECT_EQ(Reload().actions.size(), 1u);
}

TEST_P(CoordinatorStoreConformance, ASchedulersWholeLifeComesBack) {
  SchedulerHarness harness;
  // The same changes go to the harness's own store and to the one under test.
  const auto mirror = [&](const Event& event) {
    Effects effects = harness.Do(event);
    Commit(effects.changes);
    return effects;
  };
  mirror(SubmitRun{BlockApSpec(2), "request"});
  const WorkerId worker = std::get<RegisterReply>(mirror(RegisterWorker{WorkerNamed("a")}).reply).worker;
  for (int i = 0; i < 6; ++i) {
    const Lease lease = *std::get<LeaseReply>(mirror(LeaseTask{worker}).reply).lease;
    ReportTask report;
    report.worker = worker;
    report.task = lease.task;
    report.token = lease.token;
    report.outcome = HonestSuccess(lease);
    mirror(report);
  }
  StatusOr<State> state = RestoreState(Reload(), {}, harness.now());
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(DescribeDurable(*state), DescribeDurable(harness.state()));
  // And its end.
  RunSpec other = BlockApSpec(2);
  other.recipe.epochs = 3;
  const RunId kept = std::get<RunReply>(mirror(SubmitRun{other, "other"}).reply).run;
  for (const auto& [id, run] : std::map(harness.state().runs)) {
    if (id != kept) mirror(DeleteRun{id.value, true});
  }
  const Records records = Reload();
  EXPECT_EQ(CheckStored(harness.state(), records), "");
  state = RestoreState(records, {}, harness.now());
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(DescribeDurable(*state), DescribeDurable(harness.state()));
  EXPECT_EQ(CheckIndexes(*state), "");
}

TEST_P(CoordinatorStoreConformance, EachCoordinatorThatStartsTakesTheNextTerm) {
  const Term first = term_;
  EXPECT_GT(first.number, 0);
  Start();
  EXPECT_EQ(term_.number, first.number + 1);
  Start();
  EXPECT_EQ(term_.number, first.number + 2);
}

TEST_P(CoordinatorStoreConformance, ACommitOfAnEarlierTermIsRefusedAndStoresNothing) {
  const Term former = term_;
  Commit({PutNextWorker{5}});
  Start();
  const std::vector<Change> late = {PutNextWorker{6}};
  for (const std::span<const Change> changes : {std::span<const Change>(late), std::span<const Change>()}) {
    const Status refused = store_->Commit(former, changes);
    EXPECT_TRUE(absl::IsAborted(refused)) << refused;
    EXPECT_THAT(std::string(MessageOf(refused)), HasSubstr("another coordinator has taken over"));
    EXPECT_THAT(std::string(MessageOf(refused)), HasSubstr(store_->Describe()));
  }
  EXPECT_EQ(store_->Load()->next_worker, 5);
  Commit({PutNextWorker{7}});
  EXPECT_EQ(Reload().next_worker, 7) << "who leads goes on";
}

TEST_P(CoordinatorStoreConformance, ATermEndsWhereverTheNextOneIsTaken) {
  const Term former = term_;
  const Term next = store_->TakeTerm().value();
  const std::vector<Change> changes = {PutNextWorker{3}};
  EXPECT_TRUE(absl::IsAborted(store_->Commit(former, changes)));
  EXPECT_TRUE(store_->Commit(next, changes).ok());
}

TEST_P(CoordinatorStoreConformance, ATermThatNobodyTookCommitsNothing) {
  const std::vector<Change> changes = {PutNextWorker{9}};
  for (const Term term : {Term{}, Term{term_.number + 1}, Term{-1}}) {
    EXPECT_TRUE(absl::IsAborted(store_->Commit(term, changes))) << term.number;
  }
  EXPECT_EQ(Reload().next_worker, 1);
}

INSTANTIATE_TEST_SUITE_P(Stores, CoordinatorStoreConformance, ::testing::ValuesIn(CoordinatorStoreKinds()),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace lwq::coordinator::testing
