// SPDX-License-Identifier: Apache-2.0
// Thin, checked POSIX file calls: what file stores, file trees and caches need, with errors as statuses.
//
// Codes: NOT_FOUND (ENOENT), RESOURCE_EXHAUSTED (memory; no space, quota or descriptors: marked as out_of_storage.h
// says), FAILED_PRECONDITION (permissions, read-only, not a folder, another file system), UNAVAILABLE (everything
// else). Messages name the path. Interrupted calls are continued. Thread-safety: any thread, as the system's calls.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "common/status/status.h"

namespace lwq {

// "<action> <path>: <the system's reason>" with the code of the table above.
Status ErrnoStatus(int error, std::string_view action, std::string_view path);

// Owns a file descriptor.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// `flags` as open(2); O_CLOEXEC is added. New files get mode 0666 less the umask.
StatusOr<UniqueFd> OpenFile(const std::string& path, int flags);
// Writes all of `data` at `offset_bytes`.
Status WriteAt(int fd, int64_t offset_bytes, std::span<const std::byte> data, std::string_view path);
// Fills all of `data` from `offset_bytes`; UNAVAILABLE when the file ends before that.
Status ReadAt(int fd, int64_t offset_bytes, std::span<std::byte> data, std::string_view path);
// Makes a folder's entries (new files, renames) survive power loss.
Status SyncDirectory(const std::string& path);
// Creates `path` and what is missing above it. No error if it exists.
Status MakeDirectories(const std::string& path);
// In bytes, of a regular file, also behind links; -1 where there is none.
int64_t SizeOfFile(const std::string& path);
// "/a/b/c" → "/a/b"; "/a" → "/"; "a" → ".".
std::string ParentDirectory(const std::string& path);

}  // namespace lwq
