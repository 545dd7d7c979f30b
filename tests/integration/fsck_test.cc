// SPDX-License-Identifier: Apache-2.0
// lwq fsck on a real object store that loses and changes files: what it names, and what becomes of it.
#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <span>

#include "common/artifact/artifact.h"
#include "common/json/json.h"
#include "common/object_store/open_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/cluster.h"
#include "tests/integration/small_run.h"

namespace lwq::test {
namespace {

namespace pb = lwqat::v1;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

constexpr int kDamaged = 5;

ArtifactRef RefOf(const pb::ArtifactRef& message) {
  return {*Digest::FromHex(message.digest()), message.size_bytes()};
}

class FsckTest : public ::testing::Test {
 protected:
  FsckTest() : cluster_(directory_.path(), {}) { cluster_.StartAll(); }

  Finished Lwq(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), Binary("lwq"));
    arguments.insert(arguments.end(), {"--coordinator", cluster_.address()});
    return RunToEnd(arguments, directory_.path());
  }
  std::unique_ptr<ObjectStore> Objects() { return OpenObjectStore("file://" + cluster_.objects_directory()).value(); }
  pb::ArtifactRef Output(const pb::Run& run, const std::string& title, const std::string& role) {
    for (const pb::Task& task : run.tasks()) {
      if (task.title() == title) return task.outputs().at(role);
    }
    ADD_FAILURE() << "no task " << title;
    return {};
  }
  // The largest part: of no other artifact.
  Part LargestPart(const pb::ArtifactRef& artifact) {
    const auto store = Objects();
    ArtifactStore artifacts(store.get());
    const Manifest manifest = LoadManifest(artifacts, RefOf(artifact)).value();
    return *std::max_element(manifest.parts.begin(), manifest.parts.end(),
                             [](const Part& a, const Part& b) { return a.blob.size_bytes < b.blob.size_bytes; });
  }
  // As a disk that loses and changes what it had.
  std::string Read(const std::string& key) { return std::string(Objects()->Get(key).value().view()); }
  void Overwrite(const std::string& key, const std::string& bytes) {
    ASSERT_TRUE(Objects()->Put(key, std::as_bytes(std::span(bytes)), {}).ok());
  }
  void Flip(const std::string& key) {
    std::string bytes = Read(key);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    Overwrite(key, bytes);
  }
  void Truncate(const std::string& key) { Overwrite(key, Read(key).substr(1)); }
  void Remove(const std::string& key) { ASSERT_TRUE(Objects()->Delete(key).ok()); }
  // "what|part|fault" of everything that fsck names.
  std::set<std::string> Named(const Finished& fsck) {
    std::set<std::string> named;
    const StatusOr<Json> json = ParseJson(fsck.out, "fsck");
    EXPECT_TRUE(json.ok()) << fsck.out << fsck.err;
    if (!json.ok()) return named;
    for (const Json& one : (*json)["damage"]) {
      named.insert(absl::StrCat(one["what"].get<std::string>(), "|", one["part"].get<std::string>(), "|",
                                one["fault"].get<std::string>()));
    }
    return named;
  }

  TemporaryDirectory directory_;
  Cluster cluster_;
};

TEST_F(FsckTest, EveryDamagedResultIsNamedAndAfterARepairRunsEndAsUndisturbedOnes) {
  SmallRun other;
  other.extra = "export_format: compressed_tensors\n";
  const std::string run_file = WriteSmallRun(directory_.path(), "first", {});
  const std::string other_file = WriteSmallRun(directory_.path(), "other", other);
  const TemporaryDirectory undisturbed_home;
  Cluster undisturbed(undisturbed_home.path(), {});
  undisturbed.StartAll();
  const pb::Run reference = undisturbed.Finish(undisturbed.Submit(other_file));

  const pb::Run run = cluster_.Finish(cluster_.Submit(run_file));
  const Finished clean = Lwq({"fsck"});
  ASSERT_EQ(clean.exit_code, 0) << clean.out << clean.err;
  EXPECT_THAT(clean.out, HasSubstr("all there and whole"));

  const Part flipped = LargestPart(Output(run, "train block 0", "block"));
  const Part shortened = LargestPart(Output(run, "train block 1", "block"));
  const Part gone = LargestPart(run.export_());
  Flip(BlobKey(flipped.blob.digest));
  Truncate(BlobKey(shortened.blob.digest));
  Remove(BlobKey(gone.blob.digest));
  Remove(BlobKey(RefOf(Output(run, "train block 2", "block")).digest));
  const std::string short_block = "train block 1|" + shortened.name + "|wrong size";
  const std::string export_gone = "export gptq_v2|" + gone.name + "|gone";
  const std::string manifest_gone = "train block 2|manifest|gone";
  const Finished quick = Lwq({"fsck", "--quick", "--json"});
  EXPECT_EQ(quick.exit_code, kDamaged) << quick.err;
  EXPECT_THAT(Named(quick), UnorderedElementsAre(short_block, export_gone, manifest_gone));
  const Finished found = Lwq({"fsck", "--json"});
  EXPECT_EQ(found.exit_code, kDamaged) << found.err;
  EXPECT_THAT(Named(found), UnorderedElementsAre("train block 0|" + flipped.name + "|damaged", short_block, export_gone,
                                                 manifest_gone));

  const Finished repaired = Lwq({"fsck", "--repair"});
  EXPECT_EQ(repaired.exit_code, 0) << repaired.out << repaired.err;
  EXPECT_THAT(repaired.out, AllOf(HasSubstr("repaired: 2 damaged blobs removed"), HasSubstr("4 when somebody reads")));
  EXPECT_EQ(Lwq({"fsck"}).exit_code, 0) << "what was given up is not looked for";

  const pb::Run after = cluster_.Finish(cluster_.Submit(other_file));
  EXPECT_EQ(after.result_digest(), reference.result_digest()) << cluster_.Logs();
  const auto store = Objects();
  for (const char* title : {"train block 0", "train block 1", "train block 2"}) {
    EXPECT_TRUE(ArtifactStore(store.get()).IsComplete(RefOf(Output(run, title, "block"))).value()) << title;
  }
  const pb::Run again = cluster_.Finish(cluster_.Submit(run_file));
  EXPECT_EQ(again.result_digest(), run.result_digest());
  const Finished fetched = Lwq({"fetch", again.id(), "--output", directory_.path() + "/out"});
  EXPECT_EQ(fetched.exit_code, 0) << fetched.err << cluster_.Logs();
  const Finished whole = Lwq({"fsck"});
  EXPECT_EQ(whole.exit_code, 0) << whole.out << whole.err;
}

TEST_F(FsckTest, AnUploadThatIsDamagedIsNamedWithItsRunAndIsWholeOnceThatIsSubmittedAgain) {
  SmallRun small;
  small.method = "rtn";
  const std::string run_file = WriteSmallRun(directory_.path(), "uploaded", small);
  const pb::Run run = cluster_.Finish(cluster_.Submit(run_file));
  const Part weights = LargestPart(run.spec().model().files());
  Flip(BlobKey(weights.blob.digest));
  const Finished repaired = Lwq({"fsck", "--repair"});
  EXPECT_EQ(repaired.exit_code, kDamaged) << "what only a person can mend is left";
  EXPECT_THAT(repaired.out, AllOf(HasSubstr(run.id().substr(0, 8)), HasSubstr("model: submit the run again")));
  cluster_.Submit(run_file);
  const Finished whole = Lwq({"fsck"});
  EXPECT_EQ(whole.exit_code, 0) << whole.out << whole.err;
}

TEST_F(FsckTest, ARecordOfAResultThatIsGoneOrDamagedIsWrittenAgainAsItWas) {
  SmallRun small;
  small.method = "rtn";
  cluster_.Finish(cluster_.Submit(WriteSmallRun(directory_.path(), "records", small)));
  std::map<std::string, std::string> records;
  const ListPage page = Objects()->List("results/", "", 1000).value();
  for (const ObjectInfo& object : page.objects) records[object.key] = Read(object.key);
  ASSERT_GE(records.size(), 2u);
  Remove(records.begin()->first);
  Flip(std::next(records.begin())->first);
  EXPECT_EQ(Lwq({"fsck"}).exit_code, kDamaged);
  const Finished repaired = Lwq({"fsck", "--repair"});
  EXPECT_EQ(repaired.exit_code, 0) << repaired.out << repaired.err;
  EXPECT_THAT(repaired.out, HasSubstr("2 records written again"));
  for (const auto& [key, text] : records) EXPECT_EQ(Read(key), text) << key;
  EXPECT_EQ(Lwq({"fsck"}).exit_code, 0);
}

TEST_F(FsckTest, APlaceThatIsNoDigestIsOneClearLine) {
  const Finished refused = Lwq({"fsck", "--from", "somewhere"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("--from: must be the beginning of a digest"));
}

}  // namespace
}  // namespace lwq::test
