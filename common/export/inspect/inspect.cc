// SPDX-License-Identifier: Apache-2.0
#include "common/export/inspect/inspect.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include "common/artifact/safetensors.h"
#include "common/export/inspect/inspect_folder.h"
#include "common/export/inspect/inspect_gguf.h"

namespace lwq::qat {
namespace {

namespace fs = std::filesystem;

Inspection InspectSafetensors(const std::string& path) {
  Inspection found;
  found.path = path;
  found.format = "safetensors";
  found.recognised_by = "the file's name";
  found.checks = {"header: length, offsets, sizes"};
  found.remarks = {"without config.json its tensors cannot be checked against a model: give the folder"};
  const StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
  if (!file.ok()) {
    found.AddFault(std::string(MessageOf(file.status())));
    return found;
  }
  for (const auto& [name, entry] : file->header().tensors) {
    found.bytes[std::string(entry.dtype_name())] += entry.end_bytes - entry.begin_bytes;
  }
  return found;
}

// Names at the top of the folder that end so.
std::vector<std::string> FilesEnding(const fs::path& folder, std::string_view ending) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    if (name.ends_with(ending) && !name.starts_with('.')) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

StatusOr<Inspection> InspectDirectory(const fs::path& folder, const std::function<Status()>& go_on) {
  std::error_code ignored;
  const bool has_config = fs::is_regular_file(folder / "config.json", ignored);
  const bool has_index = fs::is_regular_file(folder / "model.safetensors.index.json", ignored);
  if (has_config || has_index || !FilesEnding(folder, ".safetensors").empty()) {
    return InspectFolder(folder.string(), go_on);
  }
  const std::vector<std::string> files = FilesEnding(folder, ".gguf");
  if (files.size() == 1) return InspectGguf((folder / files.front()).string(), go_on);
  if (files.size() > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(folder.string(), " holds several GGUF files (", Named(files), "); give one of them"));
  }
  return absl::NotFoundError(
      absl::StrCat(folder.string(), " holds no config.json, no *.safetensors and no *.gguf: it is no exported model"));
}

}  // namespace

StatusOr<Inspection> InspectExport(const std::string& path, const std::function<Status()>& go_on) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return absl::NotFoundError(absl::StrCat(path, ": no such file or folder"));
  if (fs::is_directory(path, ignored)) return InspectDirectory(path, go_on);
  if (path.ends_with(".gguf")) return InspectGguf(path, go_on);
  if (path.ends_with(".safetensors")) return InspectSafetensors(path);
  return absl::InvalidArgumentError(
      absl::StrCat(path, " is no model: give a folder, a *.gguf or a *.safetensors file"));
}

}  // namespace lwq::qat
