// SPDX-License-Identifier: Apache-2.0
// What only a file can get wrong; what every store must do is tests/conformance/coordinator_store_suite.cc.
#include <sys/stat.h>

#include "coordinator/store/store.h"

#include <cmath>
#include <filesystem>
#include <fstream>

#include "SQLiteCpp/SQLiteCpp.h"
#include "coordinator/store/memory_store.h"
#include "coordinator/store/record_json.h"
#include "coordinator/store/sqlite_schema.h"
#include "coordinator/store/sqlite_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/full_disk.h"
#include "tests/testing/process.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::BlockApSpec;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TaskRecord SomeTask(std::string_view name) {
  TaskRecord task;
  task.key = DigestOf(name);
  auto def = std::make_shared<TaskDef>();
  def->kind = TaskKind::kAdvance;
  task.def = def;
  return task;
}

// As a coordinator does that takes the next term for this.
Status CommitTo(Store& store, std::vector<Change> changes) {
  LWQ_ASSIGN_OR_RETURN(const Term term, store.TakeTerm());
  return store.Commit(term, changes);
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

TEST_F(SqliteStoreTest, TheFilesAreTheirOwnersAloneAlsoWhereTheyWereNot) {
  const auto mode_of = [](const std::string& file) {
    struct stat info {};
    return ::stat(file.c_str(), &info) == 0 ? info.st_mode & 0777 : 0;
  };
  ASSERT_TRUE(OpenSqliteStore(path()).ok());
  ::chmod(path().c_str(), 0644);
  const StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path());
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ(mode_of(path()), 0600U);
  EXPECT_EQ(mode_of(path() + "-wal"), 0600U);
}

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
  EXPECT_TRUE(records->workers[0].token_sha256.is_zero());
  EXPECT_TRUE(records->workers[0].projects.all());
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
  ASSERT_TRUE(CommitTo(**store, changes).ok());
  EXPECT_EQ((*store)->Load()->discarded.size(), 1u);
}

TEST_F(SqliteStoreTest, AFileFromBeforeTermsKeepsWhatItHasAndBeginsWithTheFirst) {
  const Digest action = DigestOf("action");
  {
    SQLite::Database database(path(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    ASSERT_TRUE(MigrateSqlite(database, 4).ok());
    database.exec(absl::StrCat("INSERT INTO actions VALUES ('", action.hex(), "', '{}', '{}', 1.5, 10, 20)"));
    database.exec("INSERT INTO meta VALUES ('next_worker', 7)");
  }
  StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path());
  ASSERT_TRUE(store.ok()) << store.status();
  const StatusOr<Term> term = (*store)->TakeTerm();
  ASSERT_TRUE(term.ok()) << term.status();
  EXPECT_EQ(term->number, 1);
  const std::vector<Change> changes = {PutNextWorker{8}};
  EXPECT_TRUE((*store)->Commit(*term, changes).ok());
  const StatusOr<Records> records = (*store)->Load();
  ASSERT_TRUE(records.ok()) << records.status();
  ASSERT_EQ(records->actions.size(), 1u);
  EXPECT_EQ(records->actions[0].key, action);
  EXPECT_EQ(records->next_worker, 8);
}

TEST_F(SqliteStoreTest, SweepsOfAFileFromBeforeHalvingHaveNoneAndTheirTasksNeedNoBlocks) {
  constexpr int kBeforeHalving = 8;
  {
    SQLite::Database database(path(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    ASSERT_TRUE(MigrateSqlite(database, kBeforeHalving).ok());
    database.exec("INSERT INTO sweeps VALUES (1, '0123456789ab', 'bits', '', '', 5, '[]')");
    database.exec(absl::StrCat("INSERT INTO run_tasks VALUES ('run', 0, '", DigestOf("task").hex(),
                               "', 'train block 0', 0, 1, 'checkpoint', '', '', 0)"));
  }
  const StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path());
  ASSERT_TRUE(store.ok()) << store.status();
  const StatusOr<Records> records = (*store)->Load();
  ASSERT_TRUE(records.ok()) << records.status();
  ASSERT_EQ(records->sweeps.size(), 1u);
  EXPECT_EQ(records->sweeps[0].halving, std::nullopt);
  EXPECT_TRUE(records->sweeps[0].rung_results.empty());
  ASSERT_EQ(records->run_tasks.at(RunId{"run"}).size(), 1u);
  EXPECT_EQ(records->run_tasks.at(RunId{"run"})[0].needs_blocks, 0);
}

TEST_F(SqliteStoreTest, AFileFromBeforeRunsWereDeletedKeepsWhatItHas) {
  RunRecord run;
  run.id.value = "0123456789ab";
  run.spec = std::make_shared<const RunSpec>(BlockApSpec(2));
  run.recipe = ResolveSpec(*run.spec)->recipe;
  {
    SQLite::Database database(path(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    ASSERT_TRUE(MigrateSqlite(database, 10).ok());
    SQLite::Statement put_run(
        database, "INSERT INTO runs VALUES (1, ?, ?, ?, 'SUCCEEDED', 'a|b|c|fp32|t1', '', 5, 6, ?, '[]', '{}', 0, 0)");
    put_run.bind(1, run.id.value);
    put_run.bind(2, CanonicalJson(RunSpecToJson(*run.spec)));
    put_run.bind(3, CanonicalJson(RecipeToJson(run.recipe)));
    put_run.bind(4, ResultToText(run.result));
    put_run.exec();
  }
  StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path());
  ASSERT_TRUE(store.ok()) << store.status();
  StatusOr<Records> records = (*store)->Load();
  ASSERT_TRUE(records.ok()) << records.status();
  ASSERT_EQ(records->runs.size(), 1u);
  EXPECT_EQ(records->runs[0].finished_unix_ms, 6);
  EXPECT_TRUE(records->runs[0].remaking.is_zero());
  EXPECT_EQ(records->token_floor, 0u);
}

TEST_F(SqliteStoreTest, RunsAndLinesOfAFileFromBeforeTracesAreInNoneAndOfNoAttempt) {
  RunRecord run;
  run.id.value = "0123456789ab";
  run.spec = std::make_shared<const RunSpec>(BlockApSpec(2));
  run.recipe = ResolveSpec(*run.spec)->recipe;
  constexpr int kBeforeTraces = 12;
  {
    SQLite::Database database(path(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    ASSERT_TRUE(MigrateSqlite(database, kBeforeTraces).ok());
    SQLite::Statement put_run(
        database,
        "INSERT INTO runs VALUES (1, ?, ?, ?, 'SUCCEEDED', 'a|b|c|fp32|t1', '', 5, 6, ?, '[]', '{}', 0, 0, '')");
    put_run.bind(1, run.id.value);
    put_run.bind(2, CanonicalJson(RunSpecToJson(*run.spec)));
    put_run.bind(3, CanonicalJson(RecipeToJson(run.recipe)));
    put_run.bind(4, ResultToText(run.result));
    put_run.exec();
    database.exec("INSERT INTO log_lines VALUES (1, '0123456789ab', 5, 'noop 0', 'a', 'attempt 2 succeeded')");
  }
  StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path());
  ASSERT_TRUE(store.ok()) << store.status();
  const StatusOr<Records> records = (*store)->Load();
  ASSERT_TRUE(records.ok()) << records.status();
  ASSERT_EQ(records->runs.size(), 1u);
  EXPECT_EQ(records->runs[0].trace, RunTrace());
  ASSERT_EQ(records->logs.size(), 1u);
  EXPECT_EQ(records->logs[0].text, "attempt 2 succeeded");
  EXPECT_EQ(records->logs[0].attempt, 0);
}

TEST_F(SqliteStoreTest, AFileThatLostItsTermIsDataLoss) {
  ASSERT_TRUE(OpenSqliteStore(path()).ok());
  {
    SQLite::Database database(path(), SQLite::OPEN_READWRITE);
    database.exec("DELETE FROM meta WHERE name='term'");
  }
  StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path());
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_TRUE(absl::IsDataLoss((*store)->TakeTerm().status())) << (*store)->TakeTerm().status();
  EXPECT_TRUE(absl::IsDataLoss((*store)->Commit(Term{1}, {})));
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
    const StatusOr<Term> term = (*store)->TakeTerm();
    ASSERT_TRUE(term.ok()) << term.status();
    ASSERT_TRUE((*store)
                    ->Commit(*term, std::vector<Change>{PutTask{task, false}, PutTask{other, true}, PutAction{again},
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
    ASSERT_TRUE(CommitTo(**store, changes).ok());
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
  EXPECT_FALSE(CommitTo(**store, changes).ok());
  EXPECT_THAT((*store)->Load()->tasks, IsEmpty());
}

TEST_F(SqliteStoreTest, AFullDiskRefusesCommitsAndWhatWasAcknowledgedIsThereOnceThereIsRoom) {
  ASSERT_TRUE(OpenSqliteStore(path()).ok());
  const int broken = test::InSmallFiles(400'000, [&] {
    size_t acknowledged = 0;
    {
      StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path());
      if (!store.ok()) return 1;
      const StatusOr<Term> term = (*store)->TakeTerm();
      if (!term.ok()) return 2;
      Status status;
      while (status.ok() && acknowledged < 1000) {
        TaskRecord task = SomeTask(absl::StrCat("task ", acknowledged));
        task.error = std::string(5000, 'e');
        const std::vector<Change> changes = {PutTask{task, true}};
        status = (*store)->Commit(*term, changes);
        if (status.ok()) ++acknowledged;
      }
      if (status.ok() || acknowledged == 0) return 3;
      if (MessageOf(status).find(path()) == std::string_view::npos) return 4;
      if (MessageOf(status).find('\n') != std::string_view::npos) return 5;
    }
    test::LimitFiles(RLIM_INFINITY);
    StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path());
    if (!store.ok()) return 6;
    if ((*store)->Load()->tasks.size() != acknowledged) return 7;
    return CommitTo(**store, {PutTask{SomeTask("another"), true}}).ok() ? 0 : 8;
  });
  EXPECT_EQ(broken, 0);
}

TEST(OpenStoreTest, OtherUrisAreRefused) {
  for (const char* uri : {"", "sqlite:", "mysql://x", "state.db", "memory"}) {
    const StatusOr<std::unique_ptr<Store>> store = OpenStore(uri);
    EXPECT_EQ(store.status().code(), absl::StatusCode::kInvalidArgument) << uri;
    EXPECT_THAT(std::string(MessageOf(store.status())), HasSubstr("use sqlite:PATH"));
  }
}

TEST(MemoryStoreTest, AFailedCommitChangesNothing) {
  MemoryStore store;
  store.set_commit_status(absl::ResourceExhaustedError("disk full"));
  const std::vector<Change> changes = {PutNextWorker{5}};
  EXPECT_FALSE(CommitTo(store, changes).ok());
  EXPECT_EQ(store.Load()->next_worker, 1);
  store.set_commit_status(absl::OkStatus());
  EXPECT_TRUE(CommitTo(store, changes).ok());
  EXPECT_EQ(store.Load()->next_worker, 5);
}

// As the release before "measured" wrote it, and as the one before that, which did not know about BOS.
constexpr char kStoredPerplexities[] =
    R"({"export":{"digest":"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff","size_bytes":4096},)"
    R"("perplexities":[{"model":"fp","perplexity":2.3456789012345677,"text":"held-out","tokens":50000},)"
    R"({"add_bos":true,"model":"block_ap","perplexity":null,"text":"held-out","tokens":50000}],)"
    R"("result_digest":"aaaa"})";

TEST(RecordJsonTest, AResultStoredBeforeMeasuredIsRead) {
  const StatusOr<RunResult> result = ResultFromText(kStoredPerplexities);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->measured,
              ::testing::ElementsAre(
                  Measured{"fp", "held-out", "perplexity", 2.3456789012345677, std::nullopt, 50'000, std::nullopt},
                  Measured{"block_ap", "held-out", "perplexity", HUGE_VAL, std::nullopt, 50'000, true}));
  EXPECT_EQ(result->result_digest, "aaaa");
  EXPECT_EQ(result->exported->size_bytes, 4096);
  const StatusOr<RunResult> again = ResultFromText(ResultToText(*result));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, *result) << "in today's form";
}

TEST_F(SqliteStoreTest, AFileFromBeforeMeasuredKeepsItsResultsAndIsNoLongerForProgramsOfThen) {
  RunRecord run;
  run.id.value = "0123456789ab";
  run.spec = std::make_shared<const RunSpec>(BlockApSpec(2));
  run.recipe = ResolveSpec(*run.spec)->recipe;
  const int before = SqliteSchemaVersion() - 1;
  {
    SQLite::Database database(path(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    ASSERT_TRUE(MigrateSqlite(database, 1).ok());
    SQLite::Statement put_run(database,
                              "INSERT INTO runs VALUES (1, ?, ?, ?, 'SUCCEEDED', 'a|b|c|fp32|t1', '', 5, 6, ?)");
    put_run.bind(1, run.id.value);
    put_run.bind(2, CanonicalJson(RunSpecToJson(*run.spec)));
    put_run.bind(3, CanonicalJson(RecipeToJson(run.recipe)));
    put_run.bind(4, kStoredPerplexities);
    put_run.exec();
    ASSERT_TRUE(MigrateSqlite(database, before).ok());
  }
  {
    const StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path());
    ASSERT_TRUE(store.ok()) << store.status();
    const StatusOr<Records> records = (*store)->Load();
    ASSERT_TRUE(records.ok()) << records.status();
    ASSERT_EQ(records->runs.size(), 1u);
    EXPECT_EQ(records->runs[0].result, *ResultFromText(kStoredPerplexities));
  }
  SQLite::Database database(path(), SQLite::OPEN_READWRITE);
  EXPECT_EQ(database.execAndGet("PRAGMA user_version").getInt(), before + 1);
}

TEST(RecordJsonTest, DamagedTextsAreDataLoss) {
  EXPECT_FALSE(ParseRunState("DANCING").ok());
  EXPECT_FALSE(ParseTaskState("").ok());
  EXPECT_FALSE(ParseTaskPurpose("x").ok());
  EXPECT_FALSE(ParseDigestText("abc").ok());
  for (const char* text : {"", "[]", "{\"a\":1}", "{\"a\":{\"digest\":\"x\",\"size_bytes\":1}}", "null"}) {
    EXPECT_EQ(OutputsFromText(text).status().code(), absl::StatusCode::kDataLoss) << text;
  }
  for (const char* text : {"{}", "[]", R"({"measured":{},"result_digest":""})",
                           R"({"measured":[{}],"result_digest":""})", R"({"perplexities":3,"result_digest":""})",
                           R"({"perplexities":[{}],"result_digest":""})", R"({"measured":[]})"}) {
    EXPECT_EQ(ResultFromText(text).status().code(), absl::StatusCode::kDataLoss) << text;
  }
  EXPECT_FALSE(FailuresFromText("{\"TASK\":\"x\"}").ok());
  for (const char* text : {"[]", "{}", R"({"artifact":3})",
                           R"({"action":"x","artifact":{"digest":"x","size_bytes":1},"step":1,"steps":2,"token":1})"}) {
    EXPECT_EQ(CheckpointFromText(text).status().code(), absl::StatusCode::kDataLoss) << text;
  }
  EXPECT_FALSE(KindsFromText("[\"fly\"]").ok());
  EXPECT_FALSE(KindsFromText("{}").ok());
  for (const char* text : {"", "[]", "{\"fly\":\"a\"}", "{\"advance\":1}"}) {
    EXPECT_EQ(KindBasesFromText(text).status().code(), absl::StatusCode::kDataLoss) << text;
  }
}

}  // namespace
}  // namespace lwq::coordinator
