// SPDX-License-Identifier: Apache-2.0
#include "common/file/posix_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/status/out_of_storage.h"

namespace lwq {

Status ErrnoStatus(int error, std::string_view action, std::string_view path) {
  const std::string message = absl::StrCat(action, " ", path, ": ", std::strerror(error));
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(message);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return OutOfStorageError(absl::StrCat(message, "; free disk space or choose another folder"));
    case EMFILE:
    case ENFILE:
      return OutOfStorageError(message);
    case ENOMEM:
      return absl::ResourceExhaustedError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::FailedPreconditionError(absl::StrCat(message, "; check owner and mode of the folder"));
    case ENOTDIR:
    case EISDIR:
    case EXDEV:
    case ENAMETOOLONG:
    case EOPNOTSUPP:
      return absl::FailedPreconditionError(message);
    default:
      return absl::UnavailableError(message);
  }
}

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) ::close(fd_);
}

StatusOr<UniqueFd> OpenFile(const std::string& path, int flags) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return ErrnoStatus(errno, "open", path);
  return UniqueFd(fd);
}

Status WriteAt(int fd, int64_t offset_bytes, std::span<const std::byte> data, std::string_view path) {
  while (!data.empty()) {
    const ssize_t written = ::pwrite(fd, data.data(), data.size(), offset_bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, "write", path);
    data = data.subspan(static_cast<size_t>(written));
    offset_bytes += written;
  }
  return absl::OkStatus();
}

Status ReadAt(int fd, int64_t offset_bytes, std::span<std::byte> data, std::string_view path) {
  while (!data.empty()) {
    const ssize_t got = ::pread(fd, data.data(), data.size(), offset_bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read", path);
    if (got == 0) {
      return absl::UnavailableError(absl::StrCat("read ", path, ": the file ends at ", offset_bytes, " bytes"));
    }
    data = data.subspan(static_cast<size_t>(got));
    offset_bytes += got;
  }
  return absl::OkStatus();
}

Status SyncDirectory(const std::string& path) {
  LWQ_ASSIGN_OR_RETURN(const UniqueFd fd, OpenFile(path, O_RDONLY | O_DIRECTORY));
  if (::fsync(fd.get()) != 0) return ErrnoStatus(errno, "fsync", path);
  return absl::OkStatus();
}

Status MakeDirectories(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) {
    return S_ISDIR(info.st_mode) ? absl::OkStatus() : ErrnoStatus(ENOTDIR, "create folder", path);
  }
  if (errno != ENOENT) return ErrnoStatus(errno, "create folder", path);
  const std::string parent = ParentDirectory(path);
  if (parent != path) LWQ_RETURN_IF_ERROR(MakeDirectories(parent));
  if (::mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) return ErrnoStatus(errno, "create folder", path);
  return absl::OkStatus();
}

int64_t SizeOfFile(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) ? info.st_size : -1;
}

std::string ParentDirectory(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace lwq
