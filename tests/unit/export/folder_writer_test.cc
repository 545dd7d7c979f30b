// SPDX-License-Identifier: Apache-2.0
#include "common/export/folder_writer.h"

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fixtures/whole_file.h"

namespace lwq::qat {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;

class FolderWriterTest : public ::testing::Test {
 protected:
  FolderWriterTest()
      : root_(::testing::TempDir() + "/folder_writer_" +
              ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  ~FolderWriterTest() override { fs::remove_all(root_); }
  size_t Entries() const { return static_cast<size_t>(std::distance(fs::directory_iterator(root_), {})); }

  const std::string root_;
};

TEST_F(FolderWriterTest, NothingIsSeenBeforeTheFolderIsWholeAndThenEverything) {
  const auto writer = FolderWriter::Create(root_ + "/new/out/");
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE((*writer)->Add("a.txt", "first").ok());
  ASSERT_TRUE((*writer)->Begin("folder/b.txt").ok());
  ASSERT_TRUE((*writer)->Write(std::string_view("sec")).ok());
  ASSERT_TRUE((*writer)->Write(std::string_view("ond")).ok());
  EXPECT_FALSE(fs::exists(root_ + "/new/out"));
  EXPECT_EQ((*writer)->total_bytes(), 11);
  ASSERT_TRUE((*writer)->Commit().ok());
  EXPECT_EQ(*ReadWholeFile(root_ + "/new/out/a.txt"), "first");
  EXPECT_EQ(*ReadWholeFile(root_ + "/new/out/folder/b.txt"), "second");
}

TEST_F(FolderWriterTest, OneThatIsGivenUpLeavesNothing) {
  {
    const auto writer = FolderWriter::Create(root_ + "/out");
    ASSERT_TRUE((*writer)->Add("a.txt", "first").ok());
    EXPECT_EQ(Entries(), 1u);
  }
  EXPECT_EQ(Entries(), 0u);
}

TEST_F(FolderWriterTest, WhatIsThereIsNotTouched) {
  fs::create_directories(root_ + "/out");
  ASSERT_TRUE(WriteWholeFile(root_ + "/out/mine", "mine").ok());
  const auto refused = FolderWriter::Create(root_ + "/out");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(MessageOf(refused.status())), HasSubstr("not empty"));
  EXPECT_EQ(FolderWriter::Create(root_ + "/out/mine").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(*ReadWholeFile(root_ + "/out/mine"), "mine");
}

TEST_F(FolderWriterTest, AFileIsWrittenOnce) {
  const auto writer = FolderWriter::Create(root_ + "/out");
  ASSERT_TRUE((*writer)->Add("a.txt", "first").ok());
  EXPECT_EQ((*writer)->Add("a.txt", "again").code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace lwq::qat
