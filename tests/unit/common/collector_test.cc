// SPDX-License-Identifier: Apache-2.0
// Collection of garbage: what is kept, what goes, what is said, on a store whose clock moves when told.
#include "common/artifact/collector.h"

#include "common/artifact/task_result.h"
#include "common/object_store/memory_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/as_bytes.h"
#include "tests/testing/fault_store.h"

namespace lwq {
namespace {

using test::StoreCall;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr int64_t kHourMs = int64_t{60} * 60 * 1000;
constexpr int64_t kDayMs = 24 * kHourMs;

class CollectorTest : public ::testing::Test {
 protected:
  CollectorTest()
      : memory_(std::make_unique<MemoryStore>(std::numeric_limits<int64_t>::max(), [this] { return now_ms_; })),
        store_(std::move(memory_), {}),
        artifacts_(&store_, [this] { return now_ms_; }) {}

  ArtifactRef Publish(const std::string& kind, const std::vector<std::string>& parts) {
    Manifest manifest{.kind = kind, .meta = Json::object(), .parts = {}};
    for (const std::string& text : parts) {
      manifest.parts.push_back({absl::StrCat(manifest.parts.size()), artifacts_.PutBlob(text).value()});
    }
    return artifacts_.Publish(manifest).value();
  }
  Digest Record(const std::string& action, const ArtifactRef& output) {
    const Digest key = DigestOf(action);
    LWQ_CHECK(PublishTaskResult(store_, key, {.outputs = {{"out", output}}}).ok());
    return key;
  }
  CollectionRoots Roots() {
    roots_.now_unix_ms = now_ms_;
    if (roots_.working_since_unix_ms < 0) roots_.working_since_unix_ms = now_ms_;
    return roots_;
  }
  Status Collect(CollectionOptions options = {}) {
    report_ = {};
    return Collector(
               &store_, [this] { return Roots(); }, options, nullptr)
        .Run(report_);
  }
  std::vector<std::string> Keys() {
    std::vector<std::string> keys;
    const ListPage page = store_.List("", "", 1000).value();
    for (const ObjectInfo& object : page.objects) keys.push_back(object.key);
    return keys;
  }
  bool IsComplete(const ArtifactRef& artifact) { return artifacts_.IsComplete(artifact).value(); }

  int64_t now_ms_ = 1'700'000'000'000;
  std::unique_ptr<MemoryStore> memory_;
  test::FaultStore store_;
  ArtifactStore artifacts_;
  CollectionRoots roots_{.artifacts = {}, .results = {}, .now_unix_ms = 0, .working_since_unix_ms = -1};
  CollectionReport report_;
};

TEST_F(CollectorTest, WhatIsReachableStaysAndTheRestGoesOnceItIsOldEnough) {
  const ArtifactRef live = Publish("block", {"one", "shared"});
  const ArtifactRef dead = Publish("files", {"shared", "two"});
  const Digest known = Record("known", live);
  Record("forgotten", dead);
  roots_.artifacts = {live};
  roots_.results = {known};
  now_ms_ += kDayMs;
  ASSERT_TRUE(Collect().ok());
  EXPECT_EQ(report_.deleted.objects, 0) << "not a moment before the grace period, the renewals and the clocks allow it";
  EXPECT_EQ(report_.kinds.at("parts").young.objects, 2);
  EXPECT_EQ(report_.kinds.at("results").young.objects, 1);
  now_ms_ += kRenewAfterMs + kClockSkewMs + 1;
  ASSERT_TRUE(Collect().ok());
  EXPECT_EQ(report_.deleted.objects, 3) << "the manifest, its own part, its record";
  EXPECT_TRUE(IsComplete(live)) << "with the part that both have";
  EXPECT_THAT(Keys(), UnorderedElementsAre(BlobKey(live.digest), BlobKey(DigestOf("one")), BlobKey(DigestOf("shared")),
                                           ResultKey(known)));
  EXPECT_EQ(report_.kinds.at("block").kept.objects, 3);
  EXPECT_EQ(report_.kinds.at("files").garbage.objects, 2);
  EXPECT_EQ(report_.kinds.at("results").kept.objects, 1);
  EXPECT_EQ(report_.kinds.at("results").garbage.objects, 1);
}

TEST_F(CollectorTest, ADryRunSaysTheSameAndDeletesNothing) {
  Publish("files", {"one", "two"});
  now_ms_ += 2 * kDayMs;
  const std::vector<std::string> before = Keys();
  ASSERT_TRUE(Collect({.dry_run = true}).ok());
  EXPECT_EQ(report_.kinds.at("files").garbage.objects, 3);
  EXPECT_EQ(report_.deleted.objects, 0);
  EXPECT_EQ(Keys(), before);
  ASSERT_TRUE(Collect().ok());
  EXPECT_EQ(report_.deleted.objects, 3);
  EXPECT_THAT(Keys(), IsEmpty());
}

TEST_F(CollectorTest, WhatATaskThatIsBeingExecutedMayRelyOnStays) {
  const ArtifactRef artifact = Publish("block", {"one"});
  roots_.working_since_unix_ms = now_ms_ + kHourMs / 2;  // it found it half an hour old, and so did not renew it
  now_ms_ += 30 * kDayMs;
  ASSERT_TRUE(Collect().ok());
  EXPECT_TRUE(IsComplete(artifact));
  roots_.working_since_unix_ms = 0;
  ASSERT_TRUE(Collect().ok());
  EXPECT_TRUE(report_.work_unknown);
  EXPECT_TRUE(IsComplete(artifact)) << "it is not known since when somebody works";
  roots_.working_since_unix_ms = now_ms_;
  ASSERT_TRUE(Collect().ok());
  EXPECT_FALSE(IsComplete(artifact));
}

TEST_F(CollectorTest, WhatIsPutAgainOrReliedUponIsYoungAgain) {
  const ArtifactRef put_again = Publish("block", {"one"});
  const ArtifactRef relied_upon = Publish("block", {"two"});
  now_ms_ += 30 * kDayMs;
  EXPECT_EQ(Publish("block", {"one"}), put_again);
  EXPECT_TRUE(artifacts_.KeepAlive(relied_upon).value());
  ASSERT_TRUE(Collect().ok());
  EXPECT_TRUE(IsComplete(put_again));
  EXPECT_TRUE(IsComplete(relied_upon));
}

TEST_F(CollectorTest, WhatBecameARootSinceTheFirstLookStays) {
  const ArtifactRef artifact = Publish("block", {"one"});
  const Digest action = Record("action", artifact);
  now_ms_ += 2 * kDayMs;
  int looks = 0;
  Collector collector(
      &store_,
      [&]() -> StatusOr<CollectionRoots> {
        if (++looks == 2) {
          roots_.artifacts = {artifact};
          roots_.results = {action};
        }
        return Roots();
      },
      {}, nullptr);
  ASSERT_TRUE(collector.Run(report_).ok());
  EXPECT_EQ(looks, 2);
  EXPECT_EQ(report_.deleted.objects, 0);
  EXPECT_TRUE(IsComplete(artifact));
}

TEST_F(CollectorTest, WhatIsRenewedAfterItWasListedStays) {
  const ArtifactRef artifact = Publish("block", {"one"});
  now_ms_ += 2 * kDayMs;
  int looks = 0;
  Collector collector(
      &store_,
      [&]() -> StatusOr<CollectionRoots> {
        if (++looks == 2) {
          EXPECT_TRUE(artifacts_.KeepAlive(artifact).value());
        }
        return Roots();
      },
      {}, nullptr);
  ASSERT_TRUE(collector.Run(report_).ok());
  EXPECT_EQ(report_.kinds.at("block").garbage.objects, 2);
  EXPECT_EQ(report_.deleted.objects, 0);
}

TEST_F(CollectorTest, ObjectsThatAreNoneOfOursAreNeverTouched) {
  for (const char* key : {"notes", "blobs/readme", "blobs/00/0123", "results/readme", "other/0"}) {
    ASSERT_TRUE(store_.Put(key, test::AsBytes("x"), {}).ok());
  }
  const std::vector<std::string> before = Keys();
  now_ms_ += 30 * kDayMs;
  ASSERT_TRUE(Collect().ok());
  EXPECT_EQ(Keys(), before);
  EXPECT_THAT(report_.kinds, IsEmpty());
}

TEST_F(CollectorTest, ARootThatIsGoneOrDamagedHoldsNothingUp) {
  const ArtifactRef damaged = Publish("block", {"one"});
  const ArtifactRef live = Publish("block", {"two"});
  ASSERT_TRUE(store_.Put(BlobKey(damaged.digest), test::AsBytes("rubbish"), {}).ok());
  roots_.artifacts = {damaged, {DigestOf("gone"), 5}, live};
  now_ms_ += 2 * kDayMs;
  ASSERT_TRUE(Collect().ok());
  EXPECT_TRUE(IsComplete(live));
  EXPECT_TRUE(store_.Head(BlobKey(damaged.digest)).ok()) << "its reader is to find it damaged";
}

TEST_F(CollectorTest, WithoutTheRootsOrTheStoreNothingIsDeletedAndTheNextCollectionGoesOn) {
  Publish("block", {"one", "two"});
  const ArtifactRef live = Publish("block", {"three"});
  roots_.artifacts = {live};
  now_ms_ += 2 * kDayMs;
  const std::vector<std::string> before = Keys();
  for (const StoreCall broken : {StoreCall::kGet, StoreCall::kList, StoreCall::kGetRange}) {
    store_.SetHook([&](StoreCall call, std::string_view) {
      return call == broken ? absl::UnavailableError("down") : absl::OkStatus();
    });
    EXPECT_TRUE(absl::IsUnavailable(Collect()));
    store_.SetHook(nullptr);
    EXPECT_EQ(Keys(), before);
  }
  int looks = 0;
  Collector cut_off(
      &store_,
      [&]() -> StatusOr<CollectionRoots> {
        if (++looks == 2) return absl::UnavailableError("no coordinator");
        return Roots();
      },
      {}, nullptr);
  EXPECT_TRUE(absl::IsUnavailable(cut_off.Run(report_)));
  EXPECT_EQ(Keys(), before);
  // Stopped after the first deletion.
  int deletions = 0;
  store_.SetHook([&](StoreCall call, std::string_view) {
    return call == StoreCall::kDelete && ++deletions == 2 ? absl::CancelledError("Ctrl-C") : absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsCancelled(Collect()));
  EXPECT_EQ(report_.deleted.objects, 1);
  store_.SetHook(nullptr);
  ASSERT_TRUE(Collect().ok());
  EXPECT_EQ(report_.deleted.objects, 2);
  EXPECT_TRUE(IsComplete(live));
  EXPECT_EQ(Keys().size(), 2u);
}

}  // namespace
}  // namespace lwq
