// SPDX-License-Identifier: Apache-2.0
#include "client/transfer/companion_files.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/base/format.h"
#include "common/text/one_line.h"

namespace lwq::client {
namespace {

namespace fs = std::filesystem;

constexpr char kChatTemplates[] = "additional_chat_templates";
constexpr std::array<std::string_view, 24> kWeightEndings = {
    ".safetensors", ".bin",  ".pt",  ".pth", ".ckpt",      ".gguf",    ".ggml",       ".h5",
    ".msgpack",     ".onnx", ".pb",  ".ot",  ".tflite",    ".npz",     ".npy",        ".pkl",
    ".pickle",      ".zip",  ".tar", ".gz",  ".onnx_data", ".mlmodel", ".index.json", ".llamafile"};
constexpr std::array<std::string_view, 4> kNotTheModels = {"adapter_config.json", "layer_statistics.json",
                                                           "quantize_config.json", "quant_config.json"};
constexpr size_t kNamed = 3;

struct Candidate {
  std::string name;  // inside the folder
  fs::path path;
  int64_t size_bytes = 0;
};

bool IsOfTheModel(const std::string& name) {
  const std::string lower = absl::AsciiStrToLower(name);
  if (lower.empty() || lower.front() == '.' || lower.front() == '~' || lower.back() == '~') return false;
  if (lower.starts_with("sensitivity_results_")) return false;
  const auto ends = [&](std::string_view ending) { return lower.ends_with(ending); };
  return std::none_of(kWeightEndings.begin(), kWeightEndings.end(), ends) &&
         std::find(kNotTheModels.begin(), kNotTheModels.end(), lower) == kNotTheModels.end();
}

// What a file tree takes as a path.
bool CanBeStored(const std::string& name) {
  return lwq::OneLine(name, name.size()) == name && name.find('\\') == std::string::npos;
}

bool IsInside(const fs::path& path, const fs::path& folder) {
  const auto [in_folder, ignored] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return !folder.empty() && in_folder == folder.end();
}

class Finder {
 public:
  Finder(const std::string& directory, const std::set<std::string>& taken) : root_(directory), taken_(taken) {
    std::error_code ignored;
    real_root_ = fs::canonical(root_, ignored);
    // <cache>/models--org--name/snapshots/<revision>, whose files are links to <cache>/models--org--name/blobs.
    const fs::path snapshots = real_root_.parent_path();
    if (snapshots.filename() == "snapshots") blobs_ = snapshots.parent_path() / "blobs";
  }

  CompanionFiles Find(int64_t most_bytes) {
    Look(root_, "");
    std::error_code ignored;
    if (const fs::path templates = root_ / kChatTemplates; fs::is_directory(templates, ignored)) {
      Look(templates, absl::StrCat(kChatTemplates, "/"));
    }
    CompanionFiles found;
    if (!outside_.empty()) {
      found.notes.push_back(absl::StrCat(Named(outside_), outside_.size() == 1 ? " is a link" : " are links",
                                         " to outside of the model's folder and will not be in the export; copy what "
                                         "belongs to the model there"));
    }
    if (!unreadable_.empty()) {
      found.notes.push_back(absl::StrCat(
          Named(unreadable_), " will not be in the export: it cannot be read, or its name is no plain text"));
    }
    std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
      return std::tie(a.size_bytes, a.name) < std::tie(b.size_bytes, b.name);
    });
    int64_t bytes = 0;
    std::vector<std::string> left;
    for (const Candidate& candidate : candidates_) {
      bytes += candidate.size_bytes;
      if (bytes > most_bytes) {
        left.push_back(candidate.name);
      } else {
        found.files.emplace(candidate.name, candidate.path.string());
      }
    }
    if (!left.empty()) {
      found.notes.push_back(absl::StrCat(Named(left), " will not be in the export: of files that are not weights ",
                                         FormatBytes(most_bytes), " are taken along"));
    }
    return found;
  }

 private:
  void Look(const fs::path& folder, const std::string& prefix) {
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
      const std::string name = it->path().filename().string();
      const std::string in_tree = absl::StrCat(prefix, name);
      std::error_code ignored;
      if (!IsOfTheModel(name) || taken_.contains(in_tree) || !fs::is_regular_file(it->path(), ignored)) continue;
      const fs::path real = fs::canonical(it->path(), ignored);
      const auto size_bytes = fs::file_size(real, ignored);
      if (!IsInside(real, real_root_) && !IsInside(real, blobs_)) {
        outside_.push_back(in_tree);
      } else if (!CanBeStored(in_tree) || access(real.c_str(), R_OK) != 0) {
        unreadable_.push_back(in_tree);
      } else {
        candidates_.push_back({in_tree, it->path(), static_cast<int64_t>(size_bytes)});
      }
    }
  }

  // "a, b, c and 4 more"
  static std::string Named(std::vector<std::string> names) {
    std::sort(names.begin(), names.end());
    const size_t named = std::min(kNamed, names.size());
    std::string text = absl::StrJoin(names.begin(), names.begin() + static_cast<ptrdiff_t>(named), ", ");
    if (names.size() > named) absl::StrAppend(&text, " and ", names.size() - named, " more");
    return OneLine(text);
  }

  const fs::path root_;
  const std::set<std::string>& taken_;
  fs::path real_root_;
  fs::path blobs_;
  std::vector<Candidate> candidates_;
  std::vector<std::string> outside_;
  std::vector<std::string> unreadable_;
};

}  // namespace

CompanionFiles FindCompanionFiles(const std::string& directory, const std::set<std::string>& taken,
                                  int64_t most_bytes) {
  return Finder(directory, taken).Find(most_bytes);
}

}  // namespace lwq::client
