// SPDX-License-Identifier: Apache-2.0
// lwq delete and lwq gc against a real coordinator without workers and a real object store of files.
#include <filesystem>

#include "common/artifact/artifact.h"
#include "common/json/json.h"
#include "common/object_store/open_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/waiting_sweep.h"
#include "tests/testing/process.h"

namespace lwq::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class StorageVerbsTest : public WaitingSweepTest {
 protected:
  StorageVerbsTest() : WaitingSweepTest({"--retain", "checkpoint=30d"}) {}
  Json Submitted() { return JsonOf({"sweeps", Submit()}); }
  // An upload that nobody submitted, a month ago.
  ArtifactRef ForgottenUpload() {
    const auto store = OpenObjectStore("file://" + Objects()).value();
    ArtifactStore artifacts(store.get());
    const BlobRef part = artifacts.PutBlob("weights of a model").value();
    const ArtifactRef upload =
        artifacts.Publish({.kind = "files", .meta = Json::object(), .parts = {{"model#0", part}}}).value();
    const auto month_ago = std::filesystem::file_time_type::clock::now() - std::chrono::hours(24 * 30);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(Objects())) {
      if (entry.is_regular_file()) std::filesystem::last_write_time(entry.path(), month_ago);
    }
    return upload;
  }
  bool IsStored(const ArtifactRef& artifact) {
    const auto store = OpenObjectStore("file://" + Objects()).value();
    return ArtifactStore(store.get()).IsComplete(artifact).value();
  }
};

TEST_F(StorageVerbsTest, RunsAndSweepsAreDeletedAndNothingOfThemIsLeft) {
  const Json sweep = Submitted();
  const std::string id = sweep["id"], first = sweep["runs"][0]["run_id"], second = sweep["runs"][1]["run_id"];
  const Finished refused = Lwq({"delete", first});
  EXPECT_EQ(refused.exit_code, 2) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("cancel it first, or delete it by force"));
  EXPECT_THAT(Lwq({"delete", first, "--force"}).out, StartsWith("run " + first + " deleted: 0 tasks of no other run"));
  EXPECT_EQ(JsonOf({"sweeps", id})["runs"].size(), 1u);
  EXPECT_THAT(Lwq({"delete", first}).err, StartsWith("lwq: neither a run nor a sweep has the id"));
  Lwq({"cancel", second});
  const Json deleted = JsonOf({"delete", id});
  EXPECT_EQ(deleted["deleted"][0]["sweep_id"], id);
  EXPECT_EQ(deleted["deleted"][0]["runs"], 1);
  EXPECT_EQ(deleted["deleted"][0]["tasks"], 3);
  EXPECT_EQ(JsonOf({"list"})["runs"].size(), 0u);
  EXPECT_EQ(JsonOf({"sweeps"})["sweeps"].size(), 0u);
}

TEST_F(StorageVerbsTest, GcDeletesWhatNobodyNeedsAndADryRunOnlySaysSo) {
  Submitted();
  const ArtifactRef upload = ForgottenUpload();
  const Finished refused = Lwq({"gc"});
  EXPECT_EQ(refused.exit_code, 2) << refused.out;
  EXPECT_THAT(refused.err, HasSubstr("--everything")) << "runs that need nothing are as good as none";
  const Finished dry = Lwq({"gc", "--dry-run"});
  EXPECT_EQ(dry.exit_code, 0) << dry.err;
  EXPECT_THAT(dry.out, AllOf(HasSubstr("to delete"), HasSubstr("files")));
  EXPECT_TRUE(IsStored(upload));
  const Json kept = JsonOf({"gc", "--everything", "--grace", "60d"});
  EXPECT_EQ(kept["kinds"]["parts"]["young"]["objects"], 2);
  EXPECT_TRUE(IsStored(upload));
  const Json collected = JsonOf({"gc", "--everything"});
  EXPECT_EQ(collected["kinds"]["files"]["garbage"]["objects"], 2);
  EXPECT_EQ(collected["deleted"]["objects"], 2);
  EXPECT_FALSE(IsStored(upload));
  EXPECT_THAT(Lwq({"gc", "--everything"}).out, HasSubstr("0 objects deleted"));
}

TEST_F(StorageVerbsTest, AWrongTimeIsOneClearLine) {
  const Finished refused = Lwq({"gc", "--grace", "soon"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, StartsWith("lwq: --grace soon: must be a whole number with one of s, m, h and d"));
  const Finished coordinator = RunToEnd({std::string(LWQ_BINARY_DIR) + "/bin/lwq-coordinator", "--store",
                                         "memory:", "--objects", "file://" + Objects(), "--retain", "export=soon"},
                                        directory_.path());
  EXPECT_EQ(coordinator.exit_code, 2);
  EXPECT_THAT(coordinator.err, HasSubstr("--retain export=soon: TIME must be"));
}

}  // namespace
}  // namespace lwq::test
