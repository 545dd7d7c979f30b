// The shape of a Llama-family model, from Hugging Face's config.json, and the names and shapes of its tensors.
//
// Supported: LlamaForCausalLM (Llama-2; Llama-3/3.1 with rope_scaling "llama3", as "rope_type" or the older "type", or
// inside transformers 5's "rope_parameters"), MistralForCausalLM (optional sliding_window). What a file leaves out has
// transformers' default. Anything else is FAILED_PRECONDITION naming what is not supported and what is (architecture,
// hidden_act, attention_bias, rope_scaling type, …). Impossible numbers are INVALID_ARGUMENT naming the field.
// Pure; used by the coordinator (plans, memory), the client (checks before upload) and the worker.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json/json.h"
#include "common/status/status.h"

namespace lwq {

struct RopeScalingLlama3 {
  double factor = 8.0;
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
  int64_t original_max_position_embeddings = 8192;
};

struct LlamaConfig {
  std::string architecture;  // "LlamaForCausalLM" | "MistralForCausalLM"
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
  std::optional<RopeScalingLlama3> rope_scaling;
  std::optional<int64_t> sliding_window;  // Mistral: a query sees at most this many positions, itself included
  bool tie_word_embeddings = false;
  int64_t bos_token_id = 1;  // the first where the file has a list; -1 where it has null
  int64_t eos_token_id = 2;
  std::string torch_dtype;   // "float32" | "float16" | "bfloat16": what the file says of its weights; "" if nothing
  Json quantization_config;  // null for a full-precision model; its reader is worker/qat/pack

  static StatusOr<LlamaConfig> Parse(std::string_view config_json);
};

// The seven quantized linears of a block, in the order plans, checkpoints and reports list them.
enum class LinearKind { kQ, kK, kV, kO, kGate, kUp, kDown };
inline constexpr LinearKind kAllLinears[] = {LinearKind::kQ,    LinearKind::kK,  LinearKind::kV,   LinearKind::kO,
                                             LinearKind::kGate, LinearKind::kUp, LinearKind::kDown};
// Name inside a block without ".weight": "self_attn.q_proj", …, "mlp.down_proj".
std::string_view LinearName(LinearKind kind);

struct LinearShape {
  int64_t out_features = 0;
  int64_t in_features = 0;
};
LinearShape ShapeOf(const LlamaConfig& config, LinearKind kind);

// "model.layers.<block>."
std::string BlockPrefix(int64_t block);
inline constexpr std::string_view kInputNorm = "input_layernorm.weight";
inline constexpr std::string_view kPostAttentionNorm = "post_attention_layernorm.weight";

int64_t BlockLinearParameters(const LlamaConfig& config);  // weights of the seven linears of one block
int64_t BlockParameters(const LlamaConfig& config);        // the same with both norms

// Every tensor a full-precision checkpoint of this shape must hold (lm_head only when not tied), name → shape.
std::map<std::string, std::vector<int64_t>> ExpectedTensors(const LlamaConfig& config);

}  // namespace lwq
