// SPDX-License-Identifier: Apache-2.0
// Verification: every kind of damage is found and named, and nothing else is.
#include "common/artifact/verifier.h"

#include <atomic>
#include <set>

#include "common/artifact/task_result.h"
#include "common/object_store/memory_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/as_bytes.h"
#include "tests/testing/fault_store.h"

namespace lwq {
namespace {

using test::AsBytes;
using test::StoreCall;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class VerifierTest : public ::testing::Test {
 protected:
  VerifierTest() : store_(std::make_unique<MemoryStore>(), {}), artifacts_(&store_) {}

  ArtifactRef Publish(const std::vector<std::string>& parts) {
    Manifest manifest{.kind = "block", .meta = Json::object(), .parts = {}};
    for (const std::string& text : parts) {
      manifest.parts.push_back({absl::StrCat("part", manifest.parts.size()), artifacts_.PutBlob(text).value()});
    }
    const ArtifactRef artifact = artifacts_.Publish(manifest).value();
    claims_.artifacts.push_back(artifact);
    return artifact;
  }
  Digest Record(const std::string& action, const ArtifactRef& output) {
    const Digest key = DigestOf(action);
    LWQ_CHECK(PublishTaskResult(store_, key, {.outputs = {{"out", output}}}).ok());
    claims_.results[key] = {{"out", output}};
    return key;
  }
  void Overwrite(const std::string& key, const std::string& text) {
    LWQ_CHECK(store_.Put(key, AsBytes(text), {}).ok());
  }
  void Delete(const std::string& key) { LWQ_CHECK(store_.Delete(key).ok()); }
  Status Verify(VerificationOptions options = {}) {
    report_ = {};
    return Verifier(
               &store_,
               [this]() -> StatusOr<StoredClaims> {
                 ++asked_;
                 if (asked_ > 1 && at_second_look_) at_second_look_();
                 return claims_;
               },
               options, nullptr)
        .Run(report_);
  }

  test::FaultStore store_;
  ArtifactStore artifacts_;
  StoredClaims claims_;
  int asked_ = 0;
  std::function<void()> at_second_look_;
  VerificationReport report_;
};

TEST_F(VerifierTest, WhatIsWholeIsCountedAndNothingIsWrong) {
  const ArtifactRef one = Publish({"shared", "a"});
  Publish({"shared", "bc"});
  claims_.artifacts.push_back(one);
  Record("action", one);
  ASSERT_TRUE(artifacts_.PutBlob("nobody's").ok());
  ASSERT_TRUE(Verify().ok());
  EXPECT_THAT(report_.faults, IsEmpty());
  EXPECT_EQ(report_.artifacts, 2);
  EXPECT_EQ(report_.records, 1);
  EXPECT_EQ(report_.blobs.objects, 5) << "two manifests, and three parts of which one is shared";
  EXPECT_EQ(report_.verified.objects, 3);
  EXPECT_EQ(report_.verified.bytes, 9);
  EXPECT_EQ(report_.unneeded.objects, 1);
  EXPECT_EQ(asked_, 1) << "there was nothing to look at again";
}

TEST_F(VerifierTest, ABlobThatIsGoneShortOrFlippedIsNamedForEveryArtifactThatHasIt) {
  const ArtifactRef one = Publish({"gone", "short", "flipped", "whole"});
  const ArtifactRef two = Publish({"flipped"});
  Delete(BlobKey(DigestOf("gone")));
  Overwrite(BlobKey(DigestOf("short")), "shor");
  Overwrite(BlobKey(DigestOf("flipped")), "flopped");
  ASSERT_TRUE(Verify().ok());
  std::map<Digest, Fault> faults;
  for (const Fault& fault : report_.faults) faults[fault.object] = fault;
  ASSERT_THAT(report_.faults, SizeIs(3));
  EXPECT_EQ(faults.at(DigestOf("gone")).kind, FaultKind::kGone);
  EXPECT_THAT(faults.at(DigestOf("gone")).of, ElementsAre(Pair(one.digest, "part0")));
  EXPECT_EQ(faults.at(DigestOf("short")).kind, FaultKind::kSize);
  EXPECT_EQ(faults.at(DigestOf("short")).found_bytes, 4);
  EXPECT_EQ(faults.at(DigestOf("short")).expected_bytes, 5);
  EXPECT_EQ(faults.at(DigestOf("flipped")).kind, FaultKind::kBytes);
  EXPECT_THAT(faults.at(DigestOf("flipped")).of,
              UnorderedElementsAre(Pair(one.digest, "part2"), Pair(two.digest, "part0")));
}

TEST_F(VerifierTest, AQuickLookReadsNoPartAndFindsWhatHasAnotherSizeOrIsGone) {
  Publish({"gone", "short", "flipped"});
  Delete(BlobKey(DigestOf("gone")));
  Overwrite(BlobKey(DigestOf("short")), "shor");
  Overwrite(BlobKey(DigestOf("flipped")), "flopped");
  store_.SetHook([&](StoreCall call, std::string_view key) {
    EXPECT_FALSE(call == StoreCall::kGet && key == BlobKey(DigestOf("flipped")));
    return absl::OkStatus();
  });
  ASSERT_TRUE(Verify({.quick = true}).ok());
  EXPECT_THAT(report_.faults, SizeIs(2));
  EXPECT_EQ(report_.verified.objects, 0);
}

TEST_F(VerifierTest, AManifestThatIsGoneDamagedOrNoneIsNamed) {
  const ArtifactRef gone = Publish({"a"});
  const ArtifactRef damaged = Publish({"b"});
  Delete(BlobKey(gone.digest));
  Overwrite(BlobKey(damaged.digest), "{}");
  const BlobRef text = artifacts_.PutBlob("no manifest").value();
  claims_.artifacts.push_back({text.digest, 11});
  ArtifactRef other_size = Publish({"c"});
  claims_.artifacts.back().size_bytes = 7;
  ASSERT_TRUE(Verify().ok());
  std::map<Digest, FaultKind> kinds;
  for (const Fault& fault : report_.faults) {
    kinds[fault.object] = fault.kind;
    EXPECT_THAT(fault.of, ElementsAre(Pair(fault.object, "")));
  }
  EXPECT_THAT(kinds, UnorderedElementsAre(Pair(gone.digest, FaultKind::kGone), Pair(damaged.digest, FaultKind::kBytes),
                                          Pair(text.digest, FaultKind::kInvalid),
                                          Pair(other_size.digest, FaultKind::kInvalid)));
}

TEST_F(VerifierTest, ARecordThatIsGoneDamagedOrNamesOtherOutputsIsNamed) {
  const ArtifactRef output = Publish({"a"});
  const Digest gone = Record("gone", output), damaged = Record("damaged", output), other = Record("other", output);
  Record("whole", output);
  Delete(ResultKey(gone));
  Overwrite(ResultKey(damaged), "{");
  claims_.results[other] = {{"out", Publish({"b"})}};
  ASSERT_TRUE(Verify().ok());
  std::map<Digest, FaultKind> kinds;
  for (const Fault& fault : report_.faults) {
    EXPECT_TRUE(fault.is_record);
    kinds[fault.object] = fault.kind;
  }
  EXPECT_THAT(kinds, UnorderedElementsAre(Pair(gone, FaultKind::kGone), Pair(damaged, FaultKind::kBytes),
                                          Pair(other, FaultKind::kDiffers)));
}

TEST_F(VerifierTest, WhatIsMadeAgainOrGivenUpMeanwhileIsNoFault) {
  const ArtifactRef remade = Publish({"remade"});
  Publish({"given up"});
  const ArtifactRef lost = Publish({"lost"});
  for (const char* part : {"remade", "given up", "lost"}) Delete(BlobKey(DigestOf(part)));
  at_second_look_ = [&] {
    LWQ_CHECK(artifacts_.PutBlob("remade").ok());
    claims_.artifacts = {remade, lost};
  };
  ASSERT_TRUE(Verify().ok());
  ASSERT_THAT(report_.faults, SizeIs(1));
  EXPECT_EQ(report_.faults[0].object, DigestOf("lost"));
  EXPECT_EQ(asked_, 2);
}

TEST_F(VerifierTest, OneThatIsStoppedSaysWhereAndGoesOnThereUntilAllAreVerified) {
  std::vector<std::string> texts;
  for (int i = 0; i < 100; ++i) texts.push_back(absl::StrCat("text ", i));
  Publish(texts);
  Overwrite(BlobKey(DigestOf("text 17")), "text 18");
  std::atomic<int> reads = 0;
  bool stops = true;
  store_.SetHook([&](StoreCall call, std::string_view key) {
    if (call != StoreCall::kGet || key == BlobKey(claims_.artifacts[0].digest) || !stops || ++reads <= 70) {
      return absl::OkStatus();
    }
    return Status(absl::CancelledError("enough"));
  });
  EXPECT_TRUE(absl::IsCancelled(Verify({.threads = 2})));
  ASSERT_TRUE(report_.stopped_at.has_value());
  const std::vector<Fault> before = report_.faults;
  const Digest from = *report_.stopped_at;
  EXPECT_EQ(report_.verified.objects, 70) << "in part again the next time";
  stops = false;
  ASSERT_TRUE(Verify({.threads = 2, .from = from}).ok());
  EXPECT_EQ(report_.verified.objects, 36) << "two batches of 32 had been verified whole";
  std::set<Digest> found;
  for (const Fault& fault : before) found.insert(fault.object);
  for (const Fault& fault : report_.faults) found.insert(fault.object);
  EXPECT_THAT(found, ElementsAre(DigestOf("text 17"))) << "by one of the two, or both";
}

TEST_F(VerifierTest, AStoreThatCannotBeReadIsAnErrorAndNoDamage) {
  Publish({"a"});
  store_.SetHook([&](StoreCall call, std::string_view) {
    return call == StoreCall::kList ? Status(absl::UnavailableError("try again")) : absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsUnavailable(Verify()));
  EXPECT_THAT(report_.faults, IsEmpty());
}

}  // namespace
}  // namespace lwq
