// SPDX-License-Identifier: Apache-2.0
#include "client/transfer/model_files.h"

#include <filesystem>
#include <set>

#include "client/base/format.h"
#include "client/source/model_names.h"
#include "client/transfer/companion_files.h"
#include "common/bytes/bytes.h"
#include "common/json/json.h"
#include "common/model/check_model.h"
#include "common/model/model_config.h"
#include "common/model/tensor_source.h"

namespace lwq::client {

namespace fs = std::filesystem;

bool IsFile(const std::string& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

namespace {

Status CheckDirectory(const std::string& directory) {
  std::error_code ignored;
  if (!fs::exists(directory, ignored))
    return absl::NotFoundError(absl::StrCat("model: no such directory: ", directory));
  const bool has_config = IsFile(fs::path(directory) / "config.json");
  if (!has_config && (directory.ends_with(".gguf") || IsFile(fs::path(directory) / "model.gguf"))) {
    return absl::FailedPreconditionError(
        absl::StrCat("model: ", directory,
                     ": a GGUF file is for llama.cpp and not read as a model; give the export that it was made from"));
  }
  if (!fs::is_directory(directory, ignored)) {
    return absl::InvalidArgumentError(
        absl::StrCat("model: ", directory, " is a file; give the directory that holds config.json"));
  }
  if (!has_config) {
    return absl::NotFoundError(
        absl::StrCat("model: ", directory, " has no config.json; give a directory in Hugging Face layout"));
  }
  return absl::OkStatus();
}

// Names of the shards an index lists. The index has been accepted by OpenModelDirectory; names that lead out of the
// directory are refused.
StatusOr<std::map<std::string, std::string>> ShardsOfIndex(const fs::path& directory) {
  const std::string what = absl::StrCat("model: ", kWeightsIndexFile);
  LWQ_ASSIGN_OR_RETURN(const Bytes text, Bytes::MapFile((directory / kWeightsIndexFile).string()));
  LWQ_ASSIGN_OR_RETURN(const Json index, ParseJson(text.view(), what));
  const auto map = index.is_object() ? index.find("weight_map") : index.end();
  if (!index.is_object() || map == index.end() || !map->is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(what, " has no weight_map; download the model again"));
  }
  std::map<std::string, std::string> shards = {{kWeightsIndexFile, (directory / kWeightsIndexFile).string()}};
  for (const auto& [tensor, shard] : map->items()) {
    if (!shard.is_string())
      return absl::InvalidArgumentError(absl::StrCat(what, ": the shard of ", OneLine(tensor), " is not a text"));
    const std::string name = shard.get<std::string>();
    if (name.empty() || name != fs::path(name).filename().string() || name == "..") {
      return absl::InvalidArgumentError(
          absl::StrCat(what, ": \"", OneLine(name), "\" is not the name of a file beside it"));
    }
    shards[name] = (directory / name).string();
  }
  return shards;
}

// The coordinator counts the head's bytes by the configuration it is given, so that has to say what the weights say.
Status SayWhetherTied(TensorSource& source, ModelFiles& model) {
  LWQ_ASSIGN_OR_RETURN(const bool has_own_head, HasHeadOfItsOwn(model.config, source));
  if (!has_own_head) return absl::OkStatus();
  LWQ_ASSIGN_OR_RETURN(Json config, ParseJson(model.config_json, "config.json"));
  config["tie_word_embeddings"] = false;
  model.config_json = CanonicalJson(config);
  model.config.tie_word_embeddings = false;
  return absl::OkStatus();
}

}  // namespace

StatusOr<ModelFiles> InspectModelConfig(const std::string& directory) {
  LWQ_RETURN_IF_ERROR(CheckDirectory(directory));
  const std::string context = absl::StrCat("model: ", directory);
  const fs::path path = fs::path(directory) / "config.json";
  ModelFiles model;
  model.directory = directory;
  std::error_code error;
  if (fs::file_size(path, error) == 0)
    return absl::InvalidArgumentError(absl::StrCat(context, ": config.json is empty"));
  LWQ_ASSIGN_OR_RETURN(const Bytes config, Bytes::MapFile(path.string()));
  const fs::path quantize_path = fs::path(directory) / "quantize_config.json";
  Bytes quantize_config;
  if (IsFile(quantize_path)) {
    LWQ_ASSIGN_OR_RETURN(quantize_config, Bytes::MapFile(quantize_path.string()));
  }
  auto merged = MergedConfig(config.view(), quantize_config.view());
  if (!merged.ok()) return Annotate(merged.status(), context);
  model.config_json = *std::move(merged);
  auto parsed = LlamaConfig::Parse(model.config_json);
  if (!parsed.ok()) return Annotate(parsed.status(), context);
  model.config = *std::move(parsed);
  model.files["config.json"] = path.string();
  model.tokenizer = model.files;
  return model;
}

StatusOr<ModelFiles> InspectModel(const std::string& directory) {
  LWQ_ASSIGN_OR_RETURN(ModelFiles model, InspectModelConfig(directory));
  const std::string context = absl::StrCat("model: ", directory);
  const fs::path root(directory);
  model.files.clear();
  model.tokenizer.clear();
  auto source = OpenModelDirectory(directory);
  if (!source.ok()) return Annotate(source.status(), context);
  LWQ_RETURN_IF_ERROR(Annotate(CheckModelTensors(model.config, **source), context));
  LWQ_RETURN_IF_ERROR(Annotate(CheckBiases(model.config, **source), context));
  LWQ_RETURN_IF_ERROR(Annotate(SayWhetherTied(**source, model), context));

  if (IsFile(root / kWeightsFile)) {
    model.files[kWeightsFile] = (root / kWeightsFile).string();
  } else {
    LWQ_ASSIGN_OR_RETURN(model.files, ShardsOfIndex(root));
  }
  for (const char* name : kModelConfigFiles) {
    if (IsFile(root / name)) model.files[name] = (root / name).string();
  }
  for (const char* name : kModelTokenizerFiles) {
    if (IsFile(root / name)) model.tokenizer[name] = (root / name).string();
  }
  if (model.tokenizer.count("tokenizer.json") == 0 && model.tokenizer.count("tokenizer.model") == 0) {
    return absl::NotFoundError(absl::StrCat(
        "model: ", directory, " has no tokenizer.json or tokenizer.model; copy the model's tokenizer there"));
  }
  std::set<std::string> taken;
  for (const auto* tree : {&model.files, &model.tokenizer}) {
    for (const auto& [name, path] : *tree) taken.insert(name);
  }
  CompanionFiles companions = FindCompanionFiles(directory, taken);
  model.companions = std::move(companions.files);
  model.notes = std::move(companions.notes);
  return model;
}

}  // namespace lwq::client
