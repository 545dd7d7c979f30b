// SPDX-License-Identifier: Apache-2.0
#include "common/artifact/artifact.h"

#include <memory>
#include <string>

#include "common/artifact/task_result.h"
#include "common/object_store/memory_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/as_bytes.h"
#include "tests/testing/fault_store.h"

namespace lwq {
namespace {

using test::AsBytes;
using test::FaultStore;
using test::StoreCall;
using ::testing::HasSubstr;

std::string Message(const Status& status) {
  return std::string(MessageOf(status));
}

class ArtifactTest : public ::testing::Test {
 protected:
  FaultStore store_{std::make_unique<MemoryStore>(), {}};
  ArtifactStore artifacts_{&store_};
};

TEST_F(ArtifactTest, ABlobIsNamedByItsContentAndStoredOnce) {
  const BlobRef blob = artifacts_.PutBlob("contents").value();
  EXPECT_EQ(blob.digest, DigestOf("contents"));
  EXPECT_EQ(blob.size_bytes, 8);
  EXPECT_EQ(BlobKey(blob.digest), absl::StrCat("blobs/", blob.digest.hex().substr(0, 2), "/", blob.digest.hex()));
  EXPECT_EQ(artifacts_.PutBlob("contents").value(), blob);
  EXPECT_EQ(store_.calls(StoreCall::kPut), 1);
  EXPECT_EQ(artifacts_.Fetch(blob)->view(), "contents");
  EXPECT_TRUE(artifacts_.HasBlob(blob).value());
  EXPECT_TRUE(artifacts_.HasBlob({blob.digest, kSizeUnknown}).value());
  EXPECT_FALSE(artifacts_.HasBlob({DigestOf("other"), 5}).value());
}

TEST_F(ArtifactTest, DamagedBytesAreDataLossNamingTheBlob) {
  const BlobRef blob = artifacts_.PutBlob("contents").value();
  for (const std::string_view damaged : {"Contents", "contents!", "content", ""}) {
    ASSERT_TRUE(store_.Put(BlobKey(blob.digest), AsBytes(damaged), {}).ok());
    for (const int64_t size_bytes : {blob.size_bytes, kSizeUnknown}) {
      const Status status = artifacts_.Fetch({blob.digest, size_bytes}).status();
      EXPECT_TRUE(absl::IsDataLoss(status)) << status;
      EXPECT_THAT(Message(status), HasSubstr(blob.digest.hex()));
    }
  }
}

TEST_F(ArtifactTest, AReferenceWithAWrongSizeIsDataLoss) {
  const BlobRef blob = artifacts_.PutBlob("contents").value();
  EXPECT_TRUE(absl::IsDataLoss(artifacts_.Fetch({blob.digest, 9}).status()));
  EXPECT_FALSE(artifacts_.HasBlob({blob.digest, 9}).value());
}

TEST_F(ArtifactTest, ABlobThatIsGoneIsNotFoundByName) {
  const Status status = artifacts_.Fetch({DigestOf("gone"), 4}).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(Message(status), HasSubstr(DigestOf("gone").hex()));
}

TEST_F(ArtifactTest, ABlobOfAWrongSizeIsWrittenAgain) {
  const BlobRef blob = artifacts_.PutBlob("contents").value();
  ASSERT_TRUE(store_.Put(BlobKey(blob.digest), AsBytes("cont"), {}).ok());
  ASSERT_TRUE(artifacts_.PutBlob("contents").ok());
  EXPECT_EQ(artifacts_.Fetch(blob)->view(), "contents");
}

TEST_F(ArtifactTest, ADamagedBlobCanBeDroppedAndRemade) {
  const BlobRef blob = artifacts_.PutBlob("contents").value();
  EXPECT_FALSE(artifacts_.DropIfDamaged(blob.digest).value());
  EXPECT_TRUE(artifacts_.Fetch(blob).ok());
  ASSERT_TRUE(store_.Put(BlobKey(blob.digest), AsBytes("c0ntents"), {}).ok());
  EXPECT_TRUE(artifacts_.DropIfDamaged(blob.digest).value());
  EXPECT_FALSE(artifacts_.DropIfDamaged(blob.digest).value());
  ASSERT_TRUE(artifacts_.PutBlob("contents").ok());
  EXPECT_EQ(artifacts_.Fetch(blob)->view(), "contents");
}

TEST_F(ArtifactTest, AStoreThatIsDownDoesNotLookLikeAnAbsentOrDamagedBlob) {
  const BlobRef blob = artifacts_.PutBlob("contents").value();
  store_.SetHook([](StoreCall, std::string_view) { return absl::UnavailableError("down"); });
  EXPECT_TRUE(absl::IsUnavailable(artifacts_.Fetch(blob).status()));
  EXPECT_TRUE(absl::IsUnavailable(artifacts_.HasBlob(blob).status()));
  EXPECT_TRUE(absl::IsUnavailable(artifacts_.PutBlob("x").status()));
  EXPECT_TRUE(absl::IsUnavailable(artifacts_.DropIfDamaged(blob.digest).status()));
}

Manifest TwoParts(ArtifactStore& artifacts) {
  return {"block",
          {{"block", 3}},
          {{"w", artifacts.PutBlob("weights").value()}, {"s", artifacts.PutBlob("scales!").value()}}};
}

TEST_F(ArtifactTest, APublishedArtifactReadsBackWithItsPartsInOrder) {
  const ArtifactRef artifact = artifacts_.Publish(TwoParts(artifacts_)).value();
  EXPECT_EQ(artifact.size_bytes, 14);
  const Manifest manifest = LoadManifest(artifacts_, artifact).value();
  EXPECT_EQ(manifest.kind, "block");
  EXPECT_EQ(manifest.meta["block"], 3);
  ASSERT_EQ(manifest.parts.size(), 2u);
  EXPECT_EQ(manifest.parts[0].name, "w");
  EXPECT_EQ(artifacts_.Fetch(manifest.parts[1].blob)->view(), "scales!");
}

TEST_F(ArtifactTest, EqualContentHasAnEqualName) {
  FaultStore other(std::make_unique<MemoryStore>(), {});
  ArtifactStore elsewhere(&other);
  EXPECT_EQ(artifacts_.Publish(TwoParts(artifacts_)).value(), elsewhere.Publish(TwoParts(elsewhere)).value());
}

TEST_F(ArtifactTest, AnArtifactIsCompleteOnlyWithEveryPart) {
  const ArtifactRef artifact = artifacts_.Publish(TwoParts(artifacts_)).value();
  EXPECT_TRUE(artifacts_.IsComplete(artifact).value());
  ASSERT_TRUE(store_.Put(BlobKey(DigestOf("weights")), AsBytes("cut"), {}).ok());
  EXPECT_FALSE(artifacts_.IsComplete(artifact).value());
  ASSERT_TRUE(store_.Delete(BlobKey(DigestOf("weights"))).ok());
  EXPECT_FALSE(artifacts_.IsComplete(artifact).value());
  EXPECT_FALSE(artifacts_.IsComplete({DigestOf("no manifest"), 0}).value());
}

TEST_F(ArtifactTest, ADeletedArtifactLeavesNothingAndDeletingItAgainIsOk) {
  const BlobRef kept = artifacts_.PutBlob("another's").value();
  const BlobRef one = artifacts_.PutBlob("one").value();
  const BlobRef two = artifacts_.PutBlob("two").value();
  const ArtifactRef artifact = artifacts_.Publish({.kind = "samples", .parts = {{"0", one}, {"1", two}}}).value();
  ASSERT_TRUE(artifacts_.Delete(artifact).ok());
  for (const BlobRef& blob : {one, two, BlobRef{artifact.digest, kSizeUnknown}}) {
    EXPECT_FALSE(artifacts_.HasBlob(blob).value());
  }
  EXPECT_TRUE(artifacts_.HasBlob(kept).value());
  EXPECT_TRUE(artifacts_.Delete(artifact).ok());
}

TEST_F(ArtifactTest, ADeletionThatWasCutShortIsFinishedByTheNext) {
  const BlobRef one = artifacts_.PutBlob("one").value();
  const BlobRef two = artifacts_.PutBlob("two").value();
  const ArtifactRef artifact = artifacts_.Publish({.kind = "samples", .parts = {{"0", one}, {"1", two}}}).value();
  store_.SetHook([&](StoreCall call, std::string_view key) {
    return call == StoreCall::kDelete && key == BlobKey(two.digest) ? absl::UnavailableError("down") : absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsUnavailable(artifacts_.Delete(artifact)));
  EXPECT_TRUE(artifacts_.HasBlob({artifact.digest, kSizeUnknown}).value()) << "the manifest still names the rest";
  store_.SetHook(nullptr);
  ASSERT_TRUE(artifacts_.Delete(artifact).ok());
  EXPECT_FALSE(artifacts_.HasBlob(two).value());
  EXPECT_FALSE(artifacts_.HasBlob({artifact.digest, kSizeUnknown}).value());
}

TEST_F(ArtifactTest, ADamagedManifestIsDeletedSoThatItCanBeWrittenAgain) {
  const BlobRef one = artifacts_.PutBlob("one").value();
  const ArtifactRef artifact = artifacts_.Publish({.kind = "samples", .parts = {{"0", one}}}).value();
  ASSERT_TRUE(store_.Put(BlobKey(artifact.digest), AsBytes("rubbish"), {}).ok());
  ASSERT_TRUE(artifacts_.Delete(artifact).ok());
  EXPECT_FALSE(artifacts_.HasBlob({artifact.digest, kSizeUnknown}).value());
}

TEST_F(ArtifactTest, PublishingRefusesWhatNoReaderWouldAccept) {
  const BlobRef blob = artifacts_.PutBlob("x").value();
  const auto refused = [&](std::vector<Part> parts) {
    return absl::IsInvalidArgument(artifacts_.Publish({"k", Json::object(), std::move(parts)}).status());
  };
  EXPECT_TRUE(refused({{"a", blob}, {"a", blob}}));
  EXPECT_TRUE(refused({{"", blob}}));
  EXPECT_TRUE(refused({{"a", {blob.digest, -1}}}));
  EXPECT_TRUE(refused({{"a", {blob.digest, INT64_MAX}}, {"b", {blob.digest, 1}}}));
}

TEST_F(ArtifactTest, AReferenceWhoseSizeIsNotTheSumOfThePartsIsDataLoss) {
  ArtifactRef artifact = artifacts_.Publish(TwoParts(artifacts_)).value();
  artifact.size_bytes += 1;
  EXPECT_TRUE(absl::IsDataLoss(LoadManifest(artifacts_, artifact).status()));
}

TEST(ManifestTest, HostileTextsAreDataLossWithOneLine) {
  const std::string digest = DigestOf("x").hex();
  const auto part = [&](std::string_view name, std::string_view size) {
    return absl::StrCat(R"({"digest":")", digest, R"(","name":")", name, R"(","size_bytes":)", size, "}");
  };
  const auto manifest = [](std::string_view parts) {
    return absl::StrCat(R"({"kind":"k","meta":{},"parts":[)", parts, "]}");
  };
  ASSERT_TRUE(ParseManifest(manifest(part("a", "1")), "m").ok());
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "not valid JSON"},
      {"[]", "not a JSON object"},
      {R"({"kind":"k","meta":{}})", "'parts' is not an array"},
      {R"({"kind":1,"meta":{},"parts":[]})", "'kind' must be a string"},
      {R"({"kind":"k","meta":[],"parts":[]})", "'meta' is not an object"},
      {R"({"kind":"k","meta":{},"parts":[3]})", "part is not a JSON object"},
      {manifest(part("a", "-1")), "has -1 bytes"},
      {manifest(part("a", "1.5")), "'size_bytes' must be an integer"},
      {manifest(part("a", "18446744073709551615")), "'size_bytes' must be an integer"},
      {manifest(part("", "1")), "no name"},
      {manifest(absl::StrCat(part("a", "1"), ",", part("a", "1"))), "two parts are named 'a'"},
      {manifest(absl::StrCat(part("a", "9223372036854775807"), ",", part("b", "1"))), "overflow"},
      {R"({"kind":"k","meta":{},"parts":[{"digest":"abc","name":"a","size_bytes":1}]})", "not a SHA-256 digest"},
      {R"({"kind":"k","meta":{},"parts":[],"parts":[]})", "canonical"},
      {R"({"extra":1,"kind":"k","meta":{},"parts":[]})", "canonical"},
      {R"({"kind":"k", "meta":{},"parts":[]})", "canonical"},
      {R"({"meta":{},"kind":"k","parts":[]})", "canonical"},
      {manifest(part("\\u0061", "1")), "canonical"},
      {absl::StrCat(R"({"kind":"k","meta":)", std::string(100'000, '['), "}"), "nested deeper"},
  };
  for (const auto& [text, says] : cases) {
    const Status status = ParseManifest(text, "artifact 12").status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << text.substr(0, 200) << " → " << status;
    EXPECT_THAT(Message(status), ::testing::AllOf(HasSubstr("artifact 12"), HasSubstr(says)));
    EXPECT_LT(MessageOf(status).size(), 600u);
  }
}

TEST(ManifestTest, AHundredThousandPartsAreNoTrouble) {
  Manifest manifest{"k", Json::object(), {}};
  for (int i = 0; i < 100'000; ++i) manifest.parts.push_back({absl::StrCat("p", i), {DigestOf(absl::StrCat(i)), i}});
  const std::string text = SerializeManifest(manifest);
  EXPECT_EQ(ParseManifest(text, "m")->parts.size(), 100'000u);
}

class TaskResultTest : public ArtifactTest {
 protected:
  const Digest key_ = DigestOf("action");
  TaskResult Result(std::string_view content, double seconds) {
    return {{{"output", {DigestOf(content), 5}}}, {{"seconds", seconds}}};
  }
};

TEST_F(TaskResultTest, APublishedResultReadsBack) {
  EXPECT_TRUE(absl::IsNotFound(ReadTaskResult(store_, key_).status()));
  ASSERT_TRUE(PublishTaskResult(store_, key_, Result("a", 1.5)).ok());
  const TaskResult read = ReadTaskResult(store_, key_).value();
  EXPECT_EQ(read.outputs, Result("a", 1.5).outputs);
  EXPECT_EQ(read.metrics["seconds"], 1.5);
}

TEST_F(TaskResultTest, TheSecondPublisherAdoptsTheFirstsResult) {
  ASSERT_TRUE(PublishTaskResult(store_, key_, Result("a", 1.5)).ok());
  const StatusOr<TaskResult> adopted = PublishTaskResult(store_, key_, Result("a", 9.5));
  ASSERT_TRUE(adopted.ok()) << adopted.status();
  EXPECT_EQ(adopted->metrics["seconds"], 1.5);
}

TEST_F(TaskResultTest, OutputsThatDifferAreDataLossAndChangeNothing) {
  ASSERT_TRUE(PublishTaskResult(store_, key_, Result("a", 1)).ok());
  const Status status = PublishTaskResult(store_, key_, Result("b", 1)).status();
  EXPECT_TRUE(absl::IsDataLoss(status));
  EXPECT_THAT(Message(status), ::testing::AllOf(HasSubstr(key_.hex()), HasSubstr("not deterministic")));
  EXPECT_EQ(ReadTaskResult(store_, key_)->outputs, Result("a", 1).outputs);
}

TEST_F(TaskResultTest, AStoredResultThatChangedAnywhereIsDataLoss) {
  TaskResult result = Result("a", 1.5);
  result.metrics["note"] = "caf\xe9";  // stored with U+FFFD
  result.metrics["steps"] = 3;
  ASSERT_TRUE(PublishTaskResult(store_, key_, result).ok());
  ASSERT_TRUE(ReadTaskResult(store_, key_).ok());
  const std::string good(store_.Get(ResultKey(key_))->view());
  const auto changed = [&good](std::string_view from, std::string_view to) {
    std::string text = good;
    return text.replace(text.find(from), from.size(), to);
  };
  for (const std::string& text :
       {changed("1.5", "2.5"), changed("1.5", "1.50"), changed("\"seconds\":1.5,", ""), changed("steps", "stepz"),
        changed("\"size_bytes\":5", "\"size_bytes\":6"), changed("{", "{\"extra\":1,"), good + " ",
        absl::StrCat(R"({"metrics":{},"outputs":{}})")}) {
    ASSERT_NE(text, good);
    ASSERT_TRUE(store_.Put(ResultKey(key_), AsBytes(text), {}).ok());
    const Status status = ReadTaskResult(store_, key_).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << text << " → " << status;
    EXPECT_THAT(Message(status), HasSubstr(key_.hex()));
  }
}

TEST_F(TaskResultTest, AStoredResultThatIsNotOneIsDataLoss) {
  const std::string digest = DigestOf("x").hex();
  for (const std::string& text :
       {std::string("{"), std::string("[]"), std::string("{}"), std::string(R"({"outputs":[],"metrics":{}})"),
        std::string(R"({"outputs":{},"metrics":3})"), std::string(R"({"outputs":{"o":1},"metrics":{}})"),
        std::string(R"({"outputs":{"o":{"digest":"x","size_bytes":1}},"metrics":{}})"),
        absl::StrCat(R"({"outputs":{"o":{"digest":")", digest, R"(","size_bytes":-1}},"metrics":{}})"),
        absl::StrCat(R"({"outputs":{"o":{"digest":")", digest, R"("}},"metrics":{}})")}) {
    ASSERT_TRUE(store_.Put(ResultKey(key_), AsBytes(text), {}).ok());
    const Status status = ReadTaskResult(store_, key_).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << text << " → " << status;
    EXPECT_THAT(Message(status), HasSubstr(key_.hex()));
  }
}

}  // namespace
}  // namespace lwq
