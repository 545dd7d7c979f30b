// SPDX-License-Identifier: Apache-2.0
#include "client/transfer/fetch_export.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <filesystem>

#include "common/artifact/file_tree.h"
#include "common/file/posix_file.h"
#include "common/file/staging.h"
#include "reporting/json_text.h"
#include "reporting/layer_results.h"
#include "reporting/recipe_words.h"
#include "reporting/run_facts.h"
#include "reporting/sensitivity_results.h"

namespace lwq::client {
namespace {

namespace fs = std::filesystem;

constexpr char kLayerStatistics[] = "layer_statistics.json";
constexpr char kSensitivityResults[] = "sensitivity_results_";

// Files of an export that a reader would take for a part of the next one in the same folder.
bool BelongsToAnExport(const std::string& name) {
  return name == "quantize_config.json" || name == "model.safetensors.index.json" || name.ends_with(".safetensors") ||
         name == "chat_template.jinja" || (name.starts_with(kSensitivityResults) && name.ends_with(".json"));
}

// Removes what an earlier fetch left and the new tree does not replace. A folder without statistics was not filled by a
// fetch, and may hold a model of the user's.
Status RemoveEarlierExport(const std::string& directory, const FileTree& tree) {
  std::error_code error;
  if (!fs::exists(fs::path(directory) / kLayerStatistics, error)) return absl::OkStatus();
  std::vector<fs::path> stale;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    if (BelongsToAnExport(name) && !tree.Contains(name) && !it->is_directory(ignored)) stale.push_back(it->path());
  }
  for (const fs::path& path : stale) {
    if (!error) fs::remove(path, error);
  }
  if (!error) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the earlier export in ", directory, " cannot be removed: ", error.message()));
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

Status WriteReports(const lwqat::v1::Run& run, FetchedExport* fetched) {
  const auto write = [&](const std::string& name, const Json& content) {
    fetched->reports.push_back(name);
    return WriteReport(absl::StrCat(fetched->directory, "/", name), reporting::PrettyJson(content));
  };
  const bool measured_only = reporting::MethodOf(run.plan().recipe()) == Method::kSensitivity;
  if (!run.plan().blocks().empty() && !measured_only) {
    LWQ_RETURN_IF_ERROR(write(kLayerStatistics, reporting::LayerStatistics(run)));
  }
  if (run.sensitivity().empty()) return absl::OkStatus();
  LWQ_ASSIGN_OR_RETURN(const Json results, reporting::SensitivityResults(run));
  return write(reporting::SensitivityFileName(run), results);
}

Status DownloadExport(const lwqat::v1::Run& run, ObjectStore* store, Console* console, FetchedExport* fetched) {
  LWQ_ASSIGN_OR_RETURN(const Digest digest, Digest::FromHex(run.export_().digest()));
  ArtifactStore artifacts(store);
  LWQ_ASSIGN_OR_RETURN(const auto tree, FileTree::Open(&artifacts, ArtifactRef{digest, run.export_().size_bytes()}));
  LWQ_RETURN_IF_ERROR(RemoveEarlierExport(fetched->directory, tree));
  LWQ_RETURN_IF_ERROR(WriteReports(run, fetched));  // first: they tell the next fetch whose files these are
  TransferProgress progress(console, absl::StrCat("fetching ", run.spec().name(), " to ", fetched->directory));
  const Status downloaded =
      tree.Download(fetched->directory, [&](int64_t done, int64_t total) { progress.Update(done, total); });
  if (!downloaded.ok()) {
    console->ClearLive();
    return downloaded;
  }
  progress.Update(run.export_().size_bytes(), run.export_().size_bytes());
  progress.Finish();
  fetched->files = static_cast<int64_t>(tree.paths().size());
  fetched->size_bytes = run.export_().size_bytes();
  return absl::OkStatus();
}

}  // namespace

bool HasResults(const lwqat::v1::Run& run) {
  const bool found = !run.plan().blocks().empty() || !run.sensitivity().empty();
  return run.has_export_() || (run.state() == lwqat::v1::RUN_STATE_SUCCEEDED && found);
}

StatusOr<FetchedExport> FetchExport(const lwqat::v1::Run& run, ObjectStore* store, const std::string& directory,
                                    Console* console) {
  const std::string who = absl::StrCat("run ", reporting::ShortId(run.id()));
  if (!HasResults(run)) {
    return absl::FailedPreconditionError(absl::StrCat(who, " has no export (it is ",
                                                      reporting::RunStateName(run.state()), "); lwq get ",
                                                      reporting::ShortId(run.id()), " says why"));
  }
  std::error_code ignored;
  if (fs::exists(directory, ignored) && !fs::is_directory(directory, ignored)) {
    return absl::InvalidArgumentError(absl::StrCat("--output ", directory, " is a file; give a directory"));
  }
  FetchedExport fetched;
  fetched.directory = directory;
  LWQ_RETURN_IF_ERROR(run.has_export_() ? Annotate(DownloadExport(run, store, console, &fetched), who)
                                        : WriteReports(run, &fetched));
  return fetched;
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

std::string FolderNameOf(const std::string& run_name) {
  std::string folder = run_name;
  for (char& c : folder) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 && !std::isalnum(byte) && c != '.' && c != '_' && c != '-') c = '-';
  }
  const bool hidden_or_flag = folder.empty() || folder.front() == '.' || folder.front() == '-';
  return hidden_or_flag ? absl::StrCat("run", folder) : folder;
}

}  // namespace lwq::client
