// SPDX-License-Identifier: Apache-2.0
#include "common/export/model_blocks.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/export/compressed_tensors/packed_linear.h"
#include "common/export/gptq/gptq_linear.h"
#include "common/export/half.h"
#include "common/export_format/compressed_tensors.h"
#include "common/export_format/gptq.h"
#include "common/model/check_model.h"
#include "common/model/model_config.h"
#include "common/model/quantization.h"

namespace lwq::qat {
namespace {

StatusOr<HostTensor> ReadFloat(TensorSource& source, const std::string& name, const std::vector<int64_t>& shape) {
  LWQ_RETURN_IF_ERROR(CheckFloatTensor(source, name, shape));
  return source.Read(name);
}

StatusOr<QuantizedLinear> ReadGptq(TensorSource& source, const std::string& name, const LinearStorage& storage,
                                   const LinearShape& shape) {
  GptqTensors tensors;
  LWQ_ASSIGN_OR_RETURN(tensors.qweight, source.Read(name + ".qweight"));
  LWQ_ASSIGN_OR_RETURN(tensors.qzeros, source.Read(name + ".qzeros"));
  LWQ_ASSIGN_OR_RETURN(tensors.scales, source.Read(name + ".scales"));
  LWQ_ASSIGN_OR_RETURN(tensors.g_idx, source.Read(name + ".g_idx"));
  return UnpackGptq(tensors, shape.out_features, shape.in_features, storage.bits, storage.group_size, name,
                    StoredZerosOf(storage.format));
}

StatusOr<QuantizedLinear> ReadPacked(TensorSource& source, const std::string& name, const LinearStorage& storage,
                                     const LinearShape& shape) {
  PackedLinear packed;
  LWQ_ASSIGN_OR_RETURN(packed.weight, source.Read(absl::StrCat(name, kPackedWeight)));
  LWQ_ASSIGN_OR_RETURN(packed.scale, source.Read(absl::StrCat(name, kPackedScale)));
  LWQ_ASSIGN_OR_RETURN(packed.shape, source.Read(absl::StrCat(name, kPackedShape)));
  if (!storage.symmetric) {
    LWQ_ASSIGN_OR_RETURN(packed.zero_point, source.Read(absl::StrCat(name, kPackedZeroPoint)));
  }
  return UnpackLinear(packed, storage, shape.out_features, shape.in_features, name);
}

}  // namespace

StatusOr<LinearWeight> LoadLinear(TensorSource& source, const std::string& name, const LinearStorage& storage,
                                  const LinearShape& shape) {
  LWQ_RETURN_IF_ERROR(CheckLinearTensors(source, name, storage, shape));
  if (!storage.quantized) return source.Read(name + ".weight");
  if (storage.format == ExportFormat::kCompressedTensors) return ReadPacked(source, name, storage, shape);
  return ReadGptq(source, name, storage, shape);
}

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
  LWQ_ASSIGN_OR_RETURN(const std::optional<ModuleRules> quantization, QuantizationOf(config));
  BlockState state;
  for (const LinearKind kind : kAllLinears) {
    const std::string name = absl::StrCat(BlockPrefix(block), LinearName(kind));
    const LinearShape shape = ShapeOf(config, kind);
    LWQ_ASSIGN_OR_RETURN(const LinearStorage storage, StorageOf(quantization, name, shape.in_features));
    LWQ_ASSIGN_OR_RETURN(LinearWeight weight, LoadLinear(source, name, storage, shape));
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
