// SPDX-License-Identifier: Apache-2.0
#include "worker/io/folder_lock.h"

#include <optional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"

namespace lwq {
namespace {

using ::testing::HasSubstr;

TEST(FolderLockTest, AFolderHasOneHolderAtATime) {
  const test::TemporaryDirectory folder;
  std::optional<StatusOr<UniqueFd>> first = LockFolder(folder.path(), "--cache-dir");
  ASSERT_TRUE(first->ok()) << first->status();
  const Status refused = LockFolder(folder.path(), "--cache-dir").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(std::string(MessageOf(refused)),
              HasSubstr("--cache-dir " + folder.path() + " is in use by another worker; give each worker its own"));
  first.reset();
  EXPECT_TRUE(LockFolder(folder.path(), "--cache-dir").ok());
}

TEST(FolderLockTest, AFolderThatIsNotThereIsAnError) {
  EXPECT_TRUE(absl::IsNotFound(LockFolder("/nowhere/at/all", "--cache-dir").status()));
}

}  // namespace
}  // namespace lwq
