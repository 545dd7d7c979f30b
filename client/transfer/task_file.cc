// SPDX-License-Identifier: Apache-2.0
#include "client/transfer/task_file.h"

#include <filesystem>

#include "common/bytes/bytes.h"
#include "common/eval_tasks/item_file.h"

namespace lwq::client {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kWhat = "eval_tasks";

Status CheckIsFile(std::string_view task, const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    const std::string hint = path == task ? absl::StrCat("; give the file of its items: ", task, "=FILE") : "";
    return absl::NotFoundError(absl::StrCat(kWhat, ": no such file: ", path, hint));
  }
  if (!fs::is_regular_file(status)) {
    return absl::InvalidArgumentError(
        absl::StrCat(kWhat, ": ", path, " is not a file; give the .jsonl, .json or .parquet of ", task));
  }
  if (fs::file_size(path, error) == 0 || error) {
    return absl::InvalidArgumentError(absl::StrCat(kWhat, ": ", path, " is empty"));
  }
  return absl::OkStatus();
}

// "valid.jsonl" → "valid-labels.lst", where there is such a file.
std::string LabelsBeside(const fs::path& path) {
  const fs::path labels = path.parent_path() / absl::StrCat(path.stem().string(), "-labels.lst");
  std::error_code ignored;
  return fs::is_regular_file(labels, ignored) ? labels.string() : "";
}

}  // namespace

StatusOr<std::map<std::string, std::string>> InspectTaskFile(std::string_view task, const std::string& path) {
  const EvalTask* eval_task = FindEvalTask(task);
  LWQ_CHECK(eval_task != nullptr, "no task ", task);
  LWQ_RETURN_IF_ERROR(CheckIsFile(task, path));
  StatusOr<std::string> name = ItemsNameInTree(path);
  if (!name.ok()) return Annotate(name.status(), kWhat);
  LWQ_ASSIGN_OR_RETURN(const Bytes contents, Bytes::MapFile(path));
  ItemFile file{.name = path, .contents = contents.view()};
  std::map<std::string, std::string> tree{{*name, path}};
  Bytes labels;
  if (eval_task->has_labels_file) file.labels_name = LabelsBeside(path);
  if (!file.labels_name.empty()) {
    LWQ_ASSIGN_OR_RETURN(labels, Bytes::MapFile(file.labels_name));
    file.labels = labels.view();
    tree.emplace(kLabelsInTree, file.labels_name);
  }
  const StatusOr<std::vector<EvalItem>> items = ReadEvalItems(*eval_task, file, /*limit=*/0);
  if (!items.ok()) return Annotate(items.status(), absl::StrCat(kWhat, ": ", task));
  return tree;
}

}  // namespace lwq::client
