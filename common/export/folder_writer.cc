// SPDX-License-Identifier: Apache-2.0
#include "common/export/folder_writer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <utility>

namespace lwq::qat {
namespace {

namespace fs = std::filesystem;

Status CheckIsFree(const std::string& folder) {
  std::error_code error;
  const fs::file_status found = fs::status(folder, error);
  if (found.type() == fs::file_type::not_found) return absl::OkStatus();
  if (found.type() != fs::file_type::directory) {
    return absl::FailedPreconditionError(absl::StrCat(folder, " is there and is no folder; give another"));
  }
  if (fs::is_empty(folder, error) && !error) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(folder, " is not empty; give a folder of its own"));
}

// Without separators at its end, which would make its parent itself.
std::string WithoutTrailingSlashes(std::string folder) {
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  return folder;
}

}  // namespace

StatusOr<std::unique_ptr<FolderWriter>> FolderWriter::Create(const std::string& folder) {
  const std::string target = WithoutTrailingSlashes(folder);
  LWQ_RETURN_IF_ERROR(CheckIsFree(target));
  const std::string parent = ParentDirectory(target);
  LWQ_RETURN_IF_ERROR(MakeDirectories(parent));
  std::string staging = absl::StrCat(parent, "/.", fs::path(target).filename().string(), ".partial-XXXXXX");
  if (::mkdtemp(staging.data()) == nullptr) return ErrnoStatus(errno, "make folder", staging);
  // mkdtemp keeps others out; the export is for whom the umask lets in.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  ::chmod(staging.c_str(), 0777 & ~mask);
  return std::unique_ptr<FolderWriter>(new FolderWriter(target, std::move(staging)));
}

FolderWriter::~FolderWriter() {
  if (committed_) return;
  std::error_code ignored;
  fs::remove_all(staging_, ignored);
}

Status FolderWriter::Begin(const std::string& path) {
  if (!begun_.insert(path).second) return absl::InvalidArgumentError(absl::StrCat("file ", path, " is written twice"));
  path_ = absl::StrCat(staging_, "/", path);
  LWQ_RETURN_IF_ERROR(MakeDirectories(ParentDirectory(path_)));
  LWQ_ASSIGN_OR_RETURN(file_, OpenFile(path_, O_WRONLY | O_CREAT | O_EXCL));
  file_bytes_ = 0;
  return absl::OkStatus();
}

Status FolderWriter::Write(std::span<const std::byte> data) {
  LWQ_CHECK(static_cast<bool>(file_), "Write without Begin");
  LWQ_RETURN_IF_ERROR(WriteAt(file_.get(), file_bytes_, data, path_));
  file_bytes_ += static_cast<int64_t>(data.size());
  total_bytes_ += static_cast<int64_t>(data.size());
  return absl::OkStatus();
}

Status FolderWriter::Commit() {
  file_ = UniqueFd();
  LWQ_RETURN_IF_ERROR(CheckIsFree(folder_));
  if (::rename(staging_.c_str(), folder_.c_str()) != 0) return ErrnoStatus(errno, "rename folder to", folder_);
  committed_ = true;
  return absl::OkStatus();
}

}  // namespace lwq::qat
