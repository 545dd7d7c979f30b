// SPDX-License-Identifier: Apache-2.0
// Storage over time with real workers: an export that is gone is made again to the same bytes, a deleted run's bytes
// go, and those that it shared with another stay.
#include <filesystem>

#include "common/artifact/artifact.h"
#include "common/object_store/open_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/cluster.h"
#include "tests/integration/small_run.h"

namespace lwq::test {
namespace {

namespace pb = lwqat::v1;
using ::testing::HasSubstr;

Finished Lwq(const Cluster& cluster, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), Binary("lwq"));
  arguments.insert(arguments.end(), {"--coordinator", cluster.address()});
  return RunToEnd(arguments, cluster.directory());
}

ArtifactRef RefOf(const pb::ArtifactRef& message) {
  return {*Digest::FromHex(message.digest()), message.size_bytes()};
}

std::map<std::string, std::string> FilesIn(const std::string& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) files[entry.path().filename().string()] = ReadFileOrEmpty(entry.path().string());
  }
  return files;
}

class StorageTest : public ::testing::Test {
 protected:
  std::unique_ptr<ObjectStore> Objects(const Cluster& cluster) {
    return OpenObjectStore("file://" + cluster.objects_directory()).value();
  }
  bool IsComplete(const Cluster& cluster, const pb::ArtifactRef& artifact) {
    const auto store = Objects(cluster);
    return ArtifactStore(store.get()).IsComplete(RefOf(artifact)).value();
  }
  // All that is stored was stored long ago.
  void Age(const Cluster& cluster) {
    const auto month_ago = std::filesystem::file_time_type::clock::now() - std::chrono::hours(24 * 30);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(cluster.objects_directory())) {
      if (entry.is_regular_file()) std::filesystem::last_write_time(entry.path(), month_ago);
    }
  }
  TemporaryDirectory directory_;
};

TEST_F(StorageTest, AnExportAndACheckpointThatAreGoneAreMadeAgainToTheSameBytesWhenItIsFetched) {
  ClusterOptions options;
  options.activation_bytes = 0;
  Cluster cluster(directory_.path(), options);
  cluster.StartAll();
  const pb::Run run = cluster.Finish(cluster.Submit(WriteSmallRun(directory_.path(), "lost", {})));
  const Finished first = Lwq(cluster, {"fetch", run.id(), "--output", directory_.path() + "/first"});
  ASSERT_EQ(first.exit_code, 0) << first.err;
  {
    const auto store = Objects(cluster);
    ArtifactStore artifacts(store.get());
    // Of the export the weights, and of one block's checkpoint everything.
    const Manifest manifest = LoadManifest(artifacts, RefOf(run.export_())).value();
    for (const Part& part : manifest.parts) {
      if (!part.name.starts_with("model.safetensors")) continue;
      ASSERT_TRUE(store->Delete(BlobKey(part.blob.digest)).ok());
    }
    for (const pb::Task& task : run.tasks()) {
      if (task.title() != "train block 1") continue;
      ASSERT_TRUE(artifacts.Delete(RefOf(task.outputs().at("block"))).ok());
    }
  }
  const Finished again = Lwq(cluster, {"fetch", run.id(), "--output", directory_.path() + "/again"});
  ASSERT_EQ(again.exit_code, 0) << again.err << cluster.Logs();
  EXPECT_THAT(again.err, HasSubstr("its export is gone from the object store; a worker makes it again"));
  EXPECT_EQ(FilesIn(directory_.path() + "/first"), FilesIn(directory_.path() + "/again"));
  const pb::Run after = *cluster.Get(run.id());
  EXPECT_EQ(after.state(), pb::RUN_STATE_SUCCEEDED);
  EXPECT_EQ(after.result_digest(), run.result_digest());
  EXPECT_EQ(after.remaking(), "");
}

TEST_F(StorageTest, ADamagedExportIsMadeAgainToo) {
  Cluster cluster(directory_.path(), {});
  cluster.StartAll();
  SmallRun small;
  small.method = "rtn";
  const pb::Run run = cluster.Finish(cluster.Submit(WriteSmallRun(directory_.path(), "damaged", small)));
  {
    const auto store = Objects(cluster);
    ArtifactStore artifacts(store.get());
    const Manifest manifest = LoadManifest(artifacts, RefOf(run.export_())).value();
    for (const Part& part : manifest.parts) {
      if (!part.name.starts_with("model.safetensors")) continue;
      std::string bytes(static_cast<size_t>(part.blob.size_bytes), 'x');
      ASSERT_TRUE(store->Put(BlobKey(part.blob.digest), std::as_bytes(std::span(bytes)), {}).ok());
    }
  }
  const Finished fetched = Lwq(cluster, {"fetch", run.id(), "--output", directory_.path() + "/out"});
  ASSERT_EQ(fetched.exit_code, 0) << fetched.err << cluster.Logs();
  EXPECT_TRUE(IsComplete(cluster, run.export_()));
}

TEST_F(StorageTest, TheBytesOfADeletedRunGoAndWhatAnotherRunSharesStays) {
  Cluster cluster(directory_.path(), {});
  cluster.StartAll();
  SmallRun other;
  other.wbits = 3;
  const pb::Run gone = cluster.Finish(cluster.Submit(WriteSmallRun(directory_.path(), "gone", {})));
  const pb::Run kept = cluster.Finish(cluster.Submit(WriteSmallRun(directory_.path(), "kept", other)));
  ASSERT_EQ(Lwq(cluster, {"delete", gone.id()}).exit_code, 0);
  Age(cluster);
  const Finished collected = Lwq(cluster, {"gc"});
  ASSERT_EQ(collected.exit_code, 0) << collected.err;
  EXPECT_FALSE(IsComplete(cluster, gone.export_()));
  for (const pb::Task& task : kept.tasks()) {
    for (const auto& [role, artifact] : task.outputs()) {
      EXPECT_TRUE(IsComplete(cluster, artifact)) << task.title() << " " << role;
    }
  }
  const Finished fetched = Lwq(cluster, {"fetch", kept.id(), "--output", directory_.path() + "/out"});
  EXPECT_EQ(fetched.exit_code, 0) << fetched.err;
  EXPECT_EQ(fetched.err.find("makes it again"), std::string::npos) << "the tokenizer's files are in both exports";
  // What was deleted is a run like any other when it is submitted again, and comes to the same bytes.
  const pb::Run again = cluster.Finish(cluster.Submit(directory_.path() + "/run-gone.yaml"));
  EXPECT_EQ(again.result_digest(), gone.result_digest());
  EXPECT_GT(Executed(again, "train_block"), 0);
}

}  // namespace
}  // namespace lwq::test
