// SPDX-License-Identifier: Apache-2.0
#include "client/local/state_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "client/base/format.h"
#include "common/file/small_file.h"

namespace lwq::client {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFolders[] = {"coordinator", "objects", "logs", "requests"};

}  // namespace

StatusOr<std::string> ReadNote(const std::string& path) {
  LWQ_ASSIGN_OR_RETURN(const std::string content, ReadSmallFile(path));
  return OneLine(content);
}

Status WriteNote(const std::string& path, const std::string& content) {
  const std::string staging = path + ".new";
  std::ofstream file(staging, std::ios::binary | std::ios::trunc);
  file << content << '\n';
  file.close();
  std::error_code error;
  if (file.good()) fs::rename(staging, path, error);
  if (!file.good() || error) return absl::UnavailableError(absl::StrCat("cannot write ", path, "; is the disk full?"));
  return absl::OkStatus();
}

StatusOr<std::unique_ptr<StateDirectory>> StateDirectory::OpenAt(const std::string& path, bool temporary) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error).lexically_normal();
  const fs::path directory = absolute.has_filename() ? absolute : absolute.parent_path();
  for (const char* folder : kFolders) {
    fs::create_directories(directory / folder, error);
    if (error) {
      return absl::InvalidArgumentError(
          absl::StrCat("state directory ", path, " cannot be made: ", error.message(), "; give another --state"));
    }
  }
  const std::string lock_path = (directory / "lock").string();
  const int lock_fd = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_fd < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("state directory ", path, " cannot be used: ", std::strerror(errno), "; give another --state"));
  }
  if (flock(lock_fd, LOCK_EX | LOCK_NB) != 0) {
    close(lock_fd);
    const auto holder = ReadNote(lock_path);
    const std::string who = holder.ok() && !holder->empty() ? absl::StrCat(" (pid ", *holder, ")") : "";
    return absl::FailedPreconditionError(absl::StrCat("state directory ", path, " is in use by another lwq", who,
                                                      "; wait for it or give another --state"));
  }
  const std::string pid = absl::StrCat(getpid(), "\n");
  const bool written =
      ftruncate(lock_fd, 0) == 0 && write(lock_fd, pid.data(), pid.size()) == static_cast<ssize_t>(pid.size());
  if (!written) {
    close(lock_fd);
    return absl::UnavailableError(absl::StrCat("cannot write ", lock_path, "; is the disk full?"));
  }
  return std::unique_ptr<StateDirectory>(new StateDirectory(directory.string(), lock_fd, temporary));
}

StatusOr<std::unique_ptr<StateDirectory>> StateDirectory::Open(const std::string& path) {
  return OpenAt(path, false);
}

bool StateDirectory::Exists(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(fs::path(path) / "coordinator", ignored) &&
         fs::is_directory(fs::path(path) / "objects", ignored);
}

StatusOr<std::unique_ptr<StateDirectory>> StateDirectory::OpenTemporary() {
  std::error_code error;
  std::string pattern = (fs::temp_directory_path(error) / "lwq-XXXXXX").string();
  if (error || mkdtemp(pattern.data()) == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("cannot make a temporary folder ", pattern, "; set TMPDIR to a writable one"));
  }
  return OpenAt(pattern, true);
}

StateDirectory::~StateDirectory() {
  RemoveIfTemporary();
  close(lock_fd_);
}

void StateDirectory::RemoveIfTemporary() const {
  std::error_code ignored;
  if (temporary_) fs::remove_all(path_, ignored);
}

StatusOr<std::string> StateDirectory::AddressOfHolder(const std::string& path) {
  const int lock_fd = open((fs::path(path) / "lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (lock_fd < 0) return absl::NotFoundError(absl::StrCat("nobody uses the state directory ", path));
  const bool is_free = flock(lock_fd, LOCK_SH | LOCK_NB) == 0;
  close(lock_fd);  // gives it up again
  if (is_free) return absl::NotFoundError(absl::StrCat("nobody uses the state directory ", path));
  return ReadNote((fs::path(path) / "coordinator" / "address").string());
}

}  // namespace lwq::client
