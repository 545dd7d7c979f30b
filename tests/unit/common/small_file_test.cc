// SPDX-License-Identifier: Apache-2.0
// Small files are read whole, and nothing large is read by mistake.
#include "common/file/small_file.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"

namespace lwq {
namespace {

using ::testing::HasSubstr;

TEST(SmallFileTest, AFileIsReadWholeWithEveryByte) {
  const test::TemporaryDirectory folder;
  std::string content(100'000, 'x');
  content[50'000] = '\0';
  content += "\r\n";
  test::WriteFile(folder.path() + "/f", content);
  EXPECT_EQ(ReadSmallFile(folder.path() + "/f").value(), content);
  test::WriteFile(folder.path() + "/empty", "");
  EXPECT_EQ(ReadSmallFile(folder.path() + "/empty").value(), "");
}

TEST(SmallFileTest, WhatIsMissingOrAFolderIsRefusedByName) {
  const test::TemporaryDirectory folder;
  const auto missing = ReadSmallFile(folder.path() + "/missing");
  EXPECT_TRUE(absl::IsNotFound(missing.status())) << missing.status();
  EXPECT_THAT(std::string(MessageOf(missing.status())), HasSubstr("/missing: No such file"));
  EXPECT_TRUE(absl::IsFailedPrecondition(ReadSmallFile(folder.path()).status()));
}

TEST(SmallFileTest, AFileAboveTheBoundIsRefusedEvenWhereItHasNoEnd) {
  const test::TemporaryDirectory folder;
  test::WriteFile(folder.path() + "/f", "12345");
  EXPECT_EQ(ReadSmallFile(folder.path() + "/f", 5).value(), "12345");
  EXPECT_TRUE(absl::IsInvalidArgument(ReadSmallFile(folder.path() + "/f", 4).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ReadSmallFile("/dev/zero").status()));
}

}  // namespace
}  // namespace lwq
