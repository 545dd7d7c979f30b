// SPDX-License-Identifier: Apache-2.0
#include "common/model/llama_config.h"

#include <algorithm>

#include "common/model/architecture.h"
#include "common/model/config_json.h"

namespace lwq {
namespace {

using internal::Architecture;
using internal::ArchitectureOf;
using internal::AttentionBias;
using internal::Find;
using internal::Impossible;
using internal::kConfigFile;
using internal::kMaxPositions;
using internal::kMaxSize;
using internal::NotSupported;
using internal::ReadOptionalBool;
using internal::ReadOptionalPositive;
using internal::ReadOptionalSize;
using internal::ReadSize;
using internal::Shown;
using internal::WindowRule;

constexpr int64_t kMaxBlocks = 10'000;
constexpr int64_t kMaxVocab = 1 << 26;
constexpr int64_t kSlidingWindow = 4096;  // transformers' default, of every architecture that has one
constexpr int64_t kMaxWindowLayers = 28;  // transformers' default
constexpr std::string_view kSlidingLayer = "sliding_attention";
constexpr std::string_view kFullLayer = "full_attention";

// A token id, or the first of a list of them; −1 for anything that is not in the vocabulary, which real files have and
// nothing here depends on.
int64_t TokenId(const Json& object, std::string_view key, int64_t vocab_size, int64_t absent) {
  const auto it = object.find(key);
  if (it == object.end()) return absent;
  const Json& first = it->is_array() && !it->empty() ? it->front() : *it;
  const bool known = first.is_number_unsigned() && first.get<uint64_t>() < static_cast<uint64_t>(vocab_size);
  return known ? first.get<int64_t>() : -1;
}

// Variants of the block that this program does not compute.
Status RefuseVariants(const Json& config) {
  if (const Json* act = Find(config, "hidden_act"); act != nullptr && *act != "silu") {
    return NotSupported(absl::StrCat("hidden_act ", Shown(*act), " is not supported; supported: \"silu\""));
  }
  double rotary_factor = 1;
  LWQ_RETURN_IF_ERROR(ReadOptionalPositive(config, "partial_rotary_factor", rotary_factor));
  if (rotary_factor != 1) return NotSupported("'partial_rotary_factor' other than 1 is not supported");
  return absl::OkStatus();
}

void SetBias(std::initializer_list<LinearKind> kinds, LlamaConfig& out) {
  for (const LinearKind kind : kinds) out.has_bias[static_cast<size_t>(kind)] = true;
}

Status ReadBiases(const Json& config, const Architecture& architecture, LlamaConfig& out) {
  bool attention_bias = false, mlp_bias = false;
  LWQ_RETURN_IF_ERROR(ReadOptionalBool(config, "attention_bias", attention_bias));
  LWQ_RETURN_IF_ERROR(ReadOptionalBool(config, "mlp_bias", mlp_bias));
  switch (architecture.attention_bias) {
    case AttentionBias::kNever:
      break;
    case AttentionBias::kByKey:
      if (attention_bias) SetBias({LinearKind::kQ, LinearKind::kK, LinearKind::kV, LinearKind::kO}, out);
      break;
    case AttentionBias::kQueryKeyAndValue:
      SetBias({LinearKind::kQ, LinearKind::kK, LinearKind::kV}, out);
      break;
  }
  if (architecture.mlp_bias_key && mlp_bias) {
    SetBias({LinearKind::kGate, LinearKind::kUp, LinearKind::kDown}, out);
  }
  return absl::OkStatus();
}

// Whether "layer_types", or the position of a block behind "max_window_layers", gives the blocks the window.
// FAILED_PRECONDITION where it does for some of them only.
StatusOr<bool> AllBlocksSlide(const Json& config, bool has_window, int64_t blocks) {
  int64_t sliding = 0;
  if (const Json* types = Find(config, "layer_types"); types != nullptr) {
    if (!types->is_array() || static_cast<int64_t>(types->size()) != blocks) {
      return Impossible("layer_types", absl::StrCat("must be a list of ", blocks, " names, one for each block"));
    }
    for (const Json& type : *types) {
      if (type != kSlidingLayer && type != kFullLayer) {
        return NotSupported(absl::StrCat("a block of layer type ", Shown(type), " is not supported; supported: \"",
                                         kFullLayer, "\", \"", kSlidingLayer, "\""));
      }
      sliding += type == kSlidingLayer ? 1 : 0;
    }
    if (sliding == blocks && !has_window) {
      return Impossible("layer_types", absl::StrCat("are all \"", kSlidingLayer, "\", and there is no sliding window"));
    }
  } else if (has_window) {
    int64_t full = kMaxWindowLayers;
    if (Find(config, "max_window_layers") != nullptr) {
      LWQ_ASSIGN_OR_RETURN(full, JsonInt(config, "max_window_layers", kConfigFile));
    }
    sliding = blocks - std::clamp<int64_t>(full, 0, blocks);
  }
  if (sliding == 0 || sliding == blocks) return sliding == blocks;
  return NotSupported(absl::StrCat("sliding windows in ", sliding, " of ", blocks,
                                   " blocks are not supported; supported: in all or in none"));
}

Status ReadSlidingWindow(const Json& config, WindowRule rule, LlamaConfig& out) {
  if (rule == WindowRule::kNone) return absl::OkStatus();
  int64_t window = kSlidingWindow;
  bool has_window = config.find("sliding_window") == config.end() || Find(config, "sliding_window") != nullptr;
  LWQ_RETURN_IF_ERROR(ReadOptionalSize(config, "sliding_window", kMaxPositions, window));
  if (rule == WindowRule::kOptIn) {
    bool uses_window = false;
    LWQ_RETURN_IF_ERROR(ReadOptionalBool(config, "use_sliding_window", uses_window));
    has_window = has_window && uses_window;
  }
  if (rule == WindowRule::kOptIn || Find(config, "layer_types") != nullptr) {
    LWQ_ASSIGN_OR_RETURN(has_window, AllBlocksSlide(config, has_window, out.num_hidden_layers));
  }
  if (has_window) out.sliding_window = window;
  return absl::OkStatus();
}

Status ReadHeads(const Json& config, const Architecture& architecture, LlamaConfig& out) {
  LWQ_RETURN_IF_ERROR(ReadSize(config, "num_attention_heads", kMaxSize, out.num_attention_heads));
  const bool key_value_default =
      architecture.num_key_value_heads != 0 && config.find("num_key_value_heads") == config.end();
  out.num_key_value_heads = key_value_default ? architecture.num_key_value_heads : out.num_attention_heads;
  LWQ_RETURN_IF_ERROR(ReadOptionalSize(config, "num_key_value_heads", kMaxSize, out.num_key_value_heads));
  if (out.num_attention_heads % out.num_key_value_heads != 0) {
    return Impossible("num_key_value_heads",
                      absl::StrCat("is ", out.num_key_value_heads, ", which does not divide the ",
                                   out.num_attention_heads, " attention heads"));
  }
  if (Find(config, "head_dim") != nullptr) {
    LWQ_RETURN_IF_ERROR(ReadSize(config, "head_dim", kMaxSize, out.head_dim));
  } else if (architecture.head_dim != 0) {
    out.head_dim = architecture.head_dim;
  } else if (out.hidden_size % out.num_attention_heads != 0) {
    return Impossible("hidden_size",
                      absl::StrCat("is ", out.hidden_size, ", not a multiple of the ", out.num_attention_heads,
                                   " attention heads, and there is no 'head_dim'"));
  } else {
    out.head_dim = out.hidden_size / out.num_attention_heads;
  }
  if (out.head_dim % 2 != 0) {
    return Impossible("head_dim", absl::StrCat("is ", out.head_dim, "; rotary embedding needs an even one"));
  }
  if (out.head_dim * out.num_attention_heads > kMaxSize) return Impossible("head_dim", "times the heads is too large");
  return absl::OkStatus();
}

Status ReadTorchDtype(const Json& config, LlamaConfig& out) {
  const std::string_view key = Find(config, "torch_dtype") != nullptr ? "torch_dtype" : "dtype";
  if (Find(config, key) == nullptr) return absl::OkStatus();
  LWQ_ASSIGN_OR_RETURN(out.torch_dtype, JsonString(config, key, kConfigFile));
  for (const std::string_view known : {"float32", "float16", "bfloat16", "float64"}) {
    if (out.torch_dtype == known) return absl::OkStatus();
  }
  return NotSupported(absl::StrCat(key, " '", out.torch_dtype.substr(0, 80),
                                   "' is not supported; supported: float32, float16, bfloat16, float64"));
}

Status ReadRotation(const Json& config, LlamaConfig& out) {
  LWQ_ASSIGN_OR_RETURN(Rope rope, ReadRope(config, out.max_position_embeddings, out.head_dim));
  out.rope_theta = rope.theta;
  out.rope_scaling = rope.scaling;
  return absl::OkStatus();
}

}  // namespace

StatusOr<LlamaConfig> LlamaConfig::Parse(std::string_view config_json) {
  LWQ_ASSIGN_OR_RETURN(const Json config, ParseJson(config_json, kConfigFile));
  if (!config.is_object()) return absl::InvalidArgumentError(absl::StrCat(kConfigFile, " is not a JSON object"));
  LWQ_ASSIGN_OR_RETURN(const Architecture* architecture, ArchitectureOf(config));
  LlamaConfig out;
  out.architecture = std::string(architecture->name);
  out.query_key_norms = architecture->query_key_norms;
  out.max_position_embeddings = architecture->max_position_embeddings;
  LWQ_RETURN_IF_ERROR(RefuseVariants(config));
  LWQ_RETURN_IF_ERROR(ReadSize(config, "hidden_size", kMaxSize, out.hidden_size));
  LWQ_RETURN_IF_ERROR(ReadSize(config, "intermediate_size", kMaxSize, out.intermediate_size));
  LWQ_RETURN_IF_ERROR(ReadSize(config, "num_hidden_layers", kMaxBlocks, out.num_hidden_layers));
  LWQ_RETURN_IF_ERROR(ReadSize(config, "vocab_size", kMaxVocab, out.vocab_size));
  LWQ_RETURN_IF_ERROR(ReadHeads(config, *architecture, out));
  LWQ_RETURN_IF_ERROR(ReadBiases(config, *architecture, out));
  LWQ_RETURN_IF_ERROR(ReadOptionalSize(config, "max_position_embeddings", kMaxPositions, out.max_position_embeddings));
  LWQ_RETURN_IF_ERROR(ReadOptionalPositive(config, "rms_norm_eps", out.rms_norm_eps));
  LWQ_RETURN_IF_ERROR(ReadRotation(config, out));
  LWQ_RETURN_IF_ERROR(ReadSlidingWindow(config, architecture->window, out));
  LWQ_RETURN_IF_ERROR(ReadTorchDtype(config, out));
  LWQ_RETURN_IF_ERROR(ReadOptionalBool(config, "tie_word_embeddings", out.tie_word_embeddings));
  out.bos_token_id = TokenId(config, "bos_token_id", out.vocab_size, architecture->bos_token_id);
  out.eos_token_id = TokenId(config, "eos_token_id", out.vocab_size, architecture->eos_token_id);
  if (const Json* quantization = Find(config, "quantization_config"); quantization != nullptr) {
    if (!quantization->is_object()) return Impossible("quantization_config", "must be an object");
    out.quantization_config = *quantization;
  }
  return out;
}

std::string_view LinearName(LinearKind kind) {
  switch (kind) {
    case LinearKind::kQ:
      return "self_attn.q_proj";
    case LinearKind::kK:
      return "self_attn.k_proj";
    case LinearKind::kV:
      return "self_attn.v_proj";
    case LinearKind::kO:
      return "self_attn.o_proj";
    case LinearKind::kGate:
      return "mlp.gate_proj";
    case LinearKind::kUp:
      return "mlp.up_proj";
    case LinearKind::kDown:
      return "mlp.down_proj";
  }
  LWQ_CHECK(false, "linear ", static_cast<int>(kind));
}

LinearShape ShapeOf(const LlamaConfig& config, LinearKind kind) {
  const int64_t query_features = config.num_attention_heads * config.head_dim;
  const int64_t key_value_features = config.num_key_value_heads * config.head_dim;
  switch (kind) {
    case LinearKind::kQ:
      return {query_features, config.hidden_size};
    case LinearKind::kK:
    case LinearKind::kV:
      return {key_value_features, config.hidden_size};
    case LinearKind::kO:
      return {config.hidden_size, query_features};
    case LinearKind::kGate:
    case LinearKind::kUp:
      return {config.intermediate_size, config.hidden_size};
    case LinearKind::kDown:
      return {config.hidden_size, config.intermediate_size};
  }
  LWQ_CHECK(false, "linear ", static_cast<int>(kind));
}

std::string BlockPrefix(int64_t block) {
  return absl::StrCat("model.layers.", block, ".");
}

int64_t BlockLinearParameters(const LlamaConfig& config) {
  int64_t parameters = 0;
  for (const LinearKind kind : kAllLinears) {
    const LinearShape shape = ShapeOf(config, kind);
    parameters += shape.out_features * shape.in_features;
  }
  return parameters;
}

int64_t BlockParameters(const LlamaConfig& config) {
  int64_t parameters = BlockLinearParameters(config) + 2 * config.hidden_size;
  for (const LinearKind kind : kAllLinears) {
    if (config.HasBias(kind)) parameters += ShapeOf(config, kind).out_features;
  }
  return config.query_key_norms ? parameters + 2 * config.head_dim : parameters;
}

std::map<std::string, std::vector<int64_t>> ExpectedTensors(const LlamaConfig& config) {
  std::map<std::string, std::vector<int64_t>> tensors;
  tensors[std::string(kEmbeddingTensor)] = {config.vocab_size, config.hidden_size};
  tensors[std::string(kFinalNormTensor)] = {config.hidden_size};
  if (!config.tie_word_embeddings) tensors[std::string(kHeadTensor)] = {config.vocab_size, config.hidden_size};
  for (int64_t block = 0; block < config.num_hidden_layers; ++block) {
    const std::string prefix = BlockPrefix(block);
    tensors[absl::StrCat(prefix, kInputNorm)] = {config.hidden_size};
    tensors[absl::StrCat(prefix, kPostAttentionNorm)] = {config.hidden_size};
    if (config.query_key_norms) {
      tensors[absl::StrCat(prefix, kQueryNorm)] = {config.head_dim};
      tensors[absl::StrCat(prefix, kKeyNorm)] = {config.head_dim};
    }
    for (const LinearKind kind : kAllLinears) {
      const LinearShape shape = ShapeOf(config, kind);
      const std::string name = absl::StrCat(prefix, LinearName(kind));
      tensors[name + ".weight"] = {shape.out_features, shape.in_features};
      if (config.HasBias(kind)) tensors[name + ".bias"] = {shape.out_features};
    }
  }
  return tensors;
}

}  // namespace lwq
