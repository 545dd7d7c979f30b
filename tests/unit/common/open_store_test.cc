// SPDX-License-Identifier: Apache-2.0
// URIs of object stores: which are opened, which are refused and how, and what is made of them.
#include "common/object_store/open_store.h"

#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/as_bytes.h"
#include "tests/testing/process.h"

namespace lwq {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const std::vector<std::string>& BadUris() {
  static const std::vector<std::string> uris = {"",
                                                "s3://B/x",
                                                "file:/x",
                                                "file://relative",
                                                "file://",
                                                "http://x",
                                                "file:///",
                                                "file:///x?fsync=maybe",
                                                "/plain/path",
                                                "memory:x",
                                                "file:////"};
  return uris;
}

TEST(OpenObjectStoreTest, WhatIsNoStoreIsRefused) {
  EXPECT_TRUE(OpenObjectStore("memory:").ok());
  const test::TemporaryDirectory folder;
  const auto store = OpenObjectStore(absl::StrCat("file://", folder.path(), "/new/store?fsync=off"));
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ((*store)->Describe(), absl::StrCat("file://", folder.path(), "/new/store"));
  for (const std::string& uri : BadUris()) {
    const Status status = OpenObjectStore(uri).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << uri << " " << status;
  }
}

TEST(OpenObjectStoreTest, AnUnknownSchemeIsRefusedInOneLineThatNamesTheKnownOnes) {
  EXPECT_EQ(MessageOf(OpenObjectStore("ftp://x").status()),
            "object store 'ftp://x' is not supported; use file:///absolute/folder or s3://bucket/prefix or memory:");
  EXPECT_EQ(MessageOf(CheckSharedStoreUri("ftp://x")),
            "object store 'ftp://x' is not supported; use file:///absolute/folder or s3://bucket/prefix");
}

TEST(OpenObjectStoreTest, AStoreThatMustBeThereIsNotMade) {
  const test::TemporaryDirectory folder;
  const std::string uri = absl::StrCat("file://", folder.path(), "/store");
  const Status absent = OpenObjectStore(uri, {.create_if_absent = false}).status();
  EXPECT_TRUE(absl::IsNotFound(absent)) << absent;
  EXPECT_THAT(std::string(MessageOf(absent)), HasSubstr(folder.path() + "/store"));
  EXPECT_FALSE(fs::exists(folder.path() + "/store"));
  fs::create_directory(folder.path() + "/store");
  EXPECT_TRUE(OpenObjectStore(uri, {.create_if_absent = false}).ok());
}

TEST(OpenObjectStoreTest, WhatTheCallerSaysAboutRetriesReachesTheStore) {
  const test::TemporaryDirectory folder;
  int waits = 0;
  StoreContext context;
  context.retry.attempts_max = 3;
  context.wait = [&waits](absl::Duration) -> Status {
    ++waits;
    return absl::OkStatus();
  };
  const auto store = OpenObjectStore(absl::StrCat("file://", folder.path(), "/store"), context);
  ASSERT_TRUE(store.ok()) << store.status();
  // A name in a loop of links can be looked up by nobody, which the system does not call permanent.
  fs::create_symlink("loop", folder.path() + "/store/loop");
  EXPECT_TRUE(absl::IsUnavailable((*store)->Head("loop").status()));
  EXPECT_EQ(waits, 2);
}

TEST(SharedStoreTest, AStoreOfOneProcessAndWhatIsNoStoreAreNotShared) {
  EXPECT_TRUE(CheckSharedStoreUri("file:///data/objects?fsync=off").ok());
  EXPECT_TRUE(CheckSharedStoreUri("s3://bucket/prefix?endpoint=https://s3.example").ok());
  EXPECT_TRUE(MakeSharedStore("s3://bucket/prefix?endpoint=https://s3.invalid").ok()) << "nobody is asked";
  EXPECT_EQ(MessageOf(CheckSharedStoreUri("memory:")),
            "object store 'memory:' is seen by one process alone; use file:///absolute/folder or s3://bucket/prefix");
  for (const std::string& uri : BadUris()) {
    EXPECT_TRUE(absl::IsInvalidArgument(CheckSharedStoreUri(uri))) << uri;
    EXPECT_TRUE(absl::IsInvalidArgument(MakeSharedStore(uri))) << uri;
  }
}

TEST(SharedStoreTest, ItsFolderIsMadeAndNothingIsPutIntoIt) {
  const test::TemporaryDirectory folder;
  EXPECT_TRUE(MakeSharedStore(absl::StrCat("file://", folder.path(), "/a/b?fsync=off")).ok());
  EXPECT_TRUE(fs::is_empty(folder.path() + "/a/b")) << "the option is no part of the name";
  EXPECT_TRUE(MakeSharedStore(absl::StrCat("file://", folder.path(), "/a/b")).ok()) << "it may be there";
  test::WriteFile(folder.path() + "/file", "x");
  const Status status = MakeSharedStore(absl::StrCat("file://", folder.path(), "/file"));
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(MessageOf(status)), HasSubstr(folder.path() + "/file"));
}

}  // namespace
}  // namespace lwq
