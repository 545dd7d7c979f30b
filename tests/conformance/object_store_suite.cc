// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/object_store_suite.h"

#include <algorithm>
#include <atomic>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/as_bytes.h"
#include "tests/testing/process.h"

namespace lwq::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Filled before main() begins.
std::vector<ObjectStoreKind>& ObjectStoreKinds() {
  static std::vector<ObjectStoreKind> kinds;
  return kinds;
}

}  // namespace

ObjectStoreUnderTest::ObjectStoreUnderTest(std::string name,
                                           std::function<std::unique_ptr<ObjectStore>(const std::string& folder)> make,
                                           bool holds_nested_keys) {
  ObjectStoreKinds().push_back({std::move(name), std::move(make), holds_nested_keys});
}

namespace {

// Whether a key in `keys` is `key` and "/…".
template <typename Keys>
bool IsPathOfAnother(const std::string& key, const Keys& keys) {
  return std::any_of(keys.begin(), keys.end(), [&](const std::string& other) { return other.starts_with(key + "/"); });
}

class ObjectStoreConformance : public ::testing::TestWithParam<ObjectStoreKind> {
 protected:
  void SetUp() override { store_ = GetParam().make(folder_.path()); }

  Status Put(std::string_view key, std::string_view text, bool if_absent = false) {
    return store_->Put(key, AsBytes(text), {.if_absent = if_absent});
  }

  std::string Get(std::string_view key) {
    const StatusOr<Bytes> bytes = store_->Get(key);
    return bytes.ok() ? std::string(bytes->view()) : absl::StrCat("<", bytes.status().ToString(), ">");
  }

  // All keys below `prefix`, page by page.
  std::vector<std::string> Keys(std::string_view prefix, int limit, std::string start_after = "") {
    std::vector<std::string> keys;
    while (true) {
      const StatusOr<ListPage> page = store_->List(prefix, start_after, limit);
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) return keys;
      EXPECT_LE(page->objects.size(), static_cast<size_t>(limit));
      for (const ObjectInfo& object : page->objects) keys.push_back(object.key);
      if (!page->truncated) return keys;
      if (page->objects.empty()) {
        ADD_FAILURE() << "a truncated page must not be empty";
        return keys;
      }
      start_after = page->objects.back().key;
    }
  }

  TemporaryDirectory folder_;
  std::unique_ptr<ObjectStore> store_;
};

TEST_P(ObjectStoreConformance, AnObjectSaysWhenItWasPutOrRenewedLast) {
  ASSERT_TRUE(Put("a", "first").ok());
  const int64_t put_ms = store_->Head("a")->modified_unix_ms;
  EXPECT_GT(put_ms, int64_t{1'600'000'000} * 1000) << "by a clock that is about right";
  const StatusOr<ListPage> page = store_->List("", "", 10);
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->objects.size(), 1u);
  EXPECT_EQ(page->objects[0].modified_unix_ms, put_ms);
  EXPECT_TRUE(store_->Renew("a").ok());
  EXPECT_GE(store_->Head("a")->modified_unix_ms, put_ms);
  EXPECT_EQ(Get("a"), "first");
  EXPECT_TRUE(absl::IsNotFound(store_->Renew("b")));
  EXPECT_TRUE(absl::IsNotFound(store_->Head("b").status())) << "nothing was made";
  EXPECT_TRUE(absl::IsInvalidArgument(store_->Renew("/a")));
}

TEST_P(ObjectStoreConformance, APutObjectIsReadBackWithItsSize) {
  ASSERT_TRUE(Put("a/b", "hello").ok());
  EXPECT_EQ(Get("a/b"), "hello");
  const StatusOr<ObjectInfo> info = store_->Head("a/b");
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->key, "a/b");
  EXPECT_EQ(info->size_bytes, 5);
}

TEST_P(ObjectStoreConformance, AnEmptyObjectIsAnObject) {
  ASSERT_TRUE(Put("empty", "").ok());
  EXPECT_EQ(Get("empty"), "");
  EXPECT_THAT(Keys("", 10), ElementsAre("empty"));
  EXPECT_TRUE(store_->GetRange("empty", 0, 0).ok());
}

TEST_P(ObjectStoreConformance, BytesOfEveryValueSurvive) {
  std::string text(70'000, '\0');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 31);
  ASSERT_TRUE(Put("binary", text).ok());
  EXPECT_EQ(Get("binary"), text);
}

TEST_P(ObjectStoreConformance, WhatIsAbsentIsNotFoundByName) {
  for (const Status& status : {Status(store_->Get("no/such").status()), Status(store_->Head("no/such").status()),
                               Status(store_->GetRange("no/such", 0, 0).status())}) {
    EXPECT_TRUE(absl::IsNotFound(status)) << status;
    EXPECT_THAT(std::string(MessageOf(status)), ::testing::HasSubstr("no/such"));
  }
}

TEST_P(ObjectStoreConformance, APutReplacesTheWholeObject) {
  ASSERT_TRUE(Put("k", "a long first value").ok());
  ASSERT_TRUE(Put("k", "second").ok());
  EXPECT_EQ(Get("k"), "second");
}

TEST_P(ObjectStoreConformance, BytesThatWereReadStayWhenTheObjectIsReplacedOrDeleted) {
  ASSERT_TRUE(Put("k", "first").ok());
  const StatusOr<Bytes> bytes = store_->Get("k");
  ASSERT_TRUE(bytes.ok());
  ASSERT_TRUE(Put("k", "other").ok());
  ASSERT_TRUE(store_->Delete("k").ok());
  EXPECT_EQ(bytes->view(), "first");
}

TEST_P(ObjectStoreConformance, AConditionalPutDoesNotReplace) {
  ASSERT_TRUE(Put("k", "first", true).ok());
  const Status second = Put("k", "second", true);
  EXPECT_TRUE(absl::IsAlreadyExists(second)) << second;
  EXPECT_EQ(Get("k"), "first");
  ASSERT_TRUE(store_->Delete("k").ok());
  EXPECT_TRUE(Put("k", "third", true).ok());
  EXPECT_EQ(Get("k"), "third");
}

TEST_P(ObjectStoreConformance, OfSixteenConcurrentConditionalPutsExactlyOneWins) {
  constexpr int kThreads = 16;
  constexpr int kKeys = 20;
  std::vector<std::atomic<int>> wins(kKeys);
  std::vector<std::atomic<int>> winner(kKeys);
  std::atomic<int> ready{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      ++ready;
      while (ready < kThreads) std::this_thread::yield();
      for (int k = 0; k < kKeys; ++k) {
        const Status status = Put(absl::StrCat("race/", k), absl::StrCat("thread ", t), true);
        if (status.ok()) {
          ++wins[k];
          winner[k] = t;
        } else {
          EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int k = 0; k < kKeys; ++k) {
    EXPECT_EQ(wins[k], 1) << "key " << k;
    EXPECT_EQ(Get(absl::StrCat("race/", k)), absl::StrCat("thread ", winner[k].load()));
  }
}

TEST_P(ObjectStoreConformance, ConcurrentReadersSeeWholeObjectsOnly) {
  const std::string first(50'000, 'a');
  const std::string second(80'000, 'b');
  ASSERT_TRUE(Put("k", first).ok());
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; i < 60; ++i) EXPECT_TRUE(Put("k", i % 2 == 0 ? second : first).ok());
    done = true;
  });
  int reads = 0;
  while (!done || reads == 0) {
    const std::string seen = Get("k");
    ASSERT_TRUE(seen == first || seen == second) << seen.size() << " bytes, " << seen.substr(0, 100);
    ++reads;
  }
  writer.join();
}

TEST_P(ObjectStoreConformance, ARangeIsExactOrRefused) {
  ASSERT_TRUE(Put("k", "0123456789").ok());
  const auto range = [&](int64_t offset, int64_t length) {
    const StatusOr<Bytes> bytes = store_->GetRange("k", offset, length);
    if (absl::IsOutOfRange(bytes.status())) return std::string("out of range");
    return bytes.ok() ? std::string(bytes->view()) : bytes.status().ToString();
  };
  EXPECT_EQ(range(0, 10), "0123456789");
  EXPECT_EQ(range(3, 4), "3456");
  EXPECT_EQ(range(9, 1), "9");
  EXPECT_EQ(range(0, 0), "");
  EXPECT_EQ(range(10, 0), "");
  EXPECT_EQ(range(10, 1), "out of range");
  EXPECT_EQ(range(9, 2), "out of range");
  EXPECT_EQ(range(11, 0), "out of range");
  EXPECT_EQ(range(-1, 1), "out of range");
  EXPECT_EQ(range(0, -1), "out of range");
  EXPECT_EQ(range(INT64_MAX, INT64_MAX), "out of range");
  EXPECT_EQ(range(1, INT64_MAX), "out of range");
  EXPECT_EQ(range(INT64_MIN, 1), "out of range");
}

TEST_P(ObjectStoreConformance, AnUploadIsInvisibleUntilItIsCommitted) {
  StatusOr<std::unique_ptr<Upload>> upload = store_->StartUpload("big/object", {});
  ASSERT_TRUE(upload.ok()) << upload.status();
  ASSERT_TRUE((*upload)->Write(AsBytes("first, ")).ok());
  EXPECT_TRUE(absl::IsNotFound(store_->Get("big/object").status()));
  EXPECT_THAT(Keys("", 1000), IsEmpty());
  ASSERT_TRUE((*upload)->Write(AsBytes("second")).ok());
  ASSERT_TRUE((*upload)->Commit().ok());
  EXPECT_EQ(Get("big/object"), "first, second");
  EXPECT_THAT(Keys("", 1000), ElementsAre("big/object"));
}

TEST_P(ObjectStoreConformance, AnAbandonedUploadLeavesNothing) {
  ASSERT_TRUE(Put("k", "kept").ok());
  {
    StatusOr<std::unique_ptr<Upload>> upload = store_->StartUpload("k", {});
    ASSERT_TRUE(upload.ok());
    ASSERT_TRUE((*upload)->Write(AsBytes("lost")).ok());
  }
  EXPECT_EQ(Get("k"), "kept");
  EXPECT_THAT(Keys("", 1000), ElementsAre("k"));
}

TEST_P(ObjectStoreConformance, AConditionalUploadThatLostSaysSoAtCommit) {
  StatusOr<std::unique_ptr<Upload>> upload = store_->StartUpload("k", {.if_absent = true});
  ASSERT_TRUE(upload.ok());
  ASSERT_TRUE((*upload)->Write(AsBytes("late")).ok());
  ASSERT_TRUE(Put("k", "early").ok());
  const Status commit = (*upload)->Commit();
  EXPECT_TRUE(absl::IsAlreadyExists(commit)) << commit;
  EXPECT_EQ(Get("k"), "early");
}

TEST_P(ObjectStoreConformance, AFinishedUploadTakesNoMore) {
  StatusOr<std::unique_ptr<Upload>> upload = store_->StartUpload("k", {});
  ASSERT_TRUE(upload.ok());
  ASSERT_TRUE((*upload)->Commit().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition((*upload)->Write(AsBytes("more"))));
  EXPECT_TRUE(absl::IsFailedPrecondition((*upload)->Commit()));
  EXPECT_EQ(Get("k"), "");
}

TEST_P(ObjectStoreConformance, ManyUploadsOfOneKeyDoNotMix) {
  std::vector<std::unique_ptr<Upload>> uploads;
  for (int u = 0; u < 5; ++u) uploads.push_back(std::move(store_->StartUpload("k", {.if_absent = true})).value());
  for (int part = 0; part < 3; ++part) {
    for (int u = 0; u < 5; ++u) {
      ASSERT_TRUE(uploads[u]->Write(AsBytes(std::string(100, static_cast<char>('a' + u)))).ok());
    }
  }
  EXPECT_TRUE(uploads[3]->Commit().ok());
  EXPECT_TRUE(absl::IsAlreadyExists(uploads[1]->Commit()));
  EXPECT_EQ(Get("k"), std::string(300, 'd'));
}

TEST_P(ObjectStoreConformance, DeletingIsIdempotent) {
  ASSERT_TRUE(Put("a/b/c", "x").ok());
  EXPECT_TRUE(store_->Delete("a/b/c").ok());
  EXPECT_TRUE(store_->Delete("a/b/c").ok());
  EXPECT_TRUE(store_->Delete("never/was").ok());
  EXPECT_TRUE(absl::IsNotFound(store_->Get("a/b/c").status()));
  EXPECT_THAT(Keys("", 10), IsEmpty());
  EXPECT_TRUE(Put("a/b/c", "y").ok());
  EXPECT_EQ(Get("a/b/c"), "y");
}

TEST_P(ObjectStoreConformance, AKeyAndItsExtensionAreUnrelated) {
  if (!GetParam().holds_nested_keys) {
    ASSERT_TRUE(Put("a", "1").ok());
    EXPECT_TRUE(absl::IsFailedPrecondition(Put("a/b", "2"))) << "refused, not lost";
    ASSERT_TRUE(Put("x/y", "4").ok());
    EXPECT_TRUE(absl::IsFailedPrecondition(Put("x", "5"))) << "refused, not lost";
    EXPECT_EQ(Get("a"), "1");
    EXPECT_EQ(Get("x/y"), "4");
    EXPECT_THAT(Keys("", 10), ElementsAre("a", "x/y"));
    return;
  }
  ASSERT_TRUE(Put("a", "1").ok());
  ASSERT_TRUE(Put("a/b", "2").ok());
  ASSERT_TRUE(Put("a/b/c", "3").ok());
  ASSERT_TRUE(Put("x/y", "4").ok());
  ASSERT_TRUE(Put("x", "5").ok());
  EXPECT_EQ(Get("a"), "1");
  EXPECT_EQ(Get("a/b"), "2");
  EXPECT_EQ(Get("a/b/c"), "3");
  EXPECT_EQ(Get("x"), "5");
  ASSERT_TRUE(store_->Delete("a/b").ok());
  EXPECT_EQ(Get("a/b/c"), "3");
  EXPECT_THAT(Keys("", 10), ElementsAre("a", "a/b/c", "x", "x/y"));
  EXPECT_TRUE(absl::IsNotFound(store_->Get("a/b/c/d").status()));
}

TEST_P(ObjectStoreConformance, AListIsAscendingBytewiseWhereverTheSlashesAre) {
  const std::vector<std::string> keys = {"a",  "a-",    "a-/z", "a.", "a./b", "a/",      "a/-",  "a/b/c", "a/b=",
                                         "a0", "a=b/c", "A/z",  "_x", "zz/1", "zz/10/x", "zz/2", "zz1"};
  std::vector<std::string> expected;
  for (const std::string& key : keys) {
    if (key.back() == '/') continue;  // not a key
    if (!GetParam().holds_nested_keys && IsPathOfAnother(key, keys)) continue;
    ASSERT_TRUE(Put(key, key).ok()) << key;
    expected.push_back(key);
  }
  std::sort(expected.begin(), expected.end());
  for (const int limit : {1, 2, 3, 5, 1000}) EXPECT_EQ(Keys("", limit), expected) << "limit " << limit;
  EXPECT_THAT(Keys("a/", 2), ElementsAre("a/-", "a/b/c", "a/b="));
  EXPECT_THAT(Keys("a/b", 1), ElementsAre("a/b/c", "a/b="));
  EXPECT_THAT(Keys("zz", 2), ElementsAre("zz/1", "zz/10/x", "zz/2", "zz1"));
  EXPECT_THAT(Keys("zz/1", 2), ElementsAre("zz/1", "zz/10/x"));
  EXPECT_THAT(Keys("zz/10/x", 2), ElementsAre("zz/10/x"));
  EXPECT_THAT(Keys("none", 2), IsEmpty());
  EXPECT_THAT(Keys("a//", 2), IsEmpty());
  EXPECT_THAT(Keys("/", 2), IsEmpty());
  EXPECT_THAT(Keys("..", 2), IsEmpty());
  EXPECT_THAT(Keys("../", 2), IsEmpty());
}

TEST_P(ObjectStoreConformance, AListStartsAfterAnyKeyWhetherItExistsOrNot) {
  const unsigned seed = 5;
  std::mt19937 random(seed);
  const std::string alphabet = "ab-./0";
  std::set<std::string> keys;
  while (keys.size() < 60) {
    std::string key;
    for (size_t i = 0, n = 1 + random() % 6; i < n; ++i) key.push_back(alphabet[random() % alphabet.size()]);
    if (ValidateObjectKey(key).ok()) keys.insert(key);
  }
  if (!GetParam().holds_nested_keys) std::erase_if(keys, [&](const auto& key) { return IsPathOfAnother(key, keys); });
  for (const std::string& key : keys) ASSERT_TRUE(Put(key, key).ok());
  for (int i = 0; i < 120; ++i) {
    std::string start_after;
    std::string prefix;
    for (size_t n = random() % 5; start_after.size() < n;) start_after.push_back(alphabet[random() % alphabet.size()]);
    for (size_t n = random() % 4; prefix.size() < n;) prefix.push_back(alphabet[random() % alphabet.size()]);
    std::vector<std::string> expected;
    for (const std::string& key : keys) {
      if (key > start_after && key.compare(0, prefix.size(), prefix) == 0) expected.push_back(key);
    }
    EXPECT_EQ(Keys(prefix, 1 + static_cast<int>(random() % 9), start_after), expected)
        << "prefix '" << prefix << "', after '" << start_after << "', seed " << seed;
  }
}

TEST_P(ObjectStoreConformance, AListTellsSizesAndRefusesBadLimits) {
  ASSERT_TRUE(Put("a", "123").ok());
  const StatusOr<ListPage> page = store_->List("a", "", 1000);
  ASSERT_TRUE(page.ok());
  ASSERT_EQ(page->objects.size(), 1u);
  EXPECT_EQ(page->objects[0].size_bytes, 3);
  EXPECT_FALSE(page->truncated);
  for (const int limit : {0, -1, 1001}) {
    EXPECT_TRUE(absl::IsInvalidArgument(store_->List("", "", limit).status())) << limit;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(store_->List("a b", "", 1).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(store_->List("", std::string(513, 'a'), 1).status()));
}

TEST_P(ObjectStoreConformance, EveryCallRefusesKeysThatAreNotKeys) {
  const std::vector<std::string> bad = {"",
                                        "/",
                                        "/a",
                                        "a/",
                                        "a//b",
                                        ".",
                                        "..",
                                        "a/..",
                                        "../a",
                                        "a/./b",
                                        "a b",
                                        "a+b",
                                        "a\\b",
                                        "a\nb",
                                        "%2e",
                                        std::string("a\0b", 3),
                                        "caf\xc3\xa9",
                                        "~a",
                                        "a:b",
                                        std::string(513, 'a'),
                                        std::string(201, 'a')};
  for (const std::string& key : bad) {
    EXPECT_TRUE(absl::IsInvalidArgument(Put(key, "x"))) << key;
    EXPECT_TRUE(absl::IsInvalidArgument(store_->StartUpload(key, {}).status())) << key;
    EXPECT_TRUE(absl::IsInvalidArgument(store_->Get(key).status())) << key;
    EXPECT_TRUE(absl::IsInvalidArgument(store_->GetRange(key, 0, 0).status())) << key;
    EXPECT_TRUE(absl::IsInvalidArgument(store_->Head(key).status())) << key;
    EXPECT_TRUE(absl::IsInvalidArgument(store_->Delete(key))) << key;
  }
  EXPECT_THAT(Keys("", 10), IsEmpty());
}

TEST_P(ObjectStoreConformance, KeysAtTheLimitsAreKeys) {
  const std::string segment(200, 's');
  const std::string longest = segment + "/" + segment + "/" + std::string(110, 'x');
  for (const std::string& key :
       {longest, std::string("..."), std::string(".staging/x"), std::string("-"), std::string("=")}) {
    ASSERT_TRUE(Put(key, key).ok()) << key;
    EXPECT_EQ(Get(key), key);
  }
  EXPECT_EQ(longest.size(), 512u);
  EXPECT_EQ(Keys("", 2).size(), 5u);
}

INSTANTIATE_TEST_SUITE_P(Stores, ObjectStoreConformance, ::testing::ValuesIn(ObjectStoreKinds()),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace lwq::test
