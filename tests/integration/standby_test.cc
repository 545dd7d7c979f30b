// SPDX-License-Identifier: Apache-2.0
// Two coordinators of one PostgreSQL database: one leads, the other stands by and takes over.
#include <signal.h>

#include <filesystem>

#include "common/rpc/channel.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/cluster.h"
#include "tests/integration/small_run.h"
#include "tests/testing/postgres_server.h"

namespace lwq::test {
namespace {

namespace pb = lwqat::v1;
using ::testing::HasSubstr;

class StandbyTest : public ::testing::Test {
 protected:
  ClusterOptions Options() const {
    ClusterOptions options;
    options.store_uri = uri_;
    options.coordinator_flags = {"--standby", "--lead-seconds", "1"};
    return options;
  }
  // A coordinator beside the cluster's own, which leads already; it stands by when this returns.
  void StartSecond(const Cluster& cluster) {
    std::filesystem::remove(second_address_file_);
    second_ = Process({Binary("lwq-coordinator"), "--store", uri_, "--objects", "file://" + cluster.objects_directory(),
                       "--lease-seconds", "1.5", "--heartbeat-seconds", "0.2", "--listen",
                       second_address_.empty() ? "127.0.0.1:0" : second_address_, "--address-file",
                       second_address_file_, "--standby", "--lead-seconds", "1"},
                      second_log_);
    const StatusOr<std::string> address = WaitForFile(second_address_file_, kDeadlineSeconds);
    LWQ_CHECK(address.ok(), address.status().message(), ReadFileOrEmpty(second_log_));
    second_address_ = *address;
  }
  // Until that coordinator holds the lease.
  void AwaitLead(const std::string& address) const {
    TestPostgres().WaitUntil(uri_, "SELECT address = '" + address + "' FROM lwq.lead_lease");
  }
  Finished Lwq(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), Binary("lwq"));
    return RunToEnd(arguments, home_.path());
  }
  std::string Logs(const Cluster& cluster) const {
    return cluster.Logs() + "--- second\n" + ReadFileOrEmpty(second_log_);
  }

  const std::string uri_ = TestPostgres().NewDatabase();
  const TemporaryDirectory home_;
  const std::string second_address_file_ = home_.path() + "/second.address";
  const std::string second_log_ = home_.path() + "/second.log";
  std::string second_address_;
  Process second_;
};

// Reads what is sent of the run until one of its tasks has been executed.
void AwaitProgress(Cluster& cluster, const std::string& run_id) {
  grpc::ClientContext context;
  pb::WatchRunRequest request;
  request.set_run_id(run_id);
  const auto stream = cluster.stub().WatchRun(&context, request);
  pb::WatchRunResponse response;
  while (stream->Read(&response)) {
    if (response.run().tasks_done() > 0) break;
  }
  context.TryCancel();
  (void)stream->Finish();
}

TEST_F(StandbyTest, TakesOverFromALeaderThatIsKilledAndGivesTheLeadBackWhenToldToEnd) {
  const std::string run_file = WriteSmallRun(home_.path(), "standby", {});
  std::filesystem::create_directories(home_.path() + "/reference");
  Cluster undisturbed(home_.path() + "/reference", {});
  undisturbed.StartAll();
  const std::string digest = undisturbed.Finish(undisturbed.Submit(run_file)).result_digest();

  Cluster cluster(home_.path(), Options());
  cluster.StartCoordinator();
  const std::string first = cluster.address();
  AwaitLead(first);
  StartSecond(cluster);
  const Finished refused = Lwq({"list", "--coordinator", second_address_, "--timeout", "0"});
  EXPECT_EQ(refused.exit_code, 3) << refused.out << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("this coordinator stands by; the one at " + first + " leads"));

  // The one that stands by is named first, to workers and to the client.
  const std::string both = second_address_ + "," + first;
  cluster.SetCoordinators(both);
  for (int i = 0; i < 2; ++i) cluster.StartWorker(i);
  const std::string id = cluster.Submit(run_file);
  AwaitProgress(cluster, id);
  cluster.KillCoordinator();
  const Finished watched = Lwq({"watch", id, "--coordinator", both});
  EXPECT_EQ(watched.exit_code, 0) << watched.err << Logs(cluster);
  AwaitLead(second_address_);
  const auto by_second = pb::RunService::NewStub(OpenChannel(second_address_, {}));
  pb::GetRunRequest request;
  request.set_run_id(id);
  pb::GetRunResponse found;
  grpc::ClientContext context;
  const grpc::Status got = by_second->GetRun(&context, request, &found);
  ASSERT_TRUE(got.ok()) << got.error_message() << Logs(cluster);
  EXPECT_EQ(found.run().state(), pb::RUN_STATE_SUCCEEDED) << Logs(cluster);
  EXPECT_EQ(found.run().result_digest(), digest);
  for (const pb::Task& task : found.run().tasks()) EXPECT_LE(task.attempts(), 1) << task.title();

  // Back where it was, the first stands by. It leads at once when the second ends, which gives its lease up.
  cluster.StartCoordinator();
  second_.Signal(SIGTERM);
  EXPECT_EQ(second_.Wait(), 0) << Logs(cluster);
  AwaitLead(first);
  const pb::Run again = cluster.Finish(cluster.Submit(run_file));
  EXPECT_EQ(Executed(again, ""), 0) << Logs(cluster);
  EXPECT_EQ(TestPostgres().Execute(uri_, "SELECT term FROM lwq.leader"), "3") << "one for each lead";

  // Its records go on in a file.
  const std::string file = "sqlite:" + home_.path() + "/copy.db";
  const std::vector<std::string> copy = {Binary("lwq-coordinator"), "--copy-from", uri_, "--store", file};
  const Finished in_use = RunToEnd(copy, home_.path());
  EXPECT_EQ(in_use.exit_code, 1);
  EXPECT_THAT(in_use.err, HasSubstr("is in use by the coordinator at " + first + ": stop it"));
  cluster.coordinator().Signal(SIGTERM);
  EXPECT_EQ(cluster.coordinator().Wait(), 0) << Logs(cluster);
  const Finished copied = RunToEnd(copy, home_.path());
  EXPECT_EQ(copied.exit_code, 0) << copied.err;
  EXPECT_THAT(copied.out, HasSubstr("copied 2 runs, "));
  ClusterOptions on_file;
  on_file.workers = 1;
  on_file.store_uri = file;
  on_file.objects_uri = "file://" + cluster.objects_directory();
  std::filesystem::create_directories(home_.path() + "/later");
  Cluster later(home_.path() + "/later", on_file);
  later.StartAll();
  EXPECT_EQ(later.Get(id)->result_digest(), digest);
  EXPECT_EQ(Executed(later.Finish(later.Submit(run_file)), ""), 0) << later.Logs();
}

TEST_F(StandbyTest, ALeaderThatStoodStillWhileAnotherTookOverEndsWithOneLineThatSaysSo) {
  ClusterOptions options = Options();
  options.workers = 0;
  Cluster cluster(home_.path(), options);
  cluster.StartCoordinator();
  AwaitLead(cluster.address());
  StartSecond(cluster);
  cluster.coordinator().Signal(SIGSTOP);
  AwaitLead(second_address_);
  TestPostgres().WaitUntil(uri_, "SELECT term = 2 FROM lwq.leader");
  cluster.coordinator().Signal(SIGCONT);
  EXPECT_EQ(cluster.coordinator().Wait(), 1) << Logs(cluster);
  EXPECT_THAT(cluster.Logs(), HasSubstr("another coordinator has taken over, at " + second_address_));
}

}  // namespace
}  // namespace lwq::test
