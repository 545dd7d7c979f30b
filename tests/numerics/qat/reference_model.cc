// SPDX-License-Identifier: Apache-2.0
#include "tests/numerics/qat/reference_model.h"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace lwq::qat {
namespace {

// The process's one call of InitRuntime: one thread, as the reference numbers.
class RuntimeEnvironment : public ::testing::Environment {
 public:
  void SetUp() override {
    const Status status = InitRuntime({.device = "cpu", .max_threads = 1});
    LWQ_CHECK(status.ok(), status.ToString());
  }
};
const auto* const kRuntime = ::testing::AddGlobalTestEnvironment(new RuntimeEnvironment);

}  // namespace

std::string ReferenceDirectory() {
  const char* set = std::getenv("LWQ_REFERENCE");
  const std::string directory = set != nullptr ? set : std::string(LWQ_SOURCE_DIR) + "/../shared/reference";
  return std::filesystem::exists(directory + "/blockap_trajectory.json") ? directory : "";
}

std::string ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  LWQ_CHECK(file.good(), "cannot read ", path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Json ReadJson(const std::string& path) {
  auto json = ParseJson(ReadText(path), path);
  LWQ_CHECK(json.ok(), json.status().ToString());
  return *std::move(json);
}

SafetensorsFile OpenSafetensors(const std::string& path) {
  auto file = SafetensorsFile::Open(path);
  LWQ_CHECK(file.ok(), file.status().ToString());
  return *std::move(file);
}

ReferenceModel LoadReferenceModel(const std::string& name) {
  return LoadModelDirectory(ReferenceDirectory() + "/models/" + name);
}

ReferenceModel LoadModelDirectory(const std::string& directory) {
  auto config = LlamaConfig::Parse(ReadText(directory + "/config.json"));
  LWQ_CHECK(config.ok(), config.status().ToString());
  const SafetensorsFile weights = OpenSafetensors(directory + "/model.safetensors");
  const auto get = [&](const std::string& tensor) {
    auto value = weights.Get(tensor);
    LWQ_CHECK(value.ok(), value.status().ToString());
    return *std::move(value);
  };
  ReferenceModel model;
  model.config = *std::move(config);
  model.head = {.embedding = get("model.embed_tokens.weight"),
                .final_norm = get("model.norm.weight"),
                .lm_head = get(model.config.tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight")};
  for (int64_t k = 0; k < model.config.num_hidden_layers; ++k) {
    BlockState block;
    for (const LinearKind kind : kAllLinears) {
      block.linears[kind] = get(BlockPrefix(k) + std::string(LinearName(kind)) + ".weight");
    }
    block.input_norm = get(BlockPrefix(k) + std::string(kInputNorm));
    block.post_attention_norm = get(BlockPrefix(k) + std::string(kPostAttentionNorm));
    model.blocks.push_back(std::move(block));
  }
  return model;
}

std::vector<int32_t> IdsOf(const HostTensor& ids) {
  LWQ_CHECK(ids.dtype == DType::kI64, "token ids must be I64");
  std::vector<int32_t> values;
  for (int64_t i = 0; i < ids.elements(); ++i) {
    int64_t id = 0;
    std::memcpy(&id, ids.bytes.data() + i * sizeof(id), sizeof(id));
    values.push_back(static_cast<int32_t>(id));
  }
  return values;
}

MemorySamples TokenWindows(const HostTensor& ids) {
  return CutWindows(IdsOf(ids), ids.shape[1], 0);
}

MemorySamples CutWindows(const std::vector<int32_t>& stream, int64_t seqlen, int64_t max_windows) {
  int64_t windows = static_cast<int64_t>(stream.size()) / seqlen;
  if (max_windows > 0) windows = std::min(windows, max_windows);
  MemorySamples samples(DType::kI32, {seqlen});
  std::string bytes(reinterpret_cast<const char*>(stream.data()), windows * seqlen * sizeof(int32_t));
  const Status status = samples.Append({DType::kI32, {windows, seqlen}, Bytes::FromString(std::move(bytes))});
  LWQ_CHECK(status.ok(), status.ToString());
  return samples;
}

}  // namespace lwq::qat
