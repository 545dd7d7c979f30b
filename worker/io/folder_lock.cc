// SPDX-License-Identifier: Apache-2.0
#include "worker/io/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

namespace lwq {

StatusOr<UniqueFd> LockFolder(const std::string& directory, std::string_view what) {
  const std::string path = absl::StrCat(directory, "/lock");
  LWQ_ASSIGN_OR_RETURN(UniqueFd lock, OpenFile(path, O_RDWR | O_CREAT));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return ErrnoStatus(errno, "lock", path);
  return absl::FailedPreconditionError(
      absl::StrCat(what, " ", directory, " is in use by another worker; give each worker its own"));
}

}  // namespace lwq
