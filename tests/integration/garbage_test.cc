// SPDX-License-Identifier: Apache-2.0
// Activations leave the object store when no task needs them, results stay the same, and what a later run needs again
// is made again.
#include <chrono>
#include <filesystem>
#include <thread>

#include "common/artifact/artifact.h"
#include "common/object_store/open_store.h"
#include "gtest/gtest.h"
#include "tests/integration/cluster.h"
#include "tests/integration/small_run.h"

namespace lwq::test {
namespace {

namespace pb = lwqat::v1;

pb::GetServerInfoResponse ServerInfo(Cluster& cluster) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  pb::GetServerInfoResponse response;
  const grpc::Status status = cluster.stub().GetServerInfo(&context, {}, &response);
  LWQ_CHECK(status.ok(), status.error_message());
  return response;
}

// Until the coordinator knows that nothing above the budget is left.
void AwaitDeletions(Cluster& cluster) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(kDeadlineSeconds);
  while (true) {
    const pb::GetServerInfoResponse info = ServerInfo(cluster);
    if (info.activation_bytes_stored() <= info.activation_bytes_budget()) return;
    LWQ_CHECK(std::chrono::steady_clock::now() < end, info.activation_bytes_stored(), " bytes of activations stay\n",
              cluster.Logs());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

// Whether the object store still has the artifact's manifest.
bool IsStored(const Cluster& cluster, const pb::ArtifactRef& artifact) {
  StatusOr<std::unique_ptr<ObjectStore>> store = OpenObjectStore("file://" + cluster.objects_directory());
  LWQ_CHECK(store.ok(), store.status().ToString());
  const StatusOr<ObjectInfo> info = (*store)->Head(BlobKey(*Digest::FromHex(artifact.digest())));
  LWQ_CHECK(info.ok() || absl::IsNotFound(info.status()), info.status().ToString());
  return info.ok();
}

int64_t StoredBytes(const Cluster& cluster) {
  int64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(cluster.objects_directory())) {
    if (entry.is_regular_file()) bytes += static_cast<int64_t>(entry.file_size());
  }
  return bytes;
}

TEST(GarbageTest, WithoutABudgetActivationsAreDeletedResultsAreTheSameAndALaterRunMakesWhatItNeedsAgain) {
  TemporaryDirectory directory;
  const std::string run_file = WriteSmallRun(directory.path(), "first", {});
  for (const char* home : {"/large", "/none"}) std::filesystem::create_directories(directory.path() + home);
  std::string digest;
  int64_t bytes_with_activations = 0;
  {
    Cluster large(directory.path() + "/large", {});
    large.StartAll();
    digest = large.Finish(large.Submit(run_file)).result_digest();
    bytes_with_activations = StoredBytes(large);
    EXPECT_GT(ServerInfo(large).activation_bytes_stored(), 0);
  }

  ClusterOptions options;
  options.activation_bytes = 0;
  Cluster cluster(directory.path() + "/none", options);
  cluster.StartAll();
  const pb::Run first = cluster.Finish(cluster.Submit(run_file));
  EXPECT_EQ(first.result_digest(), digest);
  AwaitDeletions(cluster);
  EXPECT_EQ(ServerInfo(cluster).activation_bytes_stored(), 0);
  int64_t activation_bytes = 0;
  for (const pb::Task& task : first.tasks()) {
    for (const auto& [role, artifact] : task.outputs()) {
      const bool is_activation = role == "activations";
      EXPECT_EQ(IsStored(cluster, artifact), !is_activation) << task.title() << " " << role;
      if (is_activation) activation_bytes += artifact.size_bytes();
    }
  }
  EXPECT_GT(activation_bytes, 0);
  EXPECT_LE(StoredBytes(cluster), bytes_with_activations - activation_bytes) << "parts were left behind";

  // The same run again needs nothing; one that trains differently needs the chain.
  EXPECT_EQ(Executed(cluster.Finish(cluster.Submit(run_file)), ""), 0);
  SmallRun other;
  other.epochs = 1;
  const pb::Run second = cluster.Finish(cluster.Submit(WriteSmallRun(directory.path(), "second", other)));
  EXPECT_NE(second.result_digest(), digest);
  EXPECT_EQ(Executed(second, "tokenize"), 0);
  for (const pb::Task& task : second.tasks()) {
    // Both runs want it, and it was made for each.
    if (task.kind() != "embed") continue;
    EXPECT_EQ(task.attempts(), 2) << task.title();
  }
  EXPECT_EQ(Executed(second, "train_block"), 4);
  for (const pb::Task& task : second.tasks()) EXPECT_LE(task.attempts(), 2) << task.title() << ": " << task.error();
  AwaitDeletions(cluster);

  Cluster control(directory.path() + "/large", {});
  control.StartAll();
  EXPECT_EQ(control.Finish(control.Submit(directory.path() + "/run-second.yaml")).result_digest(),
            second.result_digest());
}

TEST(GarbageTest, ActivationsGoThoughAWorkerAndTheCoordinatorAreKilled) {
  TemporaryDirectory directory;
  ClusterOptions options;
  options.activation_bytes = 0;
  Cluster cluster(directory.path(), options);
  cluster.StartAll();
  const std::string id = cluster.Submit(WriteSmallRun(directory.path(), "killed", {}));
  bool killed = false;
  const StatusOr<pb::Run> run = cluster.Wait(id, kDeadlineSeconds, [&](const pb::Run& state) {
    if (killed || state.tasks_total() == 0 || state.tasks_done() * 2 < state.tasks_total()) return;
    killed = true;
    cluster.KillWorker(0);
    cluster.KillCoordinator();
    cluster.StartCoordinator();
  });
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_EQ(run->state(), pb::RUN_STATE_SUCCEEDED) << run->error() << cluster.Logs();
  EXPECT_TRUE(killed);
  AwaitDeletions(cluster);
  for (const pb::Task& task : run->tasks()) {
    for (const auto& [role, artifact] : task.outputs()) {
      EXPECT_FALSE(role == "activations" && IsStored(cluster, artifact)) << task.title();
    }
  }
}

}  // namespace
}  // namespace lwq::test
