// SPDX-License-Identifier: Apache-2.0
// Deleting what the coordinator gives up: once each, in the background, repeated after failures.
#include "worker/io/discarder.h"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "common/artifact/samples.h"
#include "common/object_store/memory_store.h"
#include "common/object_store/open_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/fault_store.h"
#include "tests/testing/process.h"

namespace lwq {
namespace {

using test::StoreCall;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class DiscarderTest : public ::testing::Test {
 protected:
  ArtifactRef Publish(const std::string& name) {
    const BlobRef part = artifacts_.PutBlob("part of " + name).value();
    return artifacts_.Publish({.kind = "samples", .meta = Json{{"name", name}}, .parts = {{"00000", part}}}).value();
  }
  // Fails every deletion until told otherwise.
  void FailDeletions() {
    store_.SetHook([this](StoreCall call, std::string_view) {
      return call == StoreCall::kDelete && failing_ ? absl::UnavailableError("down") : absl::OkStatus();
    });
    failing_ = true;
  }

  std::atomic<bool> failing_ = false;
  test::FaultStore store_{std::make_unique<MemoryStore>(), {}};
  ArtifactStore artifacts_{&store_};
};

TEST_F(DiscarderTest, WhatItIsToldIsGoneAndSaidToBeUntilAcknowledged) {
  const ArtifactRef one = Publish("one");
  const ArtifactRef two = Publish("two");
  const ArtifactRef kept = Publish("kept");
  Discarder discarder(&artifacts_);
  EXPECT_THAT(discarder.Deleted(), IsEmpty());
  discarder.Discard({one, two});
  discarder.AwaitIdle();
  EXPECT_FALSE(artifacts_.HasBlob({one.digest, kSizeUnknown}).value());
  EXPECT_FALSE(artifacts_.HasBlob({two.digest, kSizeUnknown}).value());
  EXPECT_TRUE(artifacts_.IsComplete(kept).value());
  EXPECT_THAT(discarder.Deleted(), UnorderedElementsAre(one.digest, two.digest));
  discarder.Acknowledged({one.digest});
  EXPECT_THAT(discarder.Deleted(), ElementsAre(two.digest));
}

TEST_F(DiscarderTest, TheSameNameAgainIsTheSameJobUntilItIsAcknowledged) {
  const ArtifactRef one = Publish("one");
  Discarder discarder(&artifacts_);
  discarder.Discard({one, one});
  discarder.AwaitIdle();
  const int64_t deletions = store_.calls(StoreCall::kDelete);
  EXPECT_EQ(deletions, 2) << "one part, one manifest";
  discarder.Discard({one});
  discarder.AwaitIdle();
  EXPECT_EQ(store_.calls(StoreCall::kDelete), deletions);

  discarder.Acknowledged({one.digest});
  EXPECT_EQ(Publish("one"), one);
  discarder.Discard({one});
  discarder.AwaitIdle();
  EXPECT_FALSE(artifacts_.HasBlob({one.digest, kSizeUnknown}).value()) << "it was made again, and discarded again";
}

TEST_F(DiscarderTest, WhatCouldNotBeDeletedIsDoneWhenItIsNamedAgain) {
  const ArtifactRef one = Publish("one");
  FailDeletions();
  Discarder discarder(&artifacts_);
  discarder.Discard({one});
  discarder.AwaitIdle();
  EXPECT_THAT(discarder.Deleted(), IsEmpty());
  EXPECT_TRUE(artifacts_.IsComplete(one).value());
  failing_ = false;
  discarder.Discard({one});
  discarder.AwaitIdle();
  EXPECT_THAT(discarder.Deleted(), ElementsAre(one.digest));
}

TEST_F(DiscarderTest, OfASampleSetInAFolderNoFileStaysAndOthersAreWhole) {
  const test::TemporaryDirectory folder;
  const std::unique_ptr<ObjectStore> files = OpenObjectStore("file://" + folder.path()).value();
  ArtifactStore artifacts(files.get());
  const auto write = [&](float first) {
    SampleSetWriter writer(&artifacts, DType::kF32, {2}, /*chunk_samples=*/1);
    for (int i = 0; i < 5; ++i) {
      const float sample[2] = {first, static_cast<float>(i)};
      const Bytes bytes = Bytes::FromString(std::string(reinterpret_cast<const char*>(sample), sizeof(sample)));
      LWQ_CHECK(writer.Append({DType::kF32, {1, 2}, bytes}).ok(), "append");
    }
    return writer.Finish().value();
  };
  const ArtifactRef kept = write(1);
  const ArtifactRef discarded = write(2);
  Discarder discarder(&artifacts);
  discarder.Discard({discarded});
  discarder.AwaitIdle();
  EXPECT_THAT(discarder.Deleted(), ElementsAre(discarded.digest));
  EXPECT_TRUE(artifacts.IsComplete(kept).value());
  EXPECT_EQ(files->List("blobs/", "", 1000)->objects.size(), 6u)
      << "five chunks and a manifest of the one that is kept";
}

TEST_F(DiscarderTest, ASlowStoreDelaysNobodyButTheEnd) {
  const ArtifactRef one = Publish("one");
  const ArtifactRef two = Publish("two");
  std::mutex mutex;
  std::condition_variable changed;
  bool entered = false;
  bool released = false;
  store_.SetHook([&](StoreCall call, std::string_view) {
    if (call != StoreCall::kDelete) return absl::OkStatus();
    std::unique_lock lock(mutex);
    entered = true;
    changed.notify_all();
    changed.wait(lock, [&] { return released; });
    return absl::OkStatus();
  });
  auto discarder = std::make_unique<Discarder>(&artifacts_);
  discarder->Discard({one});
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return entered; });
  }
  discarder->Discard({two});  // these return though the store does not
  EXPECT_THAT(discarder->Deleted(), IsEmpty());
  std::thread release([&] {
    std::lock_guard lock(mutex);
    released = true;
    changed.notify_all();
  });
  discarder.reset();
  release.join();
  EXPECT_TRUE(released);
}

}  // namespace
}  // namespace lwq
