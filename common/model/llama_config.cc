#include "common/model/llama_config.h"

#include <cmath>

#include "common/model/config_json.h"

namespace lwq {
namespace {

using internal::Find;
using internal::Shown;

constexpr std::string_view kWhat = "config.json";
constexpr std::string_view kSupported = "supported: LlamaForCausalLM (Llama-2, Llama-3, Llama-3.1), MistralForCausalLM";
// Far above every real model, low enough that no product of them overflows int64.
constexpr int64_t kSizeMax = 1 << 20;
constexpr int64_t kBlocksMax = 10'000;
constexpr int64_t kVocabMax = 1 << 26;
constexpr int64_t kPositionsMax = int64_t{1} << 40;
constexpr int64_t kMistralSlidingWindow = 4096;  // transformers' default
constexpr int64_t kMistralKeyValueHeads = 8;     // transformers' default

Status NotSupported(std::string_view reason) {
  return absl::FailedPreconditionError(absl::StrCat(kWhat, ": ", reason));
}

Status Impossible(std::string_view key, std::string_view reason) {
  return absl::InvalidArgumentError(absl::StrCat(kWhat, ": '", key, "' ", reason));
}

Status ReadSize(const Json& object, std::string_view key, int64_t max, int64_t& value) {
  LWQ_ASSIGN_OR_RETURN(const int64_t read, JsonInt(object, key, kWhat));
  if (read < 1 || read > max) return Impossible(key, absl::StrCat("is ", read, ", not within 1 to ", max));
  value = read;
  return absl::OkStatus();
}

Status ReadOptionalSize(const Json& object, std::string_view key, int64_t max, int64_t& value) {
  return Find(object, key) == nullptr ? absl::OkStatus() : ReadSize(object, key, max, value);
}

Status ReadPositive(const Json& object, std::string_view key, double& value) {
  LWQ_ASSIGN_OR_RETURN(const double read, JsonDouble(object, key, kWhat));
  if (!std::isfinite(read) || read <= 0) return Impossible(key, absl::StrCat("is ", read, ", not a positive number"));
  value = read;
  return absl::OkStatus();
}

Status ReadOptionalPositive(const Json& object, std::string_view key, double& value) {
  return Find(object, key) == nullptr ? absl::OkStatus() : ReadPositive(object, key, value);
}

// A token id, the first of a list of them, or null.
Status ReadTokenId(const Json& object, std::string_view key, int64_t vocab_size, int64_t& value) {
  const auto it = object.find(key);
  if (it == object.end()) return absl::OkStatus();
  const Json& first = it->is_array() && !it->empty() ? it->front() : *it;
  if (first.is_null()) {
    value = -1;
    return absl::OkStatus();
  }
  if (!first.is_number_unsigned() || first.get<uint64_t>() >= static_cast<uint64_t>(vocab_size)) {
    return Impossible(key, absl::StrCat("must be a token id below vocab_size ", vocab_size, ", not ", Shown(*it)));
  }
  value = first.get<int64_t>();
  return absl::OkStatus();
}

StatusOr<std::string> ArchitectureOf(const Json& config) {
  std::string model_type;
  if (Find(config, "model_type") != nullptr) {
    LWQ_ASSIGN_OR_RETURN(model_type, JsonString(config, "model_type", kWhat));
  }
  std::string architecture;
  if (const Json* list = Find(config, "architectures"); list != nullptr) {
    if (!list->is_array() || list->size() != 1 || !list->front().is_string()) {
      return Impossible("architectures", absl::StrCat("must be a list of one name, not ", Shown(*list)));
    }
    architecture = list->front().get<std::string>();
  } else if (model_type == "llama") {
    architecture = "LlamaForCausalLM";
  } else if (model_type == "mistral") {
    architecture = "MistralForCausalLM";
  } else {
    return NotSupported(
        absl::StrCat("no 'architectures', and model_type '", model_type, "' is not supported; ", kSupported));
  }
  if (architecture != "LlamaForCausalLM" && architecture != "MistralForCausalLM") {
    return NotSupported(absl::StrCat("architecture '", architecture.substr(0, 80), "' is not supported; ", kSupported));
  }
  const std::string_view expected_type = architecture == "LlamaForCausalLM" ? "llama" : "mistral";
  if (!model_type.empty() && model_type != expected_type) {
    return NotSupported(absl::StrCat("model_type '", model_type.substr(0, 80), "' is not supported for ", architecture,
                                     "; ", kSupported));
  }
  return architecture;
}

// Variants of the block that this program does not compute.
Status RefuseVariants(const Json& config) {
  if (const Json* act = Find(config, "hidden_act"); act != nullptr && *act != "silu") {
    return NotSupported(absl::StrCat("hidden_act ", Shown(*act), " is not supported; supported: \"silu\""));
  }
  for (const std::string_view key : {"attention_bias", "mlp_bias"}) {
    if (Find(config, key) == nullptr) continue;
    LWQ_ASSIGN_OR_RETURN(const bool has_bias, JsonBool(config, key, kWhat));
    if (has_bias) return NotSupported(absl::StrCat("'", key, "' is true: linears with bias are not supported"));
  }
  double rotary_factor = 1;
  LWQ_RETURN_IF_ERROR(ReadOptionalPositive(config, "partial_rotary_factor", rotary_factor));
  if (rotary_factor != 1) return NotSupported("'partial_rotary_factor' other than 1 is not supported");
  return absl::OkStatus();
}

Status ReadRopeLlama3(const Json& scaling, RopeScalingLlama3& rope) {
  LWQ_RETURN_IF_ERROR(ReadPositive(scaling, "factor", rope.factor));
  LWQ_RETURN_IF_ERROR(ReadPositive(scaling, "low_freq_factor", rope.low_freq_factor));
  LWQ_RETURN_IF_ERROR(ReadPositive(scaling, "high_freq_factor", rope.high_freq_factor));
  LWQ_RETURN_IF_ERROR(
      ReadSize(scaling, "original_max_position_embeddings", kPositionsMax, rope.original_max_position_embeddings));
  if (rope.high_freq_factor <= rope.low_freq_factor) {
    return Impossible("high_freq_factor", "must be above 'low_freq_factor'");
  }
  if (rope.factor < 1) return Impossible("factor", absl::StrCat("of rope_scaling is ", rope.factor, ", below 1"));
  return absl::OkStatus();
}

Status ReadRope(const Json& config, LlamaConfig& out) {
  LWQ_RETURN_IF_ERROR(ReadOptionalPositive(config, "rope_theta", out.rope_theta));
  const std::string_view key = Find(config, "rope_parameters") != nullptr ? "rope_parameters" : "rope_scaling";
  const Json* scaling = Find(config, key);
  if (scaling == nullptr) return absl::OkStatus();
  if (!scaling->is_object()) return Impossible(key, absl::StrCat("must be an object or null, not ", Shown(*scaling)));
  LWQ_RETURN_IF_ERROR(ReadOptionalPositive(*scaling, "rope_theta", out.rope_theta));
  const std::string_view type_key = Find(*scaling, "rope_type") != nullptr ? "rope_type" : "type";
  LWQ_ASSIGN_OR_RETURN(const std::string type, JsonString(*scaling, type_key, absl::StrCat(kWhat, " ", key)));
  if (type == "default") return absl::OkStatus();
  if (type != "llama3") {
    return NotSupported(absl::StrCat("'", key, "' of type '", type.substr(0, 80),
                                     "' is not supported; supported: \"llama3\", \"default\" or null"));
  }
  return ReadRopeLlama3(*scaling, out.rope_scaling.emplace());
}

Status ReadSlidingWindow(const Json& config, LlamaConfig& out) {
  if (out.architecture != "MistralForCausalLM") return absl::OkStatus();  // Llama has none, whatever the file says
  if (config.find("sliding_window") == config.end()) {
    out.sliding_window = kMistralSlidingWindow;
  } else if (Find(config, "sliding_window") != nullptr) {
    LWQ_RETURN_IF_ERROR(ReadSize(config, "sliding_window", kPositionsMax, out.sliding_window.emplace()));
  }
  return absl::OkStatus();
}

Status ReadHeads(const Json& config, LlamaConfig& out) {
  LWQ_RETURN_IF_ERROR(ReadSize(config, "num_attention_heads", kSizeMax, out.num_attention_heads));
  const bool is_mistral_default =
      out.architecture == "MistralForCausalLM" && config.find("num_key_value_heads") == config.end();
  out.num_key_value_heads = is_mistral_default ? kMistralKeyValueHeads : out.num_attention_heads;
  LWQ_RETURN_IF_ERROR(ReadOptionalSize(config, "num_key_value_heads", kSizeMax, out.num_key_value_heads));
  if (out.num_attention_heads % out.num_key_value_heads != 0) {
    return Impossible("num_key_value_heads",
                      absl::StrCat("is ", out.num_key_value_heads, ", which does not divide the ",
                                   out.num_attention_heads, " attention heads"));
  }
  if (Find(config, "head_dim") != nullptr) {
    LWQ_RETURN_IF_ERROR(ReadSize(config, "head_dim", kSizeMax, out.head_dim));
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
  if (out.head_dim * out.num_attention_heads > kSizeMax) return Impossible("head_dim", "times the heads is too large");
  return absl::OkStatus();
}

Status ReadTorchDtype(const Json& config, LlamaConfig& out) {
  const std::string_view key = Find(config, "torch_dtype") != nullptr ? "torch_dtype" : "dtype";
  if (Find(config, key) == nullptr) return absl::OkStatus();
  LWQ_ASSIGN_OR_RETURN(out.torch_dtype, JsonString(config, key, kWhat));
  if (out.torch_dtype != "float32" && out.torch_dtype != "float16" && out.torch_dtype != "bfloat16") {
    return NotSupported(absl::StrCat(key, " '", out.torch_dtype.substr(0, 80),
                                     "' is not supported; supported: float32, float16, bfloat16"));
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<LlamaConfig> LlamaConfig::Parse(std::string_view config_json) {
  LWQ_ASSIGN_OR_RETURN(const Json config, ParseJson(config_json, kWhat));
  if (!config.is_object()) return absl::InvalidArgumentError(absl::StrCat(kWhat, " is not a JSON object"));
  LlamaConfig out;
  LWQ_ASSIGN_OR_RETURN(out.architecture, ArchitectureOf(config));
  LWQ_RETURN_IF_ERROR(RefuseVariants(config));
  LWQ_RETURN_IF_ERROR(ReadSize(config, "hidden_size", kSizeMax, out.hidden_size));
  LWQ_RETURN_IF_ERROR(ReadSize(config, "intermediate_size", kSizeMax, out.intermediate_size));
  LWQ_RETURN_IF_ERROR(ReadSize(config, "num_hidden_layers", kBlocksMax, out.num_hidden_layers));
  LWQ_RETURN_IF_ERROR(ReadSize(config, "vocab_size", kVocabMax, out.vocab_size));
  LWQ_RETURN_IF_ERROR(ReadHeads(config, out));
  LWQ_RETURN_IF_ERROR(ReadOptionalSize(config, "max_position_embeddings", kPositionsMax, out.max_position_embeddings));
  LWQ_RETURN_IF_ERROR(ReadOptionalPositive(config, "rms_norm_eps", out.rms_norm_eps));
  LWQ_RETURN_IF_ERROR(ReadRope(config, out));
  LWQ_RETURN_IF_ERROR(ReadSlidingWindow(config, out));
  LWQ_RETURN_IF_ERROR(ReadTorchDtype(config, out));
  if (Find(config, "tie_word_embeddings") != nullptr) {
    LWQ_ASSIGN_OR_RETURN(out.tie_word_embeddings, JsonBool(config, "tie_word_embeddings", kWhat));
  }
  LWQ_RETURN_IF_ERROR(ReadTokenId(config, "bos_token_id", out.vocab_size, out.bos_token_id));
  LWQ_RETURN_IF_ERROR(ReadTokenId(config, "eos_token_id", out.vocab_size, out.eos_token_id));
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
  return BlockLinearParameters(config) + 2 * config.hidden_size;
}

std::map<std::string, std::vector<int64_t>> ExpectedTensors(const LlamaConfig& config) {
  std::map<std::string, std::vector<int64_t>> tensors;
  tensors["model.embed_tokens.weight"] = {config.vocab_size, config.hidden_size};
  tensors["model.norm.weight"] = {config.hidden_size};
  if (!config.tie_word_embeddings) tensors["lm_head.weight"] = {config.vocab_size, config.hidden_size};
  for (int64_t block = 0; block < config.num_hidden_layers; ++block) {
    const std::string prefix = BlockPrefix(block);
    tensors[absl::StrCat(prefix, kInputNorm)] = {config.hidden_size};
    tensors[absl::StrCat(prefix, kPostAttentionNorm)] = {config.hidden_size};
    for (const LinearKind kind : kAllLinears) {
      const LinearShape shape = ShapeOf(config, kind);
      tensors[absl::StrCat(prefix, LinearName(kind), ".weight")] = {shape.out_features, shape.in_features};
    }
  }
  return tensors;
}

}  // namespace lwq
