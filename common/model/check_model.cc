// SPDX-License-Identifier: Apache-2.0
#include "common/model/check_model.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "common/export_format/gptq_v2.h"

namespace lwq {
namespace {

Status CheckTensor(const TensorSource& source, std::string_view name, const std::vector<int64_t>& shape,
                   bool is_float) {
  const auto found = source.entries().find(std::string(name));
  if (found == source.entries().end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the model has no tensor '", name, "', which its config.json asks for", source.WhyAbsent(name)));
  }
  const SafetensorsEntry& entry = found->second;
  if (entry.shape != shape) {
    return absl::InvalidArgumentError(absl::StrCat("tensor '", name, "' has shape ", ShapeText(entry.shape),
                                                   "; its config.json asks for ", ShapeText(shape)));
  }
  const bool fits = is_float ? IsFloat(entry.dtype) : entry.dtype == DType::kI32;
  if (fits && entry.other_dtype.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("tensor '", name, "' is ", entry.dtype_name(), "; it must be ",
                                                 is_float ? "F32, F16, BF16 or F64" : "I32"));
}

bool IsLinearWeight(std::string_view name) {
  if (!name.starts_with("model.layers.")) return false;
  return std::any_of(std::begin(kAllLinears), std::end(kAllLinears), [name](LinearKind kind) {
    return name.ends_with(absl::StrCat(".", LinearName(kind), ".weight"));
  });
}

}  // namespace

Status CheckFloatTensor(const TensorSource& source, std::string_view name, const std::vector<int64_t>& shape) {
  return CheckTensor(source, name, shape, /*is_float=*/true);
}

Status CheckLinearTensors(const TensorSource& source, std::string_view linear, const GptqModule& storage,
                          const LinearShape& shape) {
  const auto name = [linear](std::string_view tensor) { return absl::StrCat(linear, ".", tensor); };
  if (!storage.quantized) {
    return CheckTensor(source, name("weight"), {shape.out_features, shape.in_features}, /*is_float=*/true);
  }
  const GptqShapes shapes = GptqShapesOf({shape.out_features, shape.in_features, storage.bits, storage.group_size});
  LWQ_RETURN_IF_ERROR(CheckTensor(source, name("qweight"), shapes.qweight, /*is_float=*/false));
  LWQ_RETURN_IF_ERROR(CheckTensor(source, name("qzeros"), shapes.qzeros, /*is_float=*/false));
  LWQ_RETURN_IF_ERROR(CheckTensor(source, name("scales"), shapes.scales, /*is_float=*/true));
  return CheckTensor(source, name("g_idx"), shapes.g_idx, /*is_float=*/false);
}

Status CheckModelTensors(const LlamaConfig& config, const TensorSource& source) {
  LWQ_ASSIGN_OR_RETURN(const std::optional<GptqConfig> quantization, QuantizationOf(config));
  for (const auto& [name, shape] : ExpectedTensors(config)) {
    if (IsLinearWeight(name) || name == kEmbeddingTensor) continue;
    LWQ_RETURN_IF_ERROR(CheckTensor(source, name, shape, /*is_float=*/true));
  }
  const std::vector<int64_t> vocabulary = {config.vocab_size, config.hidden_size};
  LWQ_RETURN_IF_ERROR(CheckTensor(source, EmbeddingTensorOf(config, source), vocabulary, /*is_float=*/true));
  LWQ_RETURN_IF_ERROR(CheckTensor(source, HeadTensorOf(config, source), vocabulary, /*is_float=*/true));
  for (int64_t block = 0; block < config.num_hidden_layers; ++block) {
    for (const LinearKind kind : kAllLinears) {
      const std::string linear = absl::StrCat(BlockPrefix(block), LinearName(kind));
      const LinearShape shape = ShapeOf(config, kind);
      LWQ_ASSIGN_OR_RETURN(const GptqModule storage, StorageOf(quantization, linear, shape.in_features));
      LWQ_RETURN_IF_ERROR(CheckLinearTensors(source, linear, storage, shape));
    }
  }
  return absl::OkStatus();
}

Status CheckNoBias(TensorSource& source, std::string_view linear, std::string_view architecture) {
  const std::string bias_name = absl::StrCat(linear, ".bias");
  if (!source.entries().contains(bias_name)) return absl::OkStatus();
  LWQ_ASSIGN_OR_RETURN(const HostTensor bias, source.Read(bias_name));
  const std::string_view bytes = bias.bytes.view();
  if (std::all_of(bytes.begin(), bytes.end(), [](char byte) { return byte == 0; })) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("tensor ", bias_name, " is not zero: ", architecture,
                   " has no bias there by its config.json, and transformers would leave it out"));
}

Status CheckBiases(const LlamaConfig& config, TensorSource& source) {
  for (int64_t block = 0; block < config.num_hidden_layers; ++block) {
    for (const LinearKind kind : kAllLinears) {
      if (config.HasBias(kind)) continue;
      LWQ_RETURN_IF_ERROR(CheckNoBias(source, absl::StrCat(BlockPrefix(block), LinearName(kind)), config.architecture));
    }
  }
  return absl::OkStatus();
}

}  // namespace lwq
