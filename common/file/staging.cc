// SPDX-License-Identifier: Apache-2.0
#include "common/file/staging.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <ctime>

namespace lwq {
namespace {

constexpr time_t kUnlockedAgeMaxS = time_t{24} * 60 * 60;

enum class LockResult { kTaken, kHeldElsewhere, kNotSupported };

LockResult TryLock(int fd) {
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    return errno == EWOULDBLOCK ? LockResult::kHeldElsewhere : LockResult::kNotSupported;
  }
  return LockResult::kTaken;
}

int64_t NowNs() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec;
}

std::string UniqueName() {
  static std::atomic<uint64_t> counter{0};
  return absl::StrCat(NowNs(), "-", ::getpid(), "-", counter.fetch_add(1));
}

nlink_t LinkCount(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 ? info.st_nlink : 0;
}

void SweepOne(const std::string& path) {
  StatusOr<UniqueFd> fd = OpenFile(path, O_RDWR);
  if (!fd.ok()) return;
  switch (TryLock(fd->get())) {
    case LockResult::kTaken:
      ::unlink(path.c_str());
      return;
    case LockResult::kHeldElsewhere:
      return;
    case LockResult::kNotSupported: {
      struct stat info {};
      if (::fstat(fd->get(), &info) == 0 && std::time(nullptr) - info.st_mtime > kUnlockedAgeMaxS) {
        ::unlink(path.c_str());
      }
      return;
    }
  }
}

}  // namespace

StatusOr<std::unique_ptr<StagingFile>> StagingFile::Create(const std::string& directory, std::string_view prefix) {
  while (true) {
    std::string path = absl::StrCat(directory, "/", prefix, UniqueName());
    StatusOr<UniqueFd> fd = OpenFile(path, O_RDWR | O_CREAT | O_EXCL);
    if (!fd.ok()) {
      if (::access(path.c_str(), F_OK) == 0) continue;  // another host drew the same name
      return fd.status();
    }
    // A sweep may have taken the lock between creation and here; then the file is unlinked and another is made.
    if (TryLock(fd->get()) == LockResult::kHeldElsewhere || LinkCount(fd->get()) == 0) {
      ::unlink(path.c_str());
      continue;
    }
    return std::unique_ptr<StagingFile>(new StagingFile(std::move(*fd), std::move(path)));
  }
}

StagingFile::~StagingFile() {
  if (!renamed_) ::unlink(path_.c_str());
}

Status StagingFile::Append(std::span<const std::byte> data) {
  const Status written = WriteAt(fd_.get(), size_bytes_, data, path_);
  append_failed_ = append_failed_ || !written.ok();
  LWQ_RETURN_IF_ERROR(written);
  size_bytes_ += static_cast<int64_t>(data.size());
  return absl::OkStatus();
}

Status StagingFile::Seal(bool sync) {
  if (append_failed_ && ::ftruncate(fd_.get(), size_bytes_) != 0) return ErrnoStatus(errno, "truncate", path_);
  if (sync && ::fdatasync(fd_.get()) != 0) return ErrnoStatus(errno, "fsync", path_);
  return absl::OkStatus();
}

Status StagingFile::LinkTo(const std::string& path) {
  if (::link(path_.c_str(), path.c_str()) == 0) return absl::OkStatus();
  const int error = errno;
  // Over NFS a link can succeed and its answer be lost; and a repeated call finds its own name.
  if (LinkCount(fd_.get()) == 2) return absl::OkStatus();
  if (error == EEXIST) return absl::AlreadyExistsError(path);
  return ErrnoStatus(error, "link", path);
}

Status StagingFile::RenameTo(const std::string& path) {
  if (renamed_) return absl::OkStatus();
  if (::rename(path_.c_str(), path.c_str()) != 0) return ErrnoStatus(errno, "rename to", path);
  renamed_ = true;
  return absl::OkStatus();
}

void SweepStaging(const std::string& directory) {
  DIR* stream = ::opendir(directory.c_str());
  if (stream == nullptr) return;
  while (const dirent* entry = ::readdir(stream)) {
    if (entry->d_name[0] != '.') SweepOne(absl::StrCat(directory, "/", entry->d_name));
  }
  ::closedir(stream);
}

}  // namespace lwq
