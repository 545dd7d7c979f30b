// SPDX-License-Identifier: Apache-2.0
#include "common/model/check_model.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "common/model/quantization.h"

namespace lwq {
namespace {

// `dtype` F16 stands for any float.
Status CheckTensor(const TensorSource& source, std::string_view name, const std::vector<int64_t>& shape,
                   DType dtype = DType::kF16) {
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
  const bool is_float = IsFloat(dtype);
  const bool fits = is_float ? IsFloat(entry.dtype) : entry.dtype == dtype;
  if (fits && entry.other_dtype.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("tensor '", name, "' is ", entry.dtype_name(), "; it must be ",
                                                 is_float ? "F32, F16, BF16 or F64" : DTypeName(dtype)));
}

bool IsLinearWeight(std::string_view name) {
  if (!name.starts_with("model.layers.")) return false;
  return std::any_of(std::begin(kAllLinears), std::end(kAllLinears), [name](LinearKind kind) {
    return name.ends_with(absl::StrCat(".", LinearName(kind), ".weight"));
  });
}

}  // namespace

Status CheckFloatTensor(const TensorSource& source, std::string_view name, const std::vector<int64_t>& shape) {
  return CheckTensor(source, name, shape);
}

Status CheckLinearTensors(const TensorSource& source, std::string_view linear, const LinearStorage& storage,
                          const LinearShape& shape) {
  if (!storage.quantized) {
    return CheckTensor(source, absl::StrCat(linear, ".weight"), {shape.out_features, shape.in_features});
  }
  for (const ExportTensor& tensor : StoredTensors(storage, shape)) {
    LWQ_RETURN_IF_ERROR(CheckTensor(source, absl::StrCat(linear, tensor.suffix), tensor.shape, tensor.dtype));
  }
  return absl::OkStatus();
}

Status CheckModelTensors(const LlamaConfig& config, const TensorSource& source) {
  LWQ_ASSIGN_OR_RETURN(const std::optional<ModuleRules> quantization, QuantizationOf(config));
  for (const auto& [name, shape] : ExpectedTensors(config)) {
    if (IsLinearWeight(name) || name == kEmbeddingTensor) continue;
    LWQ_RETURN_IF_ERROR(CheckTensor(source, name, shape));
  }
  const std::vector<int64_t> vocabulary = {config.vocab_size, config.hidden_size};
  LWQ_RETURN_IF_ERROR(CheckTensor(source, EmbeddingTensorOf(config, source), vocabulary));
  LWQ_RETURN_IF_ERROR(CheckTensor(source, HeadTensorOf(config, source), vocabulary));
  for (int64_t block = 0; block < config.num_hidden_layers; ++block) {
    for (const LinearKind kind : kAllLinears) {
      const std::string linear = absl::StrCat(BlockPrefix(block), LinearName(kind));
      const LinearShape shape = ShapeOf(config, kind);
      LWQ_ASSIGN_OR_RETURN(const LinearStorage storage, StorageOf(quantization, linear, shape.in_features));
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
