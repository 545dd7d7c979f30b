// SPDX-License-Identifier: Apache-2.0
#include "common/bytes/bytes.h"

#include "common/bytes/mapped_file.h"
#include "common/bytes/release_pages.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"

namespace lwq {
namespace {

TEST(BytesTest, AStringIsTakenWithoutACopy) {
  std::string text(1000, 'x');
  const char* before = text.data();
  const Bytes bytes = Bytes::FromString(std::move(text));
  EXPECT_EQ(static_cast<const void*>(bytes.data()), static_cast<const void*>(before));
  EXPECT_EQ(bytes.size(), 1000u);
}

TEST(BytesTest, ASliceSharesAndOutlivesTheWhole) {
  Bytes slice;
  {
    const Bytes whole = Bytes::FromString("0123456789 and enough text to be on the heap");
    slice = whole.Slice(2, 5);
    EXPECT_EQ(slice.data(), whole.data() + 2);
    EXPECT_EQ(slice.owner(), whole.owner());
  }
  EXPECT_EQ(slice.view(), "23456");
  EXPECT_EQ(slice.Slice(5, 0).size(), 0u);
}

TEST(BytesTest, AMappedFileIsItsContents) {
  const test::TemporaryDirectory folder;
  const std::string path = folder.path() + "/file";
  test::WriteFile(path, "contents of a file");
  const StatusOr<Bytes> bytes = Bytes::MapFile(path);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_EQ(bytes->view(), "contents of a file");
  std::filesystem::remove(path);
  EXPECT_EQ(bytes->Slice(12, 6).view(), "a file");
}

TEST(BytesTest, ReleasedPagesAreReadAgain) {
  const test::TemporaryDirectory folder;
  const std::string contents(100000, 'y');
  test::WriteFile(folder.path() + "/file", contents);
  const StatusOr<Bytes> mapped = Bytes::MapFile(folder.path() + "/file");
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  const Bytes heap = Bytes::FromString(contents);
  for (const Bytes& bytes : {*mapped, mapped->Slice(5000, 60000), heap, heap.Slice(5000, 60000), Bytes()}) {
    ReleasePages(bytes);
    EXPECT_EQ(bytes.view(), contents.substr(0, bytes.size()));
  }
}

TEST(MappedFileTest, AMappingKnowsWhichContentOfWhichFileItIs) {
  const test::TemporaryDirectory folder;
  const std::string path = folder.path() + "/file";
  test::WriteFile(path, "contents");
  // An old time, so that writing changes it however coarse the clock of the file system is.
  std::filesystem::last_write_time(path, std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  const Bytes bytes = Bytes::MapFile(path).value();
  const std::optional<FileIdentity> identity = MappedIdentity(bytes);
  ASSERT_TRUE(identity.has_value());
  EXPECT_EQ(identity->size_bytes, 8);
  EXPECT_EQ(MappedIdentity(bytes.Slice(3, 2)), identity);
  EXPECT_EQ(MappedIdentity(Bytes::MapFile(path).value()), identity) << "reading changes nothing";
  EXPECT_EQ(IdentityOfFile(path), identity);

  test::WriteFile(path, "Contents");
  EXPECT_NE(IdentityOfFile(path), identity) << "written to";
  EXPECT_EQ(MappedIdentity(bytes), identity) << "as it was when it was mapped";
  test::WriteFile(folder.path() + "/other", "contents");
  std::filesystem::rename(folder.path() + "/other", path);
  EXPECT_NE(IdentityOfFile(path)->inode, identity->inode) << "another file";
  std::filesystem::remove(path);
  EXPECT_EQ(IdentityOfFile(path), std::nullopt);
}

TEST(MappedFileTest, BytesThatAreNoFileHaveNoIdentity) {
  EXPECT_EQ(MappedIdentity(Bytes::FromString("text")), std::nullopt);
  EXPECT_EQ(MappedIdentity(Bytes()), std::nullopt);
}

TEST(MappedFileTest, LoadingPagesChangesNoBytes) {
  const test::TemporaryDirectory folder;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{100'000}, kMaxLoadedBytes + 1}) {
    const std::string contents(size, 'y');
    test::WriteFile(folder.path() + "/file", contents);
    const Bytes bytes = Bytes::MapFile(folder.path() + "/file").value();
    LoadPages(bytes);
    LoadPages(bytes.Slice(size / 2, size / 4));
    EXPECT_EQ(bytes.view(), contents);
  }
  const Bytes heap = Bytes::FromString("text");
  LoadPages(heap);
  EXPECT_EQ(heap.view(), "text");
}

TEST(BytesTest, AnEmptyFileMapsToNoBytes) {
  const test::TemporaryDirectory folder;
  test::WriteFile(folder.path() + "/empty", "");
  const StatusOr<Bytes> bytes = Bytes::MapFile(folder.path() + "/empty");
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_TRUE(bytes->empty());
  EXPECT_EQ(bytes->view(), "");
}

TEST(BytesTest, WhatCannotBeMappedIsNamed) {
  const test::TemporaryDirectory folder;
  const Status absent = Bytes::MapFile(folder.path() + "/absent").status();
  EXPECT_TRUE(absl::IsNotFound(absent)) << absent;
  EXPECT_THAT(std::string(MessageOf(absent)), ::testing::HasSubstr(folder.path() + "/absent"));
  EXPECT_TRUE(absl::IsInvalidArgument(Bytes::MapFile(folder.path()).status()));
}

TEST(BytesDeathTest, ASliceOutsideIsABug) {
  const Bytes bytes = Bytes::FromString("12345");
  EXPECT_DEATH(bytes.Slice(3, 3), "slice");
  EXPECT_DEATH(bytes.Slice(6, 0), "slice");
  EXPECT_DEATH(bytes.Slice(1, SIZE_MAX), "slice");
}

}  // namespace
}  // namespace lwq
