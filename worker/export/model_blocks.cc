// SPDX-License-Identifier: Apache-2.0
#include "worker/export/model_blocks.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/model/check_model.h"
#include "common/model/gptq_config.h"
#include "common/model/model_config.h"
#include "worker/export/gptq_v2/gptq_layout.h"
#include "worker/export/half.h"

namespace lwq::qat {
namespace {

StatusOr<HostTensor> ReadFloat(TensorSource& source, const std::string& name, const std::vector<int64_t>& shape) {
  LWQ_RETURN_IF_ERROR(CheckFloatTensor(source, name, shape));
  return source.Read(name);
}

StatusOr<LinearWeight> ReadLinear(TensorSource& source, const std::string& name, const GptqModule& module,
                                  const LinearShape& shape) {
  LWQ_RETURN_IF_ERROR(CheckLinearTensors(source, name, module, shape));
  if (!module.quantized) return source.Read(name + ".weight");
  GptqTensors tensors;
  LWQ_ASSIGN_OR_RETURN(tensors.qweight, source.Read(name + ".qweight"));
  LWQ_ASSIGN_OR_RETURN(tensors.qzeros, source.Read(name + ".qzeros"));
  LWQ_ASSIGN_OR_RETURN(tensors.scales, source.Read(name + ".scales"));
  LWQ_ASSIGN_OR_RETURN(tensors.g_idx, source.Read(name + ".g_idx"));
  return UnpackGptq(tensors, shape.out_features, shape.in_features, module.bits, module.group_size, name);
}

}  // namespace

StatusOr<LlamaConfig> ReadModelConfig(const FileTree& model) {
  LWQ_ASSIGN_OR_RETURN(const Bytes config, model.ReadAll("config.json"));
  Bytes quantize_config;
  if (model.Contains("quantize_config.json")) {
    LWQ_ASSIGN_OR_RETURN(quantize_config, model.ReadAll("quantize_config.json"));
  }
  return ParseModelConfig(config.view(), quantize_config.view());
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
    LWQ_ASSIGN_OR_RETURN(const GptqModule module, StorageOf(quantization, name, shape.in_features));
    LWQ_ASSIGN_OR_RETURN(LinearWeight weight, ReadLinear(source, name, module, shape));
    state.linears.emplace(kind, std::move(weight));
    if (config.HasBias(kind)) {
      LWQ_ASSIGN_OR_RETURN(state.biases[kind], ReadFloat(source, name + ".bias", {shape.out_features}));
    } else {
      LWQ_RETURN_IF_ERROR(CheckNoBias(source, name, config.architecture));
    }
  }
  const std::vector<int64_t> hidden = {config.hidden_size};
  LWQ_ASSIGN_OR_RETURN(state.input_norm, ReadFloat(source, absl::StrCat(BlockPrefix(block), kInputNorm), hidden));
  LWQ_ASSIGN_OR_RETURN(state.post_attention_norm,
                       ReadFloat(source, absl::StrCat(BlockPrefix(block), kPostAttentionNorm), hidden));
  if (config.query_key_norms) {
    const std::vector<int64_t> head = {config.head_dim};
    LWQ_ASSIGN_OR_RETURN(state.query_norm, ReadFloat(source, absl::StrCat(BlockPrefix(block), kQueryNorm), head));
    LWQ_ASSIGN_OR_RETURN(state.key_norm, ReadFloat(source, absl::StrCat(BlockPrefix(block), kKeyNorm), head));
  }
  return state;
}

StatusOr<HostTensor> LoadEmbedding(TensorSource& source, const LlamaConfig& config) {
  return ReadFloat(source, EmbeddingTensorOf(config, source), {config.vocab_size, config.hidden_size});
}

StatusOr<HeadWeights> LoadHead(TensorSource& source, const LlamaConfig& config) {
  HeadWeights head;
  LWQ_ASSIGN_OR_RETURN(head.embedding, LoadEmbedding(source, config));
  LWQ_ASSIGN_OR_RETURN(head.final_norm, ReadFloat(source, std::string(kFinalNormTensor), {config.hidden_size}));
  const std::string head_name = HeadTensorOf(config, source);
  if (head_name == EmbeddingTensorOf(config, source)) {
    head.lm_head = head.embedding;
  } else {
    LWQ_ASSIGN_OR_RETURN(head.lm_head, ReadFloat(source, head_name, {config.vocab_size, config.hidden_size}));
  }
  return head;
}

}  // namespace lwq::qat
