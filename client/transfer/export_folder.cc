// SPDX-License-Identifier: Apache-2.0
#include "client/transfer/export_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "common/bytes/bytes.h"
#include "common/file/posix_file.h"
#include "common/file/staging.h"
#include "reporting/model_card.h"

namespace lwq::client {
namespace {

namespace fs = std::filesystem;

constexpr char kFilledByAFetch[] = "layer_statistics.json";

class ExportFolder : public ExportPlace {
 public:
  explicit ExportFolder(std::string directory) : directory_(std::move(directory)) {}

  const std::string& name() const override { return directory_; }
  Status Prepare(const FileTree* tree, const ExportReports& reports) override;
  Status WriteReport(const std::string& report, const std::string& text) override {
    return client::WriteReport(absl::StrCat(directory_, "/", report), text);
  }
  Status WriteTree(const Progress& progress) override { return tree_->Download(directory_, progress); }

 private:
  Status CheckNoOtherCard() const;

  const std::string directory_;
  const FileTree* tree_ = nullptr;
};

// Removes what an earlier fetch left and the new tree does not replace. A folder without statistics was not filled by a
// fetch, and may hold a model of the user's.
Status ExportFolder::Prepare(const FileTree* tree, const ExportReports& reports) {
  tree_ = tree;
  std::error_code error;
  if (tree == nullptr) return absl::OkStatus();
  if (!fs::exists(fs::path(directory_) / kFilledByAFetch, error)) {
    return reports.contains(reporting::kModelCardFile) ? CheckNoOtherCard() : absl::OkStatus();
  }
  std::vector<fs::path> stale;
  for (fs::directory_iterator it(directory_, error), end; !error && it != end; it.increment(error)) {
    const std::string file = it->path().filename().string();
    std::error_code ignored;
    if (BelongsToAnExport(file) && !tree->Contains(file) && !it->is_directory(ignored)) stale.push_back(it->path());
  }
  for (const fs::path& path : stale) {
    if (!error) fs::remove(path, error);
  }
  if (!error) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the earlier export in ", directory_, " cannot be removed: ", error.message()));
}

// What somebody wrote about what is in the folder.
Status ExportFolder::CheckNoOtherCard() const {
  const std::string path = absl::StrCat(directory_, "/", reporting::kModelCardFile);
  if (SizeOfFile(path) <= 0) return absl::OkStatus();
  LWQ_ASSIGN_OR_RETURN(const Bytes card, Bytes::MapFile(path));
  if (reporting::IsModelCard(card.view())) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(path, " is no export's, and the export brings its own; give another folder, or move it away"));
}

// To a device, a pipe or what a link leads to: a file under that name would take its place.
Status WriteThrough(const std::string& path, std::string_view text) {
  LWQ_ASSIGN_OR_RETURN(const UniqueFd fd, OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC));
  while (!text.empty()) {
    const ssize_t written = ::write(fd.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, "write", path);
    text.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::unique_ptr<ExportPlace>> OpenExportFolder(const std::string& directory) {
  std::error_code ignored;
  if (fs::exists(directory, ignored) && !fs::is_directory(directory, ignored)) {
    return absl::InvalidArgumentError(absl::StrCat("--output ", directory, " is a file; give a directory"));
  }
  return std::make_unique<ExportFolder>(directory);
}

Status WriteReport(const std::string& path, const std::string& text) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) return WriteThrough(path, text);
  const std::string folder = ParentDirectory(path);
  LWQ_RETURN_IF_ERROR(MakeDirectories(folder));
  LWQ_ASSIGN_OR_RETURN(const std::unique_ptr<StagingFile> out, StagingFile::Create(folder, ".partial-"));
  LWQ_RETURN_IF_ERROR(out->Append(std::as_bytes(std::span(text.data(), text.size()))));
  LWQ_RETURN_IF_ERROR(out->Seal(/*sync=*/false));
  return out->RenameTo(path);
}

}  // namespace lwq::client
