// One suite for every store, and what only a file can get wrong.
#include "coordinator/store/store.h"

#include <filesystem>
#include <fstream>

#include "SQLiteCpp/SQLiteCpp.h"
#include "coordinator/store/record_json.h"
#include "coordinator/store/sqlite_schema.h"
#include "coordinator/store/sqlite_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::BlockApSpec;
using testing::DescribeDurable;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

enum class Kind { kMemory, kSqlite };

class StoreTest : public ::testing::TestWithParam<Kind> {
 protected:
  StoreTest() { Open(); }

  void Open() {
    if (GetParam() == Kind::kMemory) {
      if (store_ == nullptr) store_ = std::make_unique<MemoryStore>();
      return;
    }
    store_.reset();  // the lock
    StatusOr<std::unique_ptr<Store>> store = OpenStore(absl::StrCat("sqlite:", directory_.path(), "/state.db"));
    LWQ_CHECK(store.ok(), store.status().ToString());
    store_ = *std::move(store);
  }
  void Commit(std::vector<Change> changes) {
    const Status status = store_->Commit(changes);
    LWQ_CHECK(status.ok(), status.ToString());
  }
  // What a coordinator that starts now would see.
  Records Reload() {
    Open();
    StatusOr<Records> records = store_->Load();
    LWQ_CHECK(records.ok(), records.status().ToString());
    return *std::move(records);
  }

  test::TemporaryDirectory directory_;
  std::unique_ptr<Store> store_;
};

INSTANTIATE_TEST_SUITE_P(Each, StoreTest, ::testing::Values(Kind::kMemory, Kind::kSqlite),
                         [](const auto& each) { return each.param == Kind::kMemory ? "Memory" : "Sqlite"; });

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

TEST_P(StoreTest, ANewStoreIsEmpty) {
  const Records records = Reload();
  EXPECT_THAT(records.runs, IsEmpty());
  EXPECT_THAT(records.tasks, IsEmpty());
  EXPECT_EQ(records.next_worker, 1);
}

TEST_P(StoreTest, EveryFieldOfATaskComesBack) {
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
}

TEST_P(StoreTest, ALaterPutOfATaskReplacesWhatChangesAndKeepsItsDefinition) {
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

TEST_P(StoreTest, EveryFieldOfARunAndItsTasksComesBack) {
  RunRecord run;
  run.id.value = "0123456789ab";
  run.sequence = 4;
  run.spec = std::make_shared<const RunSpec>(BlockApSpec(2));
  run.recipe = ResolveSpec(*run.spec)->recipe;
  run.state = RunState::kSucceeded;
  run.numerics_class = "a|b|c|bf16|t2";
  run.kind_bases = {{TaskKind::kTrainBlock, "a|b|c"}, {TaskKind::kAdvance, "d|\"e\"|f"}};
  run.error = "none";
  run.submitted_unix_ms = 1'700'000'000'123;
  run.finished_unix_ms = 1'700'000'100'456;
  run.result.perplexities = {{"fp", "held-out", 2.3456789012345678, 50000}, {"block_ap", "held-out", 2.5, 50000, true}};
  run.result.exported = testing::NamedArtifact("export");
  run.result.result_digest = std::string(64, 'a');
  Measurement& measured = run.measurements.emplace_back();
  measured.metric = "fisher";
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
  EXPECT_EQ(again.submitted_unix_ms, run.submitted_unix_ms);
  EXPECT_EQ(again.finished_unix_ms, run.finished_unix_ms);
  EXPECT_EQ(again.result, run.result) << "perplexities to the last bit";
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
  EXPECT_EQ(tasks[1].purpose, TaskPurpose::kExport);
}

TEST_P(StoreTest, ActionsWorkersRequestsLogsAndTheCounterComeBackAndGoWhenDropped) {
  ActionRecord action;
  action.key = DigestOf("action");
  action.outputs["block"] = testing::NamedArtifact("block");
  action.metrics_json = R"({"steps":3})";
  action.seconds = 1.25;
  action.peak_memory_bytes = 10;
  action.peak_rss_bytes = 20;
  WorkerRecord worker = testing::WorkerNamed("a");
  worker.id.value = "w-2";
  worker.hardware_bf16 = true;
  worker.kinds = {TaskKind::kExport, TaskKind::kNoop};
  worker.cache_bytes = int64_t{1} << 41;
  const RunId run{"run"};
  std::vector<Change> changes = {PutAction{action}, PutWorker{worker}, PutNextWorker{3},
                                 PutRequest{{"request", DigestOf("spec"), run}}};
  for (int64_t i = 1; i <= 4; ++i)
    changes.push_back(AppendLog{{run, i, 1000 + i, "task", "a", absl::StrCat("line ", i)}});
  changes.push_back(AppendLog{{RunId{"other"}, 5, 0, "", "", "kept"}});
  Commit(changes);
  Records records = Reload();
  ASSERT_EQ(records.actions.size(), 1u);
  EXPECT_EQ(records.actions[0].outputs, action.outputs);
  EXPECT_EQ(records.actions[0].metrics_json, action.metrics_json);
  EXPECT_EQ(records.actions[0].seconds, 1.25);
  EXPECT_EQ(records.actions[0].peak_rss_bytes, 20);
  ASSERT_EQ(records.workers.size(), 1u);
  EXPECT_EQ(records.workers[0].id, worker.id);
  EXPECT_TRUE(records.workers[0].hardware_bf16);
  EXPECT_EQ(records.workers[0].memory_bytes, worker.memory_bytes);
  EXPECT_EQ(records.workers[0].kinds, worker.kinds);
  EXPECT_EQ(records.workers[0].cache_bytes, worker.cache_bytes);
  EXPECT_EQ(records.next_worker, 3);
  ASSERT_EQ(records.requests.size(), 1u);
  EXPECT_EQ(records.requests[0].spec_digest, DigestOf("spec"));
  EXPECT_EQ(records.logs.size(), 5u);
  EXPECT_EQ(records.logs[3].text, "line 4");
  EXPECT_EQ(records.logs[3].time_unix_ms, 1004);

  Commit({DropAction{action.key}, DropWorker{worker.id}, DropLogs{run, 3}});
  records = Reload();
  EXPECT_THAT(records.actions, IsEmpty());
  EXPECT_THAT(records.workers, IsEmpty());
  ASSERT_EQ(records.logs.size(), 2u);
  EXPECT_EQ(records.logs[0].text, "line 4");
  EXPECT_EQ(records.logs[1].text, "kept");
}

TEST_P(StoreTest, DiscardedArtifactsComeBackChangeAndGoWhenDropped) {
  const DiscardedRecord first{testing::NamedArtifact("first"), false};
  const DiscardedRecord second{testing::NamedArtifact("second, longer"), true};
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

TEST_P(StoreTest, ChangesOfOneCommitApplyInOrder) {
  ActionRecord action;
  action.key = DigestOf("action");
  Commit({PutAction{action}, DropAction{action.key}, PutAction{action}});
  EXPECT_EQ(Reload().actions.size(), 1u);
}

TEST_P(StoreTest, ASchedulersWholeLifeComesBack) {
  testing::SchedulerHarness harness;
  // The same changes go to the harness's own store and to the one under test.
  const auto mirror = [&](const Event& event) {
    Effects effects = harness.Do(event);
    Commit(effects.changes);
    return effects;
  };
  mirror(SubmitRun{BlockApSpec(2), "request"});
  const WorkerId worker = std::get<RegisterReply>(mirror(RegisterWorker{testing::WorkerNamed("a")}).reply).worker;
  for (int i = 0; i < 6; ++i) {
    const Lease lease = *std::get<LeaseReply>(mirror(LeaseTask{worker}).reply).lease;
    ReportTask report;
    report.worker = worker;
    report.task = lease.task;
    report.token = lease.token;
    report.outcome = testing::HonestSuccess(lease);
    mirror(report);
  }
  StatusOr<State> state = RestoreState(Reload(), {}, harness.now());
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(DescribeDurable(*state), DescribeDurable(harness.state()));
}

class SqliteStoreTest : public ::testing::Test {
 protected:
  std::string path() const { return directory_.path() + "/state.db"; }
  std::string Refusal() {
    const StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path());
    LWQ_CHECK(!store.ok(), "the store was opened");
    EXPECT_EQ(MessageOf(store.status()).find('\n'), std::string_view::npos);
    EXPECT_THAT(std::string(MessageOf(store.status())), HasSubstr(path()));
    return store.status().ToString();
  }
  test::TemporaryDirectory directory_;
};

TEST_F(SqliteStoreTest, ANewerSchemaIsRefused) {
  ASSERT_TRUE(OpenSqliteStore(path()).ok());
  {
    SQLite::Database database(path(), SQLite::OPEN_READWRITE);
    database.exec("PRAGMA user_version = 1000");
  }
  EXPECT_THAT(Refusal(), HasSubstr(absl::StrCat("its schema has version 1000, this program knows up to ",
                                                SqliteSchemaVersion(), ": use the newer program")));
}

TEST_F(SqliteStoreTest, AFileOfVersion1KeepsItsRunsAndWorkers) {
  RunRecord run;
  run.id.value = "0123456789ab";
  run.spec = std::make_shared<const RunSpec>(BlockApSpec(2));
  run.recipe = ResolveSpec(*run.spec)->recipe;
  {
    SQLite::Database database(path(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    ASSERT_TRUE(MigrateSqlite(database, 1).ok());
    SQLite::Statement put_run(database,
                              "INSERT INTO runs VALUES (1, ?, ?, ?, 'PENDING', 'a|b|c|fp32|t1', '', 5, 0, ?)");
    put_run.bind(1, run.id.value);
    put_run.bind(2, CanonicalJson(RunSpecToJson(*run.spec)));
    put_run.bind(3, CanonicalJson(RecipeToJson(run.recipe)));
    put_run.bind(4, ResultToText(run.result));
    put_run.exec();
    database.exec("INSERT INTO workers VALUES ('w-1', 'a', 'cpu', 'a|b|c', 0, 100, 2, '[]')");
  }
  StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path());
  ASSERT_TRUE(store.ok()) << store.status();
  StatusOr<Records> records = (*store)->Load();
  ASSERT_TRUE(records.ok()) << records.status();
  ASSERT_EQ(records->runs.size(), 1u);
  EXPECT_EQ(records->runs[0].numerics_class, "a|b|c|fp32|t1");
  EXPECT_THAT(records->runs[0].kind_bases, IsEmpty());
  ASSERT_EQ(records->workers.size(), 1u);
  EXPECT_EQ(records->workers[0].max_threads, 2);
  EXPECT_EQ(records->workers[0].cache_bytes, 0);
}

TEST_F(SqliteStoreTest, AFileFromBeforeArtifactsWereDiscardedIsMigratedAndKeepsWhatItHas) {
  const Digest action = DigestOf("action");
  {
    SQLite::Database database(path(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    ASSERT_TRUE(MigrateSqlite(database, 1).ok());
    database.exec(absl::StrCat("INSERT INTO actions VALUES ('", action.hex(), "', '{}', '{}', 1.5, 10, 20)"));
    database.exec("INSERT INTO meta VALUES ('next_worker', 7)");
  }
  StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path());
  ASSERT_TRUE(store.ok()) << store.status();
  StatusOr<Records> records = (*store)->Load();
  ASSERT_TRUE(records.ok()) << records.status();
  ASSERT_EQ(records->actions.size(), 1u);
  EXPECT_EQ(records->actions[0].key, action);
  EXPECT_EQ(records->next_worker, 7);
  EXPECT_THAT(records->discarded, IsEmpty());
  const std::vector<Change> changes = {PutDiscarded{{testing::NamedArtifact("activations"), false}}};
  ASSERT_TRUE((*store)->Commit(changes).ok());
  EXPECT_EQ((*store)->Load()->discarded.size(), 1u);
}

TEST_F(SqliteStoreTest, TasksAndResultsOfAFileThatKeptThemByKeyAreKeptAndGoOnChanging) {
  TaskRecord task;
  task.def = std::make_shared<const TaskDef>();
  task.key = DerivationKeyOf(*task.def);
  const Digest action_key = DigestOf("action");
  const Digest dropped_key = DigestOf("dropped");
  {
    SQLite::Database database(path(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    ASSERT_TRUE(MigrateSqlite(database, 4).ok());
    SQLite::Statement put_task(
        database, "INSERT INTO tasks VALUES (?, ?, 7, 2, 'LEASED', ?, 3, 2, 'w-1', 'a', 4, '{}', 1, 0, 'an error')");
    put_task.bind(1, task.key.hex());
    put_task.bind(2, CanonicalJson(TaskDefToJson(*task.def)));
    put_task.bind(3, action_key.hex());
    put_task.exec();
    for (const Digest& key : {action_key, dropped_key}) {
      SQLite::Statement put_action(database, "INSERT INTO actions VALUES (?, '{}', '{\"steps\":3}', 1.5, 10, 20)");
      put_action.bind(1, key.hex());
      put_action.exec();
    }
  }
  for (const bool load_first : {true, false}) {
    StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path());
    ASSERT_TRUE(store.ok()) << store.status();
    if (load_first) {
      const StatusOr<Records> records = (*store)->Load();
      ASSERT_TRUE(records.ok()) << records.status();
      ASSERT_EQ(records->tasks.size(), 1u);
      task.memory_bytes = 7;
      EXPECT_EQ(records->tasks[0].key, task.key);
      EXPECT_EQ(records->tasks[0].memory_bytes, 7);
      EXPECT_EQ(records->tasks[0].action_key, action_key);
      EXPECT_EQ(records->tasks[0].error, "an error");
      ASSERT_EQ(records->actions.size(), 2u);
      EXPECT_EQ(records->actions[0].metrics_json, R"({"steps":3})");
      EXPECT_EQ(records->actions[0].peak_rss_bytes, 20);
    }
    task.token += 10;
    TaskRecord other = task;
    other.key = DigestOf(absl::StrCat("other ", load_first));
    ActionRecord again;
    again.key = action_key;
    again.seconds = load_first ? 2.5 : 3.5;
    ASSERT_TRUE((*store)
                    ->Commit(std::vector<Change>{PutTask{task, false}, PutTask{other, true}, PutAction{again},
                                                 DropAction{dropped_key}})
                    .ok());
    const StatusOr<Records> records = (*store)->Load();
    ASSERT_TRUE(records.ok()) << records.status();
    ASSERT_EQ(records->tasks.size(), load_first ? 2u : 3u);
    EXPECT_EQ(records->tasks[0].token, task.token) << "in the order they came";
    EXPECT_EQ(records->tasks.back().key, other.key);
    ASSERT_EQ(records->actions.size(), 1u);
    EXPECT_EQ(records->actions[0].seconds, again.seconds);
  }
}

TEST_F(SqliteStoreTest, AnotherProgramsFileIsRefusedAndNotTouched) {
  {
    SQLite::Database database(path(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    database.exec("CREATE TABLE songs (title TEXT)");
  }
  EXPECT_THAT(Refusal(), HasSubstr("SQLite file of another program"));
  SQLite::Database database(path(), SQLite::OPEN_READONLY);
  EXPECT_EQ(database.execAndGet("SELECT count(*) FROM sqlite_master").getInt(), 1);
}

TEST_F(SqliteStoreTest, AFileThatIsNoDatabaseIsRefused) {
  test::WriteFile(path(), std::string(8192, 'x'));
  EXPECT_THAT(Refusal(), HasSubstr("move the file away to start empty"));
}

TEST_F(SqliteStoreTest, ADamagedFileIsRefused) {
  {
    StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path());
    ASSERT_TRUE(store.ok());
    std::vector<Change> changes;
    for (int i = 0; i < 500; ++i) changes.push_back(PutTask{SomeTask(absl::StrCat(i)), true});
    ASSERT_TRUE((*store)->Commit(changes).ok());
  }
  std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096 * 20);
  file << std::string(4096 * 20, '\xff');
  file.close();
  EXPECT_THAT(Refusal(), HasSubstr("DATA_LOSS"));
}

TEST_F(SqliteStoreTest, AMissingFolderIsRefused) {
  const StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(directory_.path() + "/absent/state.db");
  EXPECT_THAT(store.status().ToString(), HasSubstr("does its folder exist"));
}

TEST_F(SqliteStoreTest, ASecondCoordinatorOnTheSameFileIsRefused) {
  const StatusOr<std::unique_ptr<Store>> first = OpenSqliteStore(path());
  ASSERT_TRUE(first.ok());
  // Another process, since locks of one process do not exclude each other.
  const test::Finished second = test::RunToEnd({LWQ_STORE_PROBE, path()}, directory_.path());
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(second.out, HasSubstr("is in use by another coordinator: stop that one"));
}

TEST_F(SqliteStoreTest, ACommitThatFailsStoresNothingOfIt) {
  // A trigger stands for the disk that fails in the middle of a transaction.
  ASSERT_TRUE(OpenSqliteStore(path()).ok());
  {
    SQLite::Database database(path(), SQLite::OPEN_READWRITE);
    database.exec("CREATE TRIGGER fail BEFORE INSERT ON workers BEGIN SELECT RAISE(ABORT, 'no'); END");
  }
  StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path());
  ASSERT_TRUE(store.ok()) << store.status();
  const std::vector<Change> changes = {PutTask{SomeTask("task"), true}, PutWorker{testing::WorkerNamed("a")}};
  EXPECT_FALSE((*store)->Commit(changes).ok());
  EXPECT_THAT((*store)->Load()->tasks, IsEmpty());
}

TEST(OpenStoreTest, OtherUrisAreRefused) {
  for (const char* uri : {"", "sqlite:", "postgres://x", "state.db", "memory"}) {
    const StatusOr<std::unique_ptr<Store>> store = OpenStore(uri);
    EXPECT_EQ(store.status().code(), absl::StatusCode::kInvalidArgument) << uri;
    EXPECT_THAT(std::string(MessageOf(store.status())), HasSubstr("use sqlite:PATH"));
  }
}

TEST(MemoryStoreTest, AFailedCommitChangesNothing) {
  MemoryStore store;
  store.set_commit_status(absl::ResourceExhaustedError("disk full"));
  const std::vector<Change> changes = {PutNextWorker{5}};
  EXPECT_FALSE(store.Commit(changes).ok());
  EXPECT_EQ(store.Load()->next_worker, 1);
  store.set_commit_status(absl::OkStatus());
  EXPECT_TRUE(store.Commit(changes).ok());
  EXPECT_EQ(store.Load()->next_worker, 5);
}

TEST(RecordJsonTest, DamagedTextsAreDataLoss) {
  EXPECT_FALSE(ParseRunState("DANCING").ok());
  EXPECT_FALSE(ParseTaskState("").ok());
  EXPECT_FALSE(ParseTaskPurpose("x").ok());
  EXPECT_FALSE(ParseDigestText("abc").ok());
  for (const char* text : {"", "[]", "{\"a\":1}", "{\"a\":{\"digest\":\"x\",\"size_bytes\":1}}", "null"}) {
    EXPECT_EQ(OutputsFromText(text).status().code(), absl::StatusCode::kDataLoss) << text;
  }
  EXPECT_FALSE(ResultFromText("{}").ok());
  EXPECT_FALSE(FailuresFromText("{\"TASK\":\"x\"}").ok());
  EXPECT_FALSE(KindsFromText("[\"fly\"]").ok());
  EXPECT_FALSE(KindsFromText("{}").ok());
  for (const char* text : {"", "[]", "{\"fly\":\"a\"}", "{\"advance\":1}"}) {
    EXPECT_EQ(KindBasesFromText(text).status().code(), absl::StatusCode::kDataLoss) << text;
  }
}

}  // namespace
}  // namespace lwq::coordinator
