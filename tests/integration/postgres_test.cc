// SPDX-License-Identifier: Apache-2.0
// A coordinator whose records are in PostgreSQL: killed, and cut off from its database, in the middle of a run.
#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/cluster.h"
#include "tests/integration/small_run.h"
#include "tests/testing/postgres_server.h"

namespace lwq::test {
namespace {

namespace pb = lwqat::v1;

TEST(PostgresTest, AKilledCoordinatorAndEndedSessionsLeaveTheResultOfAnUndisturbedRunOnSqlite) {
  const TemporaryDirectory directory;
  const std::string run_file = WriteSmallRun(directory.path(), "postgres", {});
  std::filesystem::create_directories(directory.path() + "/reference");
  Cluster on_sqlite(directory.path() + "/reference", {});
  on_sqlite.StartAll();
  const pb::Run reference = on_sqlite.Finish(on_sqlite.Submit(run_file));
  ASSERT_FALSE(reference.result_digest().empty());

  const std::string uri = TestPostgres().NewDatabase();
  const TemporaryDirectory home;  // goes after the cluster, whose processes write into it
  ClusterOptions options;
  options.store_uri = uri;
  Cluster cluster(home.path(), options);
  cluster.StartAll();
  const std::string id = cluster.Submit(run_file);
  bool ended = false;
  bool killed = false;
  const StatusOr<pb::Run> run = cluster.Wait(id, kDeadlineSeconds, [&](const pb::Run& state) {
    if (!ended && state.tasks_done() > 0) {
      ended = true;
      TestPostgres().EndSessions(uri);
    } else if (!killed && state.tasks_done() > reference.tasks_total() / 2) {
      killed = true;
      cluster.KillCoordinator();
      cluster.StartCoordinator();
    }
  });
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_EQ(run->state(), pb::RUN_STATE_SUCCEEDED) << run->error() << cluster.Logs();
  EXPECT_TRUE(ended);
  EXPECT_TRUE(killed);
  EXPECT_EQ(run->result_digest(), reference.result_digest()) << cluster.Logs();
  EXPECT_EQ(TestPostgres().Execute(uri, "SELECT term FROM lwq.leader"), "2") << "one for each start";
}

TEST(PostgresTest, ACoordinatorWhoseTermIsOverEndsWithOneLineThatSaysSo) {
  const TemporaryDirectory directory;
  const std::string run_file = WriteSmallRun(directory.path(), "term", {});
  ClusterOptions options;
  options.workers = 0;
  options.store_uri = TestPostgres().NewDatabase();
  const TemporaryDirectory home;
  Cluster cluster(home.path(), options);
  cluster.StartAll();
  TestPostgres().Execute(options.store_uri, "UPDATE lwq.leader SET term = term + 1, commits = 0");
  const Finished refused =
      RunToEnd({Binary("lwq"), "submit", run_file, "--coordinator", cluster.address()}, directory.path());
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_EQ(cluster.coordinator().Wait(), 1);
  EXPECT_THAT(cluster.Logs(), ::testing::HasSubstr("another coordinator has taken over, and this one must stop"));
}

}  // namespace
}  // namespace lwq::test
