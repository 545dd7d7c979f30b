// SPDX-License-Identifier: Apache-2.0
#include "client/source/fetch_model.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include "client/source/model_names.h"
#include "common/bytes/bytes.h"
#include "common/json/json.h"
#include "common/text/lower_case.h"
#include "common/text/one_line.h"

namespace lwq::client {
namespace {

constexpr int64_t kMaxCompanionBytes = 1 << 20;
constexpr std::string_view kTemplates = "additional_chat_templates/";
constexpr std::array<std::string_view, 9> kOtherWeights = {".bin", ".pt",      ".pth",  ".gguf", ".h5",
                                                           ".ot",  ".msgpack", ".ckpt", ".onnx"};

// What belongs to the model without being read here (client/transfer/companion_files.h takes it into exports).
bool GoesAlong(const std::string& path, int64_t size_bytes) {
  if (size_bytes > kMaxCompanionBytes) return false;
  const std::string lower = LowerCase(path);
  if (lower.ends_with(".jinja")) return lower.find('/') == std::string::npos || lower.starts_with(kTemplates);
  if (lower.find('/') != std::string::npos) return false;
  return lower == "readme.md" || lower == "chat_template.json" || lower.starts_with("license") ||
         lower.starts_with("licence") || lower.starts_with("notice") || lower.starts_with("use_policy") ||
         lower.starts_with("use-policy");
}

template <typename Names>
void AddPresent(const RemoteFolder& folder, const Names& names, std::vector<std::string>* paths) {
  for (const char* name : names) {
    if (folder.files().contains(name)) paths->push_back(name);
  }
}

Status NoWeights(const RemoteFolder& folder, const std::string& name) {
  for (const auto& [path, size_bytes] : folder.files()) {
    const std::string lower = LowerCase(path);
    const bool is_other = std::any_of(kOtherWeights.begin(), kOtherWeights.end(),
                                      [&](std::string_view ending) { return lower.ends_with(ending); });
    if (!is_other) continue;
    return absl::NotFoundError(absl::StrCat(name, " has no ", kWeightsFile, " and no ", kWeightsIndexFile, ", only ",
                                            lwq::OneLine(path, 100),
                                            " and the like: use a version in safetensors, or convert it"));
  }
  return absl::NotFoundError(absl::StrCat(name, " has no ", kWeightsFile, " and no ", kWeightsIndexFile,
                                          "; give a model in Hugging Face layout"));
}

// The files that the index lists, each of which is in the folder.
StatusOr<std::vector<std::string>> ListedShards(const RemoteFolder& folder, const std::string& name) {
  const std::string what = absl::StrCat(name, ": ", kWeightsIndexFile);
  LWQ_ASSIGN_OR_RETURN(const Bytes text, Bytes::MapFile(absl::StrCat(folder.folder(), "/", kWeightsIndexFile)));
  LWQ_ASSIGN_OR_RETURN(const Json index, ParseJson(text.view(), what));
  const auto map = index.is_object() ? index.find("weight_map") : index.end();
  if (!index.is_object() || map == index.end() || !map->is_object() || map->empty()) {
    return absl::InvalidArgumentError(absl::StrCat(what, " has no weight_map"));
  }
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : map->items()) {
    const std::string path = shard.is_string() ? shard.get<std::string>() : "";
    if (!path.ends_with(".safetensors") || path.find('/') != std::string::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat(what, ": \"", lwq::OneLine(path, 100), "\" is not the name of a safetensors file beside it"));
    }
    if (!folder.files().contains(path)) {
      return absl::NotFoundError(absl::StrCat(what, " lists ", lwq::OneLine(path, 100), ", which is not there"));
    }
    shards.insert(path);
  }
  return std::vector<std::string>(shards.begin(), shards.end());
}

}  // namespace

Status FetchModel(RemoteFolder* folder, ModelPart part, const std::string& name,
                  const RemoteFolder::Progress& progress) {
  if (!folder->files().contains("config.json")) {
    return absl::NotFoundError(absl::StrCat(name, " has no config.json; give a model in Hugging Face layout"));
  }
  std::vector<std::string> paths;
  AddPresent(*folder, kModelConfigFiles, &paths);
  if (part != ModelPart::kConfig) AddPresent(*folder, kModelTokenizerFiles, &paths);
  if (part != ModelPart::kWhole) return folder->Fetch(paths, nullptr);  // small: nothing to show
  for (const auto& [path, size_bytes] : folder->files()) {
    if (GoesAlong(path, size_bytes)) paths.push_back(path);
  }
  std::vector<std::string> weights;
  if (folder->files().contains(kWeightsFile)) {
    weights = {kWeightsFile};
  } else if (folder->files().contains(kWeightsIndexFile)) {
    paths.push_back(kWeightsIndexFile);
  } else {
    return NoWeights(*folder, name);
  }
  LWQ_RETURN_IF_ERROR(folder->Fetch(paths, nullptr));
  if (weights.empty()) {
    LWQ_ASSIGN_OR_RETURN(weights, ListedShards(*folder, name));
  }
  return folder->Fetch(weights, progress);
}

}  // namespace lwq::client
