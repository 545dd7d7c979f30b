#include "worker/qat/pack/model_blocks.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "worker/qat/pack/gptq_config.h"
#include "worker/qat/pack/gptq_layout.h"
#include "worker/qat/pack/half.h"

namespace lwq::qat {
namespace {

constexpr std::string_view kFloatDTypes = "F32, F16 or BF16";
constexpr char kEmbedding[] = "model.embed_tokens.weight";
constexpr char kFinalNorm[] = "model.norm.weight";
constexpr char kLmHead[] = "lm_head.weight";

Status CheckEntry(const TensorSource& source, const std::string& name, const std::vector<int64_t>& shape,
                  bool is_float) {
  const auto found = source.entries().find(name);
  if (found == source.entries().end())
    return absl::InvalidArgumentError(absl::StrCat("the model has no tensor ", name));
  const SafetensorsEntry& entry = found->second;
  if (entry.shape != shape) {
    return absl::InvalidArgumentError(absl::StrCat("tensor ", name, " is ", ShapeText(entry.shape), ", expected ",
                                                   ShapeText(shape), "; does it belong to this config.json?"));
  }
  const bool dtype_ok = is_float ? IsFloat(entry.dtype) : entry.dtype == DType::kI32;
  if (dtype_ok) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("tensor ", name, " is ", DTypeName(entry.dtype), ", expected ",
                                                 is_float ? kFloatDTypes : std::string_view("I32")));
}

StatusOr<HostTensor> ReadFloat(TensorSource& source, const std::string& name, const std::vector<int64_t>& shape) {
  LWQ_RETURN_IF_ERROR(CheckEntry(source, name, shape, /*is_float=*/true));
  return source.Read(name);
}

// The config of a quantized model; nothing for a plain one.
StatusOr<std::optional<GptqConfig>> QuantizationOf(const LlamaConfig& config) {
  if (config.quantization_config.is_null()) return std::optional<GptqConfig>();
  LWQ_ASSIGN_OR_RETURN(GptqConfig quantization, GptqConfig::Parse(config.quantization_config));
  return std::optional<GptqConfig>(std::move(quantization));
}

StatusOr<GptqModule> ModuleOf(const std::optional<GptqConfig>& quantization, const std::string& name,
                              int64_t in_features) {
  if (!quantization.has_value()) return GptqModule{.quantized = false};
  LWQ_ASSIGN_OR_RETURN(GptqModule module, quantization->Module(name));
  if (!module.quantized) return module;
  if (module.group_size == -1) module.group_size = in_features;
  if (in_features % module.group_size == 0) return module;
  return absl::FailedPreconditionError(absl::StrCat(name, ": groups of ", module.group_size, " do not divide its ",
                                                    in_features, " inputs, which is not supported"));
}

Status CheckLinearEntries(const TensorSource& source, const std::string& name, const GptqModule& module,
                          const LinearShape& shape) {
  if (!module.quantized) {
    return CheckEntry(source, name + ".weight", {shape.out_features, shape.in_features}, /*is_float=*/true);
  }
  const GptqShapes shapes = GptqShapesOf(shape.out_features, shape.in_features, module.bits, module.group_size);
  LWQ_RETURN_IF_ERROR(CheckEntry(source, name + ".qweight", shapes.qweight, /*is_float=*/false));
  LWQ_RETURN_IF_ERROR(CheckEntry(source, name + ".qzeros", shapes.qzeros, /*is_float=*/false));
  LWQ_RETURN_IF_ERROR(CheckEntry(source, name + ".scales", shapes.scales, /*is_float=*/true));
  return CheckEntry(source, name + ".g_idx", shapes.g_idx, /*is_float=*/false);
}

StatusOr<LinearWeight> ReadLinear(TensorSource& source, const std::string& name, const GptqModule& module,
                                  const LinearShape& shape) {
  LWQ_RETURN_IF_ERROR(CheckLinearEntries(source, name, module, shape));
  LWQ_RETURN_IF_ERROR(CheckBias(source, name));
  if (!module.quantized) return source.Read(name + ".weight");
  GptqTensors tensors;
  LWQ_ASSIGN_OR_RETURN(tensors.qweight, source.Read(name + ".qweight"));
  LWQ_ASSIGN_OR_RETURN(tensors.qzeros, source.Read(name + ".qzeros"));
  LWQ_ASSIGN_OR_RETURN(tensors.scales, source.Read(name + ".scales"));
  LWQ_ASSIGN_OR_RETURN(tensors.g_idx, source.Read(name + ".g_idx"));
  return UnpackGptq(tensors, shape.out_features, shape.in_features, module.bits, module.group_size, name);
}

}  // namespace

StatusOr<LlamaConfig> ParseModelConfig(std::string_view config_json, std::string_view quantize_config_json) {
  LWQ_ASSIGN_OR_RETURN(LlamaConfig config, LlamaConfig::Parse(config_json));
  if (quantize_config_json.empty() || !config.quantization_config.is_null()) return config;
  LWQ_ASSIGN_OR_RETURN(config.quantization_config,
                       ParseJson(quantize_config_json, "quantize_config.json", DuplicateKeys::kRefuse));
  if (config.quantization_config.is_object()) return config;
  return absl::InvalidArgumentError("quantize_config.json is not a JSON object");
}

StatusOr<LlamaConfig> ReadModelConfig(const FileTree& model) {
  LWQ_ASSIGN_OR_RETURN(const Bytes config, model.ReadAll("config.json"));
  Bytes quantize_config;
  if (model.Contains("quantize_config.json")) {
    LWQ_ASSIGN_OR_RETURN(quantize_config, model.ReadAll("quantize_config.json"));
  }
  return ParseModelConfig(config.view(), quantize_config.view());
}

Status CheckQuantizedModel(const LlamaConfig& config, const TensorSource& source) {
  LWQ_RETURN_IF_ERROR(CheckModelTensors(config, source));
  LWQ_ASSIGN_OR_RETURN(const std::optional<GptqConfig> quantization, QuantizationOf(config));
  if (!quantization.has_value()) return absl::OkStatus();
  for (int64_t block = 0; block < config.num_hidden_layers; ++block) {
    for (const LinearKind kind : kAllLinears) {
      const std::string name = absl::StrCat(BlockPrefix(block), LinearName(kind));
      const LinearShape shape = ShapeOf(config, kind);
      LWQ_ASSIGN_OR_RETURN(const GptqModule module, ModuleOf(quantization, name, shape.in_features));
      LWQ_RETURN_IF_ERROR(CheckLinearEntries(source, name, module, shape));
    }
  }
  return absl::OkStatus();
}

StatusOr<BlockState> LoadBlock(TensorSource& source, const LlamaConfig& config, int64_t block) {
  if (block < 0 || block >= config.num_hidden_layers) {
    return absl::InvalidArgumentError(
        absl::StrCat("block ", block, " is not in the model, which has ", config.num_hidden_layers));
  }
  LWQ_ASSIGN_OR_RETURN(const std::optional<GptqConfig> quantization, QuantizationOf(config));
  BlockState state;
  for (const LinearKind kind : kAllLinears) {
    const std::string name = absl::StrCat(BlockPrefix(block), LinearName(kind));
    const LinearShape shape = ShapeOf(config, kind);
    LWQ_ASSIGN_OR_RETURN(const GptqModule module, ModuleOf(quantization, name, shape.in_features));
    LWQ_ASSIGN_OR_RETURN(LinearWeight weight, ReadLinear(source, name, module, shape));
    state.linears.emplace(kind, std::move(weight));
  }
  const std::vector<int64_t> hidden = {config.hidden_size};
  LWQ_ASSIGN_OR_RETURN(state.input_norm, ReadFloat(source, absl::StrCat(BlockPrefix(block), kInputNorm), hidden));
  LWQ_ASSIGN_OR_RETURN(state.post_attention_norm,
                       ReadFloat(source, absl::StrCat(BlockPrefix(block), kPostAttentionNorm), hidden));
  return state;
}

StatusOr<HeadWeights> LoadHead(TensorSource& source, const LlamaConfig& config) {
  const std::vector<int64_t> vocabulary = {config.vocab_size, config.hidden_size};
  HeadWeights head;
  LWQ_ASSIGN_OR_RETURN(head.embedding, ReadFloat(source, kEmbedding, vocabulary));
  LWQ_ASSIGN_OR_RETURN(head.final_norm, ReadFloat(source, kFinalNorm, {config.hidden_size}));
  if (config.tie_word_embeddings) {
    head.lm_head = head.embedding;
  } else {
    LWQ_ASSIGN_OR_RETURN(head.lm_head, ReadFloat(source, kLmHead, vocabulary));
  }
  return head;
}

}  // namespace lwq::qat
