// SPDX-License-Identifier: Apache-2.0
#include "common/export/gguf/gguf_metadata.h"

#include <cmath>
#include <cstring>
#include <numbers>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"

namespace lwq::qat {
namespace {

// Of the layouts of blocks in the file; llama.cpp writes it into files with quantized tensors.
constexpr uint32_t kQuantizationVersion = 2;

// Sizes fit: a model's dimensions are far below 2^32 (common/model/config_json.h).
uint32_t Size(int64_t value) {
  return static_cast<uint32_t>(value);
}

void AddShape(const GgufModel& model, GgufMetadata& metadata) {
  const LlamaConfig& config = model.config;
  const auto add = [&](std::string_view key, GgufValue value) {
    metadata[absl::StrCat(model.llama_cpp.architecture, ".", key)] = std::move(value);
  };
  add("context_length", Size(config.max_position_embeddings));
  add("embedding_length", Size(config.hidden_size));
  add("block_count", Size(config.num_hidden_layers));
  add("feed_forward_length", Size(config.intermediate_size));
  add("attention.head_count", Size(config.num_attention_heads));
  add("attention.head_count_kv", Size(config.num_key_value_heads));
  add("attention.key_length", Size(config.head_dim));
  add("attention.value_length", Size(config.head_dim));
  add("attention.layer_norm_rms_epsilon", static_cast<float>(config.rms_norm_eps));
  add("rope.dimension_count", Size(config.head_dim));
  add("rope.freq_base", static_cast<float>(config.rope_theta));
  add("vocab_size", Size(config.vocab_size));
  if (const auto* linear = std::get_if<RopeLinear>(&config.rope_scaling)) {
    add("rope.scaling.type", std::string("linear"));
    add("rope.scaling.factor", static_cast<float>(linear->factor));
  }
}

void AddTokenizer(LlamaCppVocabulary vocabulary, std::optional<std::string> chat_template, GgufMetadata& metadata) {
  const auto add = [&](std::string_view key, GgufValue value) {
    metadata[absl::StrCat("tokenizer.", key)] = std::move(value);
  };
  std::vector<int32_t> types;
  types.reserve(vocabulary.types.size());
  for (const LlamaCppVocabulary::Type type : vocabulary.types) types.push_back(static_cast<int32_t>(type));
  add("ggml.model", std::move(vocabulary.model));
  add("ggml.pre", std::move(vocabulary.pre));
  add("ggml.tokens", GgufArray(std::move(vocabulary.tokens)));
  add("ggml.token_type", GgufArray(std::move(types)));
  if (!vocabulary.scores.empty()) add("ggml.scores", GgufArray(std::move(vocabulary.scores)));
  if (!vocabulary.merges.empty()) add("ggml.merges", GgufArray(std::move(vocabulary.merges)));
  add("ggml.bos_token_id", static_cast<uint32_t>(vocabulary.bos_id));
  add("ggml.eos_token_id", static_cast<uint32_t>(vocabulary.eos_id));
  if (vocabulary.unk_id) add("ggml.unknown_token_id", static_cast<uint32_t>(*vocabulary.unk_id));
  add("ggml.add_bos_token", vocabulary.add_bos);
  add("ggml.add_eos_token", false);
  add("ggml.add_space_prefix", vocabulary.add_space_prefix);
  if (chat_template) add("chat_template", *std::move(chat_template));
}

}  // namespace

GgufMetadata MakeGgufMetadata(GgufModel model) {
  GgufMetadata metadata;
  metadata["general.architecture"] = std::string(model.llama_cpp.architecture);
  metadata["general.quantization_version"] = kQuantizationVersion;
  metadata["lwq.version"] = std::string(LWQ_VERSION);
  metadata["lwq.exact"] = model.exact;
  AddShape(model, metadata);
  AddTokenizer(std::move(model.vocabulary), std::move(model.chat_template), metadata);
  return metadata;
}

std::optional<HostTensor> RopeFactors(const LlamaConfig& config) {
  const auto* scaling = std::get_if<RopeLlama3>(&config.rope_scaling);
  if (scaling == nullptr) return std::nullopt;
  const auto original = static_cast<double>(scaling->original_max_position_embeddings);
  const int64_t pairs = config.head_dim / 2;
  std::string bytes(static_cast<size_t>(pairs) * sizeof(float), '\0');
  for (int64_t i = 0; i < pairs; ++i) {
    const double exponent = 2 * static_cast<double>(i) / static_cast<double>(config.head_dim);
    const double wavelength = 2 * std::numbers::pi * std::pow(config.rope_theta, exponent);
    double factor = 1;
    if (wavelength > original / scaling->low_freq_factor) {
      factor = scaling->factor;
    } else if (wavelength >= original / scaling->high_freq_factor) {
      const double smooth =
          (original / wavelength - scaling->low_freq_factor) / (scaling->high_freq_factor - scaling->low_freq_factor);
      factor = 1 / ((1 - smooth) / scaling->factor + smooth);
    }
    const auto rounded = static_cast<float>(factor);
    std::memcpy(bytes.data() + i * 4, &rounded, 4);
  }
  return HostTensor{DType::kF32, {pairs}, Bytes::FromString(std::move(bytes))};
}

}  // namespace lwq::qat
