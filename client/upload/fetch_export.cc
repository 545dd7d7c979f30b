#include "client/upload/fetch_export.h"

#include <cctype>
#include <filesystem>

#include "client/render/run_text.h"
#include "common/artifact/file_tree.h"

namespace lwq {

StatusOr<FetchedExport> FetchExport(const lwqat::v1::Run& run, ObjectStore* store, const std::string& directory,
                                    Console* console) {
  const std::string who = absl::StrCat("run ", ShortId(run.id()));
  if (!run.has_export_()) {
    return absl::FailedPreconditionError(absl::StrCat(who, " has no export (it is ", RunStateName(run.state()),
                                                      "); lwq get ", ShortId(run.id()), " says why"));
  }
  std::error_code ignored;
  if (std::filesystem::exists(directory, ignored) && !std::filesystem::is_directory(directory, ignored)) {
    return absl::InvalidArgumentError(absl::StrCat("--output ", directory, " is a file; give a directory"));
  }
  auto digest = Digest::FromHex(run.export_().digest());
  if (!digest.ok()) return Annotate(digest.status(), who);
  ArtifactStore artifacts(store);
  auto tree = FileTree::Open(&artifacts, ArtifactRef{*digest, run.export_().size_bytes()});
  if (!tree.ok()) return Annotate(tree.status(), who);
  TransferProgress progress(console, absl::StrCat("fetching ", run.spec().name(), " to ", directory));
  const Status downloaded =
      tree->Download(directory, [&](int64_t done, int64_t total) { progress.Update(done, total); });
  if (!downloaded.ok()) {
    console->ClearLive();
    return Annotate(downloaded, who);
  }
  progress.Update(run.export_().size_bytes(), run.export_().size_bytes());
  progress.Finish();
  return FetchedExport{directory, static_cast<int64_t>(tree->paths().size()), run.export_().size_bytes()};
}

std::string FolderNameOf(const std::string& run_name) {
  std::string folder = run_name;
  for (char& c : folder) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '_' && c != '-') c = '-';
  }
  const bool hidden_or_parent = folder.empty() || folder.front() == '.';
  return hidden_or_parent ? absl::StrCat("run", folder) : folder;
}

}  // namespace lwq
