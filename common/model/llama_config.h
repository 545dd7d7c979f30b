// SPDX-License-Identifier: Apache-2.0
// The shape of a Llama-family model, from Hugging Face's config.json, and the names and shapes of its tensors.
//
// Supported: LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM and Qwen3ForCausalLM (architecture.h says how they
// differ: biases, norms of queries and keys, sliding windows, defaults), with rope types default, linear, dynamic,
// llama3 and yarn (rope.h). What a file leaves out has transformers' default. Anything else is FAILED_PRECONDITION
// naming what is not supported and what is (architecture, hidden_act, rope type, windows in some of the blocks, …).
// Impossible numbers are INVALID_ARGUMENT naming the field.
// Pure; used by the coordinator (plans, memory), the client (checks before upload) and the worker.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json/json.h"
#include "common/model/rope.h"
#include "common/status/status.h"

namespace lwq {

// The seven quantized linears of a block, in the order plans, checkpoints and reports list them.
enum class LinearKind { kQ, kK, kV, kO, kGate, kUp, kDown };
inline constexpr LinearKind kAllLinears[] = {LinearKind::kQ,    LinearKind::kK,  LinearKind::kV,   LinearKind::kO,
                                             LinearKind::kGate, LinearKind::kUp, LinearKind::kDown};
// Name inside a block without ".weight": "self_attn.q_proj", …, "mlp.down_proj".
std::string_view LinearName(LinearKind kind);

struct LlamaConfig {
  std::string architecture;  // "LlamaForCausalLM", …
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t num_attention_heads = 0;
  int64_t num_key_value_heads = 0;
  int64_t head_dim = 0;
  int64_t vocab_size = 0;
  int64_t max_position_embeddings = 2048;
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000.0;
  RopeScaling rope_scaling;
  std::optional<int64_t> sliding_window;  // in every block a query sees at most this many positions, itself included
  bool query_key_norms = false;           // Qwen3: an RMSNorm over each head of q and of k, before the rotation
  std::array<bool, std::size(kAllLinears)> has_bias{};  // by LinearKind
  bool tie_word_embeddings = false;
  int64_t bos_token_id = 1;  // the first where the file has a list; −1 where it names none of the vocabulary
  int64_t eos_token_id = 2;
  std::string torch_dtype;   // "float32", …: what the file says of its weights; "" if nothing
  Json quantization_config;  // null for a full-precision model; its reader is quantization.h

  bool HasBias(LinearKind kind) const { return has_bias[static_cast<size_t>(kind)]; }

  static StatusOr<LlamaConfig> Parse(std::string_view config_json);
};

struct LinearShape {
  int64_t out_features = 0;
  int64_t in_features = 0;
};
LinearShape ShapeOf(const LlamaConfig& config, LinearKind kind);

// "model.layers.<block>."
std::string BlockPrefix(int64_t block);
inline constexpr std::string_view kInputNorm = "input_layernorm.weight";
inline constexpr std::string_view kPostAttentionNorm = "post_attention_layernorm.weight";
inline constexpr std::string_view kQueryNorm = "self_attn.q_norm.weight";  // with query_key_norms
inline constexpr std::string_view kKeyNorm = "self_attn.k_norm.weight";
// Outside the blocks.
inline constexpr std::string_view kEmbeddingTensor = "model.embed_tokens.weight";
inline constexpr std::string_view kFinalNormTensor = "model.norm.weight";
inline constexpr std::string_view kHeadTensor = "lm_head.weight";

int64_t BlockLinearParameters(const LlamaConfig& config);  // weights of the seven linears of one block
int64_t BlockParameters(const LlamaConfig& config);        // the same with norms and biases

// Every tensor a full-precision checkpoint of this shape must hold (lm_head only when not tied), name → shape.
std::map<std::string, std::vector<int64_t>> ExpectedTensors(const LlamaConfig& config);

}  // namespace lwq
