// SPDX-License-Identifier: Apache-2.0
#include "client/transfer/request_lines.h"

#include <filesystem>

#include "common/artifact/file_tree.h"
#include "common/eval_tasks/request_dump.h"
#include "common/file/staging.h"

namespace lwq::client {
namespace {

namespace fs = std::filesystem;

std::string FolderOf(const std::string& path) {
  const fs::path parent = fs::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

StatusOr<std::vector<ArtifactRef>> LinesOf(const lwqat::v1::Run& run) {
  std::vector<ArtifactRef> lines;
  for (const auto& task : run.tasks()) {
    const auto output = task.outputs().find("lines");
    if (task.kind() != "reduce_accuracy" || output == task.outputs().end()) continue;
    ArtifactRef artifact{.digest = {}, .size_bytes = output->second.size_bytes()};
    LWQ_ASSIGN_OR_RETURN(artifact.digest, Digest::FromHex(output->second.digest()));
    lines.push_back(artifact);
  }
  if (lines.empty())
    return absl::FailedPreconditionError("the run has no zero-shot task whose requests could be listed");
  return lines;
}

}  // namespace

Status CheckLinesPlace(const std::string& path) {
  std::error_code ignored;
  if (!fs::is_directory(FolderOf(path), ignored)) {
    return absl::InvalidArgumentError(absl::StrCat("there is no folder ", FolderOf(path), " for ", path));
  }
  if (fs::is_directory(path, ignored))
    return absl::InvalidArgumentError(absl::StrCat(path, " is a folder; name a file"));
  return absl::OkStatus();
}

Status FetchRequestLines(const lwqat::v1::Run& run, ObjectStore* objects, const std::string& path) {
  LWQ_ASSIGN_OR_RETURN(const std::vector<ArtifactRef> artifacts, LinesOf(run));
  ArtifactStore store(objects);
  LWQ_ASSIGN_OR_RETURN(const auto file, StagingFile::Create(FolderOf(path), ".lwq-requests-"));
  for (const ArtifactRef& artifact : artifacts) {
    LWQ_ASSIGN_OR_RETURN(const FileTree tree, FileTree::Open(&store, artifact));
    LWQ_ASSIGN_OR_RETURN(const Bytes lines, tree.ReadAll(kDumpInTree));
    LWQ_RETURN_IF_ERROR(file->Append({lines.data(), lines.size()}));
  }
  LWQ_RETURN_IF_ERROR(file->Seal(/*sync=*/false));
  return file->RenameTo(path);
}

}  // namespace lwq::client
