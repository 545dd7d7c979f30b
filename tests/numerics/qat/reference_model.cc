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

std::string ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  LWQ_CHECK(file.good(), "cannot read ", path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

int64_t TokenAt(const HostTensor& ids, int64_t index) {
  int64_t id = 0;
  std::memcpy(&id, ids.bytes.data() + index * sizeof(id), sizeof(id));
  return id;
}

MemorySamples WindowsOf(const HostTensor& ids, int64_t first, int64_t windows, int64_t seqlen) {
  LWQ_CHECK(ids.dtype == DType::kI64, "token ids must be I64");
  MemorySamples samples(DType::kI32, {seqlen});
  for (int64_t window = 0; window < windows; ++window) {
    std::string bytes;
    for (int64_t t = 0; t < seqlen; ++t) {
      const auto id = static_cast<int32_t>(TokenAt(ids, first + window * seqlen + t));
      bytes.append(reinterpret_cast<const char*>(&id), sizeof(id));
    }
    const Status status = samples.Append({DType::kI32, {1, seqlen}, Bytes::FromString(std::move(bytes))});
    LWQ_CHECK(status.ok(), status.ToString());
  }
  return samples;
}

}  // namespace

std::string ReferenceDirectory() {
  const char* set = std::getenv("LWQ_REFERENCE");
  const std::string directory = set != nullptr ? set : std::string(LWQ_SOURCE_DIR) + "/../shared/reference";
  return std::filesystem::exists(directory + "/blockap_trajectory.json") ? directory : "";
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
  const std::string directory = ReferenceDirectory() + "/models/" + name;
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

MemorySamples TokenWindows(const HostTensor& ids) {
  return WindowsOf(ids, 0, ids.shape[0], ids.shape[1]);
}

MemorySamples CutWindows(const HostTensor& stream, int64_t first_token, int64_t seqlen, int64_t max_windows) {
  int64_t windows = (stream.elements() - first_token) / seqlen;
  if (max_windows > 0) windows = std::min(windows, max_windows);
  return WindowsOf(stream, first_token, windows, seqlen);
}

}  // namespace lwq::qat
