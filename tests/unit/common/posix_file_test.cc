// SPDX-License-Identifier: Apache-2.0
// What the system's errors mean, and the calls that tell them.
#include "common/file/posix_file.h"

#include <fcntl.h>

#include <cerrno>
#include <string>

#include "common/status/out_of_storage.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"

namespace lwq {
namespace {

using ::testing::HasSubstr;

TEST(PosixFileTest, TheSystemsErrorsMeanWhatTheTableSays) {
  EXPECT_TRUE(absl::IsNotFound(ErrnoStatus(ENOENT, "open", "/x")));
  for (const int error : {ENOSPC, EDQUOT, EFBIG, EMFILE, ENFILE, ENOMEM}) {
    const Status status = ErrnoStatus(error, "write", "/x");
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << error;
    EXPECT_EQ(IsOutOfStorage(status), error != ENOMEM) << error;
  }
  for (const int error : {EACCES, EPERM, EROFS, ENOTDIR, EISDIR, EXDEV, ENAMETOOLONG}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(ErrnoStatus(error, "write", "/x"))) << error;
  }
  for (const int error : {EIO, ESTALE, EAGAIN, EBUSY}) {
    EXPECT_TRUE(absl::IsUnavailable(ErrnoStatus(error, "write", "/x"))) << error;
  }
  EXPECT_THAT(std::string(MessageOf(ErrnoStatus(ENOSPC, "write", "/data/x"))),
              HasSubstr("write /data/x: No space left on device; free"));
}

TEST(PosixFileTest, AFullDeviceIsResourceExhaustedWithItsPath) {
  StatusOr<UniqueFd> fd = OpenFile("/dev/full", O_WRONLY);
  ASSERT_TRUE(fd.ok()) << fd.status();
  const std::string text(100, 'x');
  const Status status = WriteAt(fd->get(), 0, std::as_bytes(std::span(text.data(), text.size())), "/dev/full");
  EXPECT_TRUE(IsOutOfStorage(status)) << status;
  EXPECT_THAT(std::string(MessageOf(status)), HasSubstr("/dev/full"));
}

TEST(PosixFileTest, ReadingBehindTheEndIsAnError) {
  const test::TemporaryDirectory folder;
  test::WriteFile(folder.path() + "/f", "12345");
  StatusOr<UniqueFd> fd = OpenFile(folder.path() + "/f", O_RDONLY);
  ASSERT_TRUE(fd.ok());
  std::string text(3, '\0');
  EXPECT_TRUE(ReadAt(fd->get(), 2, std::as_writable_bytes(std::span(text.data(), text.size())), "f").ok());
  EXPECT_EQ(text, "345");
  EXPECT_TRUE(
      absl::IsUnavailable(ReadAt(fd->get(), 3, std::as_writable_bytes(std::span(text.data(), text.size())), "f")));
}

TEST(PosixFileTest, FoldersAreMadeToAnyDepthOnceAndNotThroughFiles) {
  const test::TemporaryDirectory folder;
  const std::string deep = folder.path() + "/a/b/c";
  EXPECT_TRUE(MakeDirectories(deep).ok());
  EXPECT_TRUE(MakeDirectories(deep).ok());
  test::WriteFile(deep + "/file", "x");
  EXPECT_TRUE(absl::IsFailedPrecondition(MakeDirectories(deep + "/file")));
  EXPECT_TRUE(absl::IsFailedPrecondition(MakeDirectories(deep + "/file/below")));
  EXPECT_EQ(ParentDirectory("/a/b"), "/a");
  EXPECT_EQ(ParentDirectory("/a"), "/");
  EXPECT_EQ(ParentDirectory("a"), ".");
}

}  // namespace
}  // namespace lwq
