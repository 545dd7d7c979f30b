// SPDX-License-Identifier: Apache-2.0
#include "common/download/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

namespace lwq {
namespace {

constexpr absl::Duration kLockPoll = absl::Milliseconds(100);

}  // namespace

StatusOr<FileLock> FileLock::Take(const std::string& path, const RetryWait& wait) {
  LWQ_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(path, O_RDWR | O_CREAT));
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) break;
    LWQ_RETURN_IF_ERROR(wait(kLockPoll));
  }
  return FileLock(std::move(fd));
}

}  // namespace lwq
