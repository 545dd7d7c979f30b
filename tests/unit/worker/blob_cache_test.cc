// SPDX-License-Identifier: Apache-2.0
#include "worker/io/blob_cache.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "common/object_store/file_store.h"
#include "common/object_store/memory_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/as_bytes.h"
#include "tests/testing/fault_store.h"
#include "tests/testing/full_disk.h"
#include "tests/testing/process.h"

namespace lwq {
namespace {

namespace fs = std::filesystem;
using test::AsBytes;
using test::StoreCall;
using ::testing::HasSubstr;

class BlobCacheTest : public ::testing::Test {
 protected:
  std::unique_ptr<BlobCache> Open(int64_t cache_bytes) {
    StatusOr<std::unique_ptr<BlobCache>> cache = BlobCache::Open(&artifacts_, {folder_.path() + "/cache", cache_bytes});
    LWQ_CHECK(cache.ok(), MessageOf(cache.status()));
    return *std::move(cache);
  }
  // A blob of `size_bytes` that starts with `name`.
  BlobRef Put(std::string name, size_t size_bytes = 100) {
    name.resize(size_bytes, '.');
    return artifacts_.PutBlob(name).value();
  }
  int64_t Gets() const { return store_.calls(StoreCall::kGet); }
  std::string PathOf(const BlobRef& blob) const { return folder_.path() + "/cache/blobs/" + blob.digest.hex(); }
  int64_t FolderBytes() const {
    int64_t total = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path() + "/cache")) {
      if (entry.is_regular_file()) total += static_cast<int64_t>(entry.file_size());
    }
    return total;
  }

  test::TemporaryDirectory folder_;
  test::FaultStore store_{std::make_unique<MemoryStore>(), {}};  // behaves as a remote store
  ArtifactStore artifacts_{&store_};
};

TEST_F(BlobCacheTest, ASecondFetchDoesNotAskTheStore) {
  const BlobRef blob = Put("a");
  const auto cache = Open(1000);
  const std::string first(cache->Fetch(blob)->view());
  const std::string second(cache->Fetch(blob)->view());
  EXPECT_EQ(first, second);
  EXPECT_EQ(first.substr(0, 2), "a.");
  EXPECT_EQ(Gets(), 1);
  EXPECT_EQ(cache->stats().hits, 1);
  EXPECT_EQ(cache->stats().misses, 1);
  EXPECT_EQ(cache->stats().held_bytes, 100);
}

TEST_F(BlobCacheTest, BytesInUseAreSharedNotMappedAgain) {
  const BlobRef blob = Put("a");
  const auto cache = Open(1000);
  const Bytes first = cache->Fetch(blob).value();
  const Bytes second = cache->Fetch(blob).value();
  EXPECT_EQ(first.owner(), second.owner());
}

TEST_F(BlobCacheTest, TheFolderNeverHoldsMoreThanItMay) {
  const auto cache = Open(1000);
  const unsigned seed = 17;
  std::mt19937 random(seed);
  for (int i = 0; i < 200; ++i) {
    const BlobRef blob = Put(absl::StrCat("blob ", random() % 40), 100 + random() % 300);
    ASSERT_TRUE(cache->Fetch(blob).ok());
    ASSERT_LE(FolderBytes(), 1000) << "seed " << seed;
    ASSERT_EQ(FolderBytes(), cache->stats().held_bytes) << "seed " << seed;
  }
}

TEST_F(BlobCacheTest, WhatWasUsedLeastRecentlyGoesFirst) {
  const BlobRef a = Put("a"), b = Put("b"), c = Put("c"), d = Put("d");
  const auto cache = Open(300);
  for (const BlobRef& blob : {a, b, c, a, d}) ASSERT_TRUE(cache->Fetch(blob).ok());
  EXPECT_FALSE(fs::exists(PathOf(b)));
  for (const BlobRef& blob : {a, c, d}) EXPECT_TRUE(fs::exists(PathOf(blob)));
  const int64_t before = Gets();
  for (const BlobRef& blob : {a, c, d}) ASSERT_TRUE(cache->Fetch(blob).ok());
  EXPECT_EQ(Gets(), before);
}

TEST_F(BlobCacheTest, AnEntryInUseStaysAndWhatDoesNotFitBesideItPassesThrough) {
  const BlobRef a = Put("a", 200), b = Put("b", 200), c = Put("c", 50);
  const auto cache = Open(300);
  const Bytes held = cache->Fetch(a).value();
  EXPECT_EQ(cache->Fetch(b)->size(), 200u);
  EXPECT_TRUE(fs::exists(PathOf(a)));
  EXPECT_FALSE(fs::exists(PathOf(b)));
  EXPECT_TRUE(cache->Fetch(c).ok());
  EXPECT_TRUE(fs::exists(PathOf(c)));
  EXPECT_EQ(held.view().substr(0, 2), "a.");
}

TEST_F(BlobCacheTest, ABlobLargerThanTheCachePassesThroughAndCostsNobodyItsPlace) {
  const BlobRef small = Put("small"), big = Put("big", 5000);
  const auto cache = Open(1000);
  ASSERT_TRUE(cache->Fetch(small).ok());
  EXPECT_EQ(cache->Fetch(big)->size(), 5000u);
  EXPECT_TRUE(fs::exists(PathOf(small)));
  EXPECT_EQ(cache->stats().held_bytes, 100);
}

TEST_F(BlobCacheTest, ACacheOfNothingKeepsNothingAndNeedsNoFolder) {
  const auto cache = std::move(BlobCache::Open(&artifacts_, {"", 0})).value();
  const BlobRef blob = Put("a");
  EXPECT_TRUE(cache->Fetch(blob).ok());
  EXPECT_TRUE(cache->Fetch(blob).ok());
  EXPECT_EQ(Gets(), 2);
  EXPECT_TRUE(absl::IsInvalidArgument(BlobCache::Open(&artifacts_, {"", -1}).status()));
}

TEST_F(BlobCacheTest, AnEmptyBlobIsABlob) {
  const BlobRef blob = artifacts_.PutBlob("").value();
  const auto cache = Open(1000);
  EXPECT_EQ(cache->Fetch(blob)->size(), 0u);
  EXPECT_EQ(cache->Fetch(blob)->size(), 0u);
  EXPECT_EQ(Gets(), 1);
}

TEST_F(BlobCacheTest, ItSurvivesARestartWithItsOrder) {
  const BlobRef a = Put("a"), b = Put("b"), c = Put("c"), d = Put("d");
  {
    const auto cache = Open(300);
    for (const BlobRef& blob : {a, b, c, a}) ASSERT_TRUE(cache->Fetch(blob).ok());
  }
  // The kernel's clock for times of files is coarse: the order is written down instead of waited for.
  const fs::file_time_type now = fs::file_time_type::clock::now();
  fs::last_write_time(PathOf(b), now - std::chrono::seconds(30));
  fs::last_write_time(PathOf(c), now - std::chrono::seconds(20));
  const auto cache = Open(300);
  EXPECT_EQ(cache->stats().held_bytes, 300);
  const int64_t before = Gets();
  EXPECT_EQ(cache->Fetch(a)->view().substr(0, 2), "a.");
  EXPECT_EQ(Gets(), before);
  ASSERT_TRUE(cache->Fetch(d).ok());
  EXPECT_FALSE(fs::exists(PathOf(b)));
  EXPECT_TRUE(fs::exists(PathOf(c)));
}

TEST_F(BlobCacheTest, ASmallerCacheAfterARestartKeepsWhatFits) {
  const BlobRef a = Put("a"), b = Put("b"), c = Put("c");
  {
    const auto cache = Open(300);
    for (const BlobRef& blob : {a, b, c}) ASSERT_TRUE(cache->Fetch(blob).ok());
  }
  const auto cache = Open(150);
  EXPECT_EQ(cache->stats().held_bytes, 100);
  EXPECT_EQ(FolderBytes(), 100);
}

TEST_F(BlobCacheTest, AFileDamagedBetweenTwoLivesIsFetchedAgain) {
  const BlobRef flipped = Put("flipped"), cut = Put("cut"), gone = Put("gone");
  {
    const auto cache = Open(1000);
    for (const BlobRef& blob : {flipped, cut, gone}) ASSERT_TRUE(cache->Fetch(blob).ok());
  }
  std::string text = test::ReadFileOrEmpty(PathOf(flipped));
  text[50] ^= 1;
  test::WriteFile(PathOf(flipped), text);
  fs::resize_file(PathOf(cut), 10);
  test::WriteFile(folder_.path() + "/cache/staging/left-over", "x");
  const auto cache = Open(1000);
  fs::remove(PathOf(gone));
  EXPECT_FALSE(fs::exists(folder_.path() + "/cache/staging/left-over"));
  for (const BlobRef& blob : {flipped, cut, gone}) {
    const StatusOr<Bytes> bytes = cache->Fetch(blob);
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    EXPECT_EQ(DigestOf(bytes->span()), blob.digest);
  }
  EXPECT_EQ(cache->stats().damaged, 2);
  EXPECT_EQ(cache->stats().misses, 3);
  EXPECT_EQ(cache->stats().held_bytes, 300);
  EXPECT_EQ(FolderBytes(), 300);
}

TEST_F(BlobCacheTest, AFileThatChangesAfterItWasVerifiedIsFetchedAgainWhetherItIsInUseOrNot) {
  const auto cache = Open(1000);
  for (const bool is_in_use : {false, true}) {
    const BlobRef written = Put(absl::StrCat("written ", is_in_use)),
                  replaced = Put(absl::StrCat("replaced ", is_in_use));
    std::vector<Bytes> held;
    for (const BlobRef& blob : {written, replaced}) {
      for (int i = 0; i < 2; ++i) held.push_back(cache->Fetch(blob).value());
      // An old time, so that writing changes it however coarse the clock of the file system is.
      fs::last_write_time(PathOf(blob), fs::file_time_type::clock::now() - std::chrono::hours(1));
      held.push_back(cache->Fetch(blob).value());
      if (!is_in_use) held.clear();
    }
    const BlobCacheStats before = cache->stats();
    const std::string wrong(100, 'w');
    std::fstream file(PathOf(written), std::ios::in | std::ios::out | std::ios::binary);
    file << wrong;
    file.close();
    test::WriteFile(PathOf(replaced) + ".new", wrong);
    fs::rename(PathOf(replaced) + ".new", PathOf(replaced));
    for (const BlobRef& blob : {written, replaced}) {
      const StatusOr<Bytes> bytes = cache->Fetch(blob);
      ASSERT_TRUE(bytes.ok()) << bytes.status();
      EXPECT_EQ(DigestOf(bytes->span()), blob.digest);
    }
    EXPECT_EQ(cache->stats().damaged, before.damaged + 2);
    EXPECT_EQ(cache->stats().misses, before.misses + 2);
  }
}

TEST_F(BlobCacheTest, TwoWorkersDoNotShareAFolder) {
  auto cache = Open(1000);
  const Status second = BlobCache::Open(&artifacts_, {folder_.path() + "/cache", 1000}).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(second)) << second;
  EXPECT_THAT(std::string(MessageOf(second)),
              ::testing::AllOf(HasSubstr(folder_.path() + "/cache"), HasSubstr("give each worker its own")));
  const pid_t child = ::fork();
  if (child == 0) {
    const bool is_refused =
        absl::IsFailedPrecondition(BlobCache::Open(&artifacts_, {folder_.path() + "/cache", 1000}).status());
    ::_exit(is_refused ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  cache.reset();
  EXPECT_TRUE(BlobCache::Open(&artifacts_, {folder_.path() + "/cache", 1000}).ok());
}

TEST_F(BlobCacheTest, ConcurrentFetchesOfOneBlobMakeOneRequest) {
  constexpr int kThreads = 8;
  const BlobRef blob = Put("shared", 5000);
  const auto cache = Open(10'000);
  // The store's answer is held back until all the others wait for it.
  store_.SetHook([&](StoreCall call, std::string_view) {
    while (call == StoreCall::kGet && cache->stats().joined < kThreads - 1) std::this_thread::yield();
    return absl::OkStatus();
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      const StatusOr<Bytes> bytes = cache->Fetch(blob);
      EXPECT_TRUE(bytes.ok() && DigestOf(bytes->span()) == blob.digest);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Gets(), 1);
  EXPECT_EQ(cache->stats().joined, kThreads - 1);
}

TEST_F(BlobCacheTest, ManyThreadsAndManyBlobsInASmallCacheAreAlwaysRight) {
  const unsigned seed = 23;
  std::vector<BlobRef> blobs;
  for (int i = 0; i < 30; ++i) blobs.push_back(Put(absl::StrCat("blob ", i), static_cast<size_t>(50 + 17 * i)));
  const auto cache = Open(2000);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(seed + t);
      std::vector<Bytes> held(3);
      for (int i = 0; i < 300; ++i) {
        const BlobRef& blob = blobs[random() % blobs.size()];
        const StatusOr<Bytes> bytes = cache->Fetch(blob);
        ASSERT_TRUE(bytes.ok()) << bytes.status() << ", seed " << seed;
        ASSERT_EQ(DigestOf(bytes->span()), blob.digest) << "seed " << seed;
        held[random() % held.size()] = *bytes;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(FolderBytes(), 2000);
  EXPECT_EQ(FolderBytes(), cache->stats().held_bytes);
}

TEST_F(BlobCacheTest, ErrorsOfTheStoreAreToldAndNotKept) {
  const BlobRef blob = Put("a");
  const auto cache = Open(1000);
  EXPECT_TRUE(absl::IsNotFound(cache->Fetch({DigestOf("never stored"), 3}).status()));
  std::atomic<bool> is_down{true};
  store_.SetHook(
      [&](StoreCall, std::string_view) { return is_down ? absl::UnavailableError("down") : absl::OkStatus(); });
  EXPECT_TRUE(absl::IsUnavailable(cache->Fetch(blob).status()));
  is_down = false;
  EXPECT_TRUE(cache->Fetch(blob).ok());
  is_down = true;
  EXPECT_TRUE(cache->Fetch(blob).ok()) << "what is cached needs no store";
}

TEST_F(BlobCacheTest, DamagedBytesInTheStoreAreDataLossAndNotKept) {
  const BlobRef blob = Put("a");
  const std::string wrong(100, 'w');
  ASSERT_TRUE(store_.Put(BlobKey(blob.digest), AsBytes(wrong), {}).ok());
  const auto cache = Open(1000);
  EXPECT_TRUE(absl::IsDataLoss(cache->Fetch(blob).status()));
  EXPECT_FALSE(fs::exists(PathOf(blob)));
}

TEST_F(BlobCacheTest, AReferenceWithAWrongSizeIsDataLossForItsHolderAlone) {
  const BlobRef blob = Put("a");
  const auto cache = Open(1000);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(absl::IsDataLoss(cache->Fetch({blob.digest, 99}).status()));
    EXPECT_TRUE(cache->Fetch(blob).ok());
    EXPECT_TRUE(cache->Fetch({blob.digest, kSizeUnknown}).ok());
  }
}

TEST_F(BlobCacheTest, AFolderThatCannotBeWrittenServesFromTheStore) {
  const BlobRef blob = Put("a");
  const auto cache = Open(1000);
  fs::remove_all(folder_.path() + "/cache");
  EXPECT_EQ(cache->Fetch(blob)->view().substr(0, 2), "a.");
  EXPECT_EQ(cache->stats().held_bytes, 0);
}

TEST_F(BlobCacheTest, AFullDiskServesFromTheStoreAndLeavesNothingBehind) {
  const BlobRef large = Put("large", 200'000), small = Put("small", 1000);
  const int broken = test::InSmallFiles(100'000, [&] {
    const auto cache = Open(1'000'000);
    if (cache->Fetch(large)->size() != 200'000) return 1;
    if (cache->stats().held_bytes != 0 || FolderBytes() != 0) return 2;
    if (cache->Fetch(small)->view().substr(0, 6) != "small.") return 3;
    return cache->stats().held_bytes == 1000 ? 0 : 4;
  });
  EXPECT_EQ(broken, 0);
}

TEST(BlobCacheInPlaceTest, BlobsOfALocalStoreAreMappedInPlaceAndVerifiedOnce) {
  const test::TemporaryDirectory folder;
  const auto store = std::move(OpenFileStore(folder.path() + "/objects", {.sync = false})).value();
  ArtifactStore artifacts(store.get());
  const BlobRef blob = artifacts.PutBlob(std::string(10'000, 'x')).value();
  const auto cache = std::move(BlobCache::Open(&artifacts, {folder.path() + "/cache", 1 << 20})).value();
  ASSERT_TRUE(cache->Fetch(blob).ok());
  ASSERT_TRUE(cache->Fetch(blob).ok());
  EXPECT_EQ(cache->stats().misses, 1);
  EXPECT_EQ(cache->stats().hits, 1);
  EXPECT_TRUE(fs::is_empty(folder.path() + "/cache/blobs"));
  // Deleted and stored again, damaged: what was verified is another object than what is there now.
  ASSERT_TRUE(store->Delete(BlobKey(blob.digest)).ok());
  EXPECT_TRUE(absl::IsNotFound(cache->Fetch(blob).status()));
  const std::string wrong(10'000, 'w');
  ASSERT_TRUE(store->Put(BlobKey(blob.digest), AsBytes(wrong), {}).ok());
  EXPECT_TRUE(absl::IsDataLoss(cache->Fetch(blob).status()));
}

TEST(BlobCacheInPlaceTest, ABlobThatIsReplacedOrWrittenToAfterItWasVerifiedIsVerifiedAgain) {
  const test::TemporaryDirectory folder;
  const auto store = std::move(OpenFileStore(folder.path() + "/objects", {.sync = false})).value();
  ArtifactStore artifacts(store.get());
  const std::string right(10'000, 'x');
  const std::string wrong(10'000, 'w');
  const BlobRef blob = artifacts.PutBlob(right).value();
  const auto cache = std::move(BlobCache::Open(&artifacts, {folder.path() + "/cache", 1 << 20})).value();
  ASSERT_TRUE(cache->Fetch(blob).ok());

  ASSERT_TRUE(store->Put(BlobKey(blob.digest), AsBytes(wrong), {}).ok());
  EXPECT_TRUE(absl::IsDataLoss(cache->Fetch(blob).status()));
  ASSERT_TRUE(store->Put(BlobKey(blob.digest), AsBytes(right), {}).ok());
  EXPECT_TRUE(cache->Fetch(blob).ok()) << "another file, the same bytes";
  EXPECT_EQ(cache->stats().hits, 0);

  const std::string hex = blob.digest.hex();
  const std::string path = folder.path() + "/objects/blobs+/" + hex.substr(0, 2) + "+/" + hex;
  // An old time, so that writing changes it however coarse the clock of the file system is.
  fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(1));
  ASSERT_TRUE(cache->Fetch(blob).ok());
  ASSERT_TRUE(cache->Fetch(blob).ok());
  EXPECT_EQ(cache->stats().hits, 1);
  std::fstream(path, std::ios::in | std::ios::out | std::ios::binary) << "one byte is enough";
  EXPECT_TRUE(absl::IsDataLoss(cache->Fetch(blob).status()));
}

TEST(BlobCacheInPlaceTest, BytesThatAreNoFileAreVerifiedAtEachFetch) {
  MemoryStore store;
  ArtifactStore artifacts(&store);
  const BlobRef blob = artifacts.PutBlob(std::string(10'000, 'x')).value();
  const test::TemporaryDirectory folder;
  const auto cache = std::move(BlobCache::Open(&artifacts, {folder.path() + "/cache", 1 << 20})).value();
  ASSERT_TRUE(cache->Fetch(blob).ok());
  ASSERT_TRUE(store.Put(BlobKey(blob.digest), AsBytes(std::string(10'000, 'w')), {}).ok());
  EXPECT_TRUE(absl::IsDataLoss(cache->Fetch(blob).status()));
}

}  // namespace
}  // namespace lwq
