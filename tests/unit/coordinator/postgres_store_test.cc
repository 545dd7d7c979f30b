// SPDX-License-Identifier: Apache-2.0
// What only PostgreSQL can get wrong; what every store must do is tests/conformance/coordinator_store_suite.cc.
#include "coordinator/store/postgres_store.h"

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/store/postgres_connection.h"
#include "coordinator/store/postgres_schema.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/postgres_server.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class PostgresStoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<Store> Open(PostgresOptions options = {}) const {
    StatusOr<std::unique_ptr<Store>> store = OpenPostgresStore(uri_, options);
    LWQ_CHECK(store.ok(), store.status().ToString());
    return *std::move(store);
  }
  // One line that names the database.
  Status Refusal(const std::string& uri) const {
    const Status refused = OpenPostgresStore(uri).status();
    LWQ_CHECK(!refused.ok(), "the store was opened");
    EXPECT_EQ(MessageOf(refused).find('\n'), std::string_view::npos) << refused;
    EXPECT_THAT(std::string(MessageOf(refused)), HasSubstr("store postgresql://")) << refused;
    return refused;
  }
  std::string Ask(const std::string& sql) const { return server_.Execute(uri_, sql); }
  static std::vector<Change> NextWorker(int64_t number) { return {PutNextWorker{number}}; }
  // Of a coordinator's session, with the condition.
  std::string SessionThat(std::string_view condition) const {
    return absl::StrCat(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'lwq-coordinator' AND datname = "
        "current_database() AND ",
        condition, ")");
  }

  test::PostgresServer& server_ = test::TestPostgres();
  const std::string uri_ = server_.NewDatabase();
};

TEST_F(PostgresStoreTest, OfTwoStoresTheOneWithTheOlderTermIsRefusedAndNothingOfItIsSeen) {
  const std::unique_ptr<Store> older = Open();
  const Term former = older->TakeTerm().value();
  ASSERT_TRUE(older->Commit(former, NextWorker(5)).ok());
  const std::unique_ptr<Store> newer = Open();
  const Term next = newer->TakeTerm().value();
  EXPECT_EQ(next.number, former.number + 1);
  const Status refused = older->Commit(former, NextWorker(6));
  EXPECT_TRUE(absl::IsAborted(refused)) << refused;
  EXPECT_THAT(std::string(MessageOf(refused)), HasSubstr("another coordinator has taken over"));
  EXPECT_EQ(newer->Load()->next_worker, 5);
  EXPECT_TRUE(newer->Commit(next, NextWorker(7)).ok());
  EXPECT_TRUE(absl::IsAborted(older->Commit(former, NextWorker(8)))) << "and goes on being refused";
  EXPECT_EQ(newer->Load()->next_worker, 7);
}

TEST_F(PostgresStoreTest, ATermThatAnotherStoreHoldsIsNotCommittedIn) {
  const std::unique_ptr<Store> holder = Open();
  const Term term = holder->TakeTerm().value();
  ASSERT_TRUE(holder->Commit(term, NextWorker(2)).ok());
  ASSERT_TRUE(holder->Commit(term, NextWorker(3)).ok());
  EXPECT_FALSE(Open()->Commit(term, NextWorker(4)).ok());
  EXPECT_EQ(holder->Load()->next_worker, 3);
}

TEST_F(PostgresStoreTest, ACommitAfterTheSessionHasEndedGoesThroughInANewOne) {
  const std::unique_ptr<Store> store = Open();
  const Term term = store->TakeTerm().value();
  for (int64_t number = 2; number < 5; ++number) {
    server_.EndSessions(uri_);
    ASSERT_TRUE(store->Commit(term, NextWorker(number)).ok());
  }
  EXPECT_EQ(store->Load()->next_worker, 4);
  EXPECT_EQ(Ask("SELECT commits FROM lwq.leader"), "3");
}

TEST_F(PostgresStoreTest, ACommitWhoseSessionEndsInItsMiddleIsMadeOnce) {
  const std::unique_ptr<Store> store = Open();
  const Term term = store->TakeTerm().value();
  std::unique_ptr<PostgresConnection> other = PostgresConnection::Open(uri_).value();
  // The commit has counted itself and waits at its first change.
  ASSERT_TRUE(
      other->Run("SET idle_in_transaction_session_timeout TO 0; BEGIN; LOCK TABLE lwq.meta IN ACCESS EXCLUSIVE MODE")
          .ok());
  std::future<Status> committed = std::async(std::launch::async, [&] { return store->Commit(term, NextWorker(9)); });
  server_.WaitUntil(uri_, SessionThat("wait_event_type = 'Lock'"));
  Ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
  ASSERT_TRUE(other->Run("ROLLBACK").ok());
  const Status status = committed.get();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(Ask("SELECT commits FROM lwq.leader"), "1");
  EXPECT_EQ(store->Load()->next_worker, 9);
}

TEST_F(PostgresStoreTest, ACommitThatWentThroughThoughItsAnswerWasLostIsOkAndNotMadeAgain) {
  const std::unique_ptr<Store> store = Open();
  const Term term = store->TakeTerm().value();
  // A replica that never answers: the transaction is committed, and its session waits to say so.
  const std::string anywhere = server_.UriOf("postgres");
  server_.Execute(anywhere, "ALTER SYSTEM SET synchronous_standby_names TO 'nobody'");
  server_.Execute(anywhere, "SELECT pg_reload_conf()");
  server_.WaitUntil(anywhere, "SELECT current_setting('synchronous_standby_names') = 'nobody'");
  // The server's processes learn of it one by one: commits before that do not wait.
  const std::string waiting = SessionThat("wait_event = 'SyncRep'");
  int64_t number = 0;
  std::future<Status> committed;
  do {
    ++number;
    committed = std::async(std::launch::async, [&] { return store->Commit(term, NextWorker(number)); });
    server_.WaitUntil(uri_, absl::StrCat("SELECT (", waiting, ") OR (SELECT commits = ", number, " FROM lwq.leader)"));
  } while (Ask(waiting) != "t" && committed.get().ok());
  ASSERT_TRUE(committed.valid());
  Ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
  const Status status = committed.get();
  EXPECT_TRUE(status.ok()) << status;
  server_.Execute(anywhere, "ALTER SYSTEM RESET synchronous_standby_names");
  server_.Execute(anywhere, "SELECT pg_reload_conf()");
  EXPECT_EQ(Ask("SELECT commits FROM lwq.leader"), std::to_string(number));
  EXPECT_EQ(store->Load()->next_worker, number);
  EXPECT_TRUE(store->Commit(term, NextWorker(number + 1)).ok()) << "the next one follows it";
}

TEST_F(PostgresStoreTest, ACommitWithoutAnySessionFailsInOneLineThatSaysWhatIsNotKnown) {
  const std::unique_ptr<Store> store = Open({.retry_seconds = 0});
  const Term term = store->TakeTerm().value();
  ASSERT_TRUE(store->Commit(term, NextWorker(2)).ok());
  const std::string anywhere = server_.UriOf("postgres");
  const std::string alter =
      absl::StrCat("ALTER DATABASE ", test::PostgresServer::DatabaseOf(uri_), " ALLOW_CONNECTIONS ");
  server_.Execute(anywhere, alter + "false");
  server_.EndSessions(uri_);
  const Status failed = store->Commit(term, NextWorker(3));
  EXPECT_TRUE(absl::IsUnavailable(failed)) << failed;
  EXPECT_THAT(std::string(MessageOf(failed)), HasSubstr("whether the last commit was stored is not known"));
  EXPECT_EQ(MessageOf(failed).find('\n'), std::string_view::npos);
  server_.Execute(anywhere, alter + "true");
  EXPECT_EQ(Open()->Load()->next_worker, 2);
}

TEST_F(PostgresStoreTest, ADatabaseThatHasLostACommitIsDataLoss) {
  const std::unique_ptr<Store> store = Open();
  const Term term = store->TakeTerm().value();
  ASSERT_TRUE(store->Commit(term, NextWorker(2)).ok());
  ASSERT_TRUE(store->Commit(term, NextWorker(3)).ok());
  Ask("UPDATE lwq.leader SET commits = 1");
  const Status refused = store->Commit(term, NextWorker(4));
  EXPECT_TRUE(absl::IsDataLoss(refused)) << refused;
  EXPECT_THAT(std::string(MessageOf(refused)), HasSubstr("commit 3 of term 1 does not follow commit 1"));
}

TEST_F(PostgresStoreTest, ADatabaseThatLostItsTermIsDataLoss) {
  const std::unique_ptr<Store> store = Open();
  Ask("DELETE FROM lwq.leader");
  EXPECT_TRUE(absl::IsDataLoss(store->TakeTerm().status())) << store->TakeTerm().status();
}

TEST_F(PostgresStoreTest, ACommitOfWhichOneChangeFailsStoresNothing) {
  const std::unique_ptr<Store> store = Open();
  const Term term = store->TakeTerm().value();
  Ask("ALTER TABLE lwq.workers ADD CHECK (name <> 'refused')");
  const Status failed =
      store->Commit(term, std::vector<Change>{PutNextWorker{5}, PutWorker{testing::WorkerNamed("refused")}});
  EXPECT_TRUE(absl::IsUnavailable(failed)) << failed;
  EXPECT_EQ(store->Load()->next_worker, 1);
  EXPECT_TRUE(store->Commit(term, NextWorker(6)).ok());
}

// What a server has not read yet and what it has answered meanwhile are each more than sockets hold.
TEST_F(PostgresStoreTest, ACommitOfManyChangesDoesNotWaitForItself) {
  const std::unique_ptr<Store> store = Open();
  const Term term = store->TakeTerm().value();
  std::vector<Change> changes;
  for (int64_t i = 1; i <= 20'000; ++i) {
    changes.push_back(AppendLog{{RunId{"run"}, i, i, "task", "worker", std::string(200, 'x')}});
  }
  ASSERT_TRUE(store->Commit(term, changes).ok());
  EXPECT_EQ(store->Load()->logs.size(), changes.size());
}

TEST_F(PostgresStoreTest, TextsThatAreNoTextToPostgresAreStoredAsReplacementCharacters) {
  const std::unique_ptr<Store> store = Open();
  const Term term = store->TakeTerm().value();
  const std::string text(
      "a\0b\xff"
      "c",
      5);
  ASSERT_TRUE(store->Commit(term, std::vector<Change>{AppendLog{{RunId{"run"}, 1, 0, "", "", text}}}).ok());
  const Records records = store->Load().value();
  ASSERT_EQ(records.logs.size(), 1u);
  EXPECT_EQ(records.logs[0].text,
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD"
            "c");
}

TEST_F(PostgresStoreTest, ANewerSchemaIsRefused) {
  Open();
  Ask("UPDATE lwq.schema_version SET version = 1000");
  const Status refused = Refusal(uri_);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(std::string(MessageOf(refused)),
              HasSubstr(absl::StrCat("its schema has version 1000, this program knows up to ", PostgresSchemaVersion(),
                                     ": use the newer program")));
}

TEST_F(PostgresStoreTest, AnotherProgramsSchemaIsRefusedAndNotTouched) {
  Ask("CREATE SCHEMA lwq; CREATE TABLE lwq.songs (title text)");
  const Status refused = Refusal(uri_);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(std::string(MessageOf(refused)), HasSubstr("its schema lwq is another program's"));
  EXPECT_EQ(Ask("SELECT count(*) FROM pg_class WHERE relnamespace = 'lwq'::regnamespace AND relkind = 'r'"), "1");
}

TEST_F(PostgresStoreTest, ADatabaseOfAnotherEncodingIsRefused) {
  const Status refused =
      Refusal(server_.NewDatabase("ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"));
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(std::string(MessageOf(refused)), HasSubstr("its encoding is SQL_ASCII"));
}

TEST_F(PostgresStoreTest, ARoleThatMayNotMakeTheTablesIsRefusedUntilItMay) {
  Ask("DROP ROLE IF EXISTS plain; CREATE ROLE plain LOGIN");
  const std::string database = test::PostgresServer::DatabaseOf(uri_);
  const std::string uri = server_.UriOf(database, "plain");
  const Status refused = Refusal(uri);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(std::string(MessageOf(refused)), HasSubstr("permission denied"));
  Ask("CREATE SCHEMA lwq AUTHORIZATION plain");
  const Status allowed = OpenPostgresStore(uri).status();
  EXPECT_TRUE(allowed.ok()) << allowed;
}

TEST_F(PostgresStoreTest, CoordinatorsThatOpenANewDatabaseAtOnceMakeItsTablesOnce) {
  std::vector<std::future<Status>> opened;
  for (int i = 0; i < 4; ++i) {
    opened.push_back(std::async(std::launch::async, [this] { return OpenPostgresStore(uri_).status(); }));
  }
  for (std::future<Status>& each : opened) {
    const Status status = each.get();
    EXPECT_TRUE(status.ok()) << status;
  }
  EXPECT_EQ(Ask("SELECT count(*) FROM lwq.schema_version"), "1");
}

TEST_F(PostgresStoreTest, ADatabaseThatIsNotThereIsUnavailable) {
  const Status refused = Refusal(server_.UriOf("absent"));
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  EXPECT_THAT(std::string(MessageOf(refused)), HasSubstr("does not exist"));
  EXPECT_TRUE(absl::IsUnavailable(Refusal("postgresql:///x?host=/nowhere")));
}

TEST_F(PostgresStoreTest, ItsCommitsSurviveAPowerCutWhateverTheServersDefault) {
  Ask(absl::StrCat("ALTER DATABASE ", test::PostgresServer::DatabaseOf(uri_), " SET synchronous_commit TO off"));
  std::string found;
  const std::unique_ptr<PostgresConnection> session = PostgresConnection::Open(uri_).value();
  ASSERT_TRUE(session
                  ->Query("SHOW synchronous_commit",
                          [&](const Row& row) {
                            found = row.Text(0);
                            return absl::OkStatus();
                          })
                  .ok());
  EXPECT_EQ(found, "on");
}

TEST(PostgresUriTest, HostileUrisAreRefusedInOneLineThatTellsNoSecret) {
  for (const char* uri :
       {"postgresql://user:secret@host/db", "postgres://user:secret@host/db",
        "postgresql://user@host/db?password=secret", "postgresql://user:4secret/w@host/db",
        "postgresql://host/db?secret=1", "postgresql://host/secret%zz", "postgresql://[::1/secret",
        "postgresql:///?sslmode=secret", "postgresql://host:99999secret/db", "postgresql://host/db?sslpassword=secret",
        "postgresql://user:55/secret@host/db", "postgresql:user:secret@host/db", "postgresql://host/a\"secret%zz",
        "postgresql://host/db?secret\n"}) {
    const Status refused = OpenStore(uri).status();
    EXPECT_TRUE(absl::IsInvalidArgument(refused)) << uri << ": " << refused;
    EXPECT_THAT(std::string(MessageOf(refused)), Not(HasSubstr("secret"))) << uri;
    EXPECT_EQ(MessageOf(refused).find('\n'), std::string_view::npos) << uri;
  }
}

}  // namespace
}  // namespace lwq::coordinator
