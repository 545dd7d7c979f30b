// SPDX-License-Identifier: Apache-2.0
#include "common/export/export_plan.h"

#include <algorithm>
#include <utility>

namespace lwq::qat {
namespace {

// What of the export its tensors depend on.
struct PlannedFormat {
  ExportFormat format = ExportFormat::kGptqV2;
  ZeroPoints zero_points = ZeroPoints::kAny;
};

void PlanLinear(const std::string& name, const LinearFormat& linear, const PlannedFormat& format, int64_t block,
                std::vector<PlannedTensor>& tensors) {
  if (!linear.quantized()) {
    tensors.push_back({name + ".weight", linear.dtype, {linear.out_features, linear.in_features}, block, false});
    return;
  }
  const QuantizedShape shape = {linear.out_features, linear.in_features, linear.bits, linear.group_size,
                                format.zero_points};
  for (ExportTensor& tensor : TraitsOf(format.format).tensors(shape)) {
    tensors.push_back({absl::StrCat(name, tensor.suffix), tensor.dtype, std::move(tensor.shape), block,
                       tensor.stored_bits, tensor.encoding});
  }
}

std::vector<PlannedTensor> PlanBlock(const LlamaConfig& config, int64_t block, const BlockFormat& layout,
                                     const PlannedFormat& format) {
  const std::string prefix = BlockPrefix(block);
  std::vector<PlannedTensor> tensors;
  for (const auto& [kind, linear] : layout.linears) {
    PlanLinear(absl::StrCat(prefix, LinearName(kind)), linear, format, block, tensors);
  }
  const auto add_vector = [&](std::string_view name, DType dtype, int64_t size) {
    tensors.push_back({absl::StrCat(prefix, name), dtype, {size}, block, false});
  };
  for (const auto& [kind, dtype] : layout.biases) {
    add_vector(absl::StrCat(LinearName(kind), ".bias"), dtype, ShapeOf(config, kind).out_features);
  }
  add_vector(kInputNorm, layout.input_norm, config.hidden_size);
  add_vector(kPostAttentionNorm, layout.post_attention_norm, config.hidden_size);
  if (layout.query_norm) add_vector(kQueryNorm, *layout.query_norm, config.head_dim);
  if (layout.key_norm) add_vector(kKeyNorm, *layout.key_norm, config.head_dim);
  std::sort(tensors.begin(), tensors.end(), [](const PlannedTensor& a, const PlannedTensor& b) {
    const int width_a = DTypeBytes(a.dtype);
    const int width_b = DTypeBytes(b.dtype);
    return width_a != width_b ? width_a > width_b : a.name < b.name;
  });
  return tensors;
}

}  // namespace

Status CheckFormatHolds(ExportFormat format, int64_t block, const BlockFormat& layout, ZeroPoints zero_points) {
  for (const auto& [kind, linear] : layout.linears) {
    if (!linear.quantized()) continue;
    if (linear.group_size % TraitsOf(format).group_multiple != 0) {
      return absl::FailedPreconditionError(absl::StrCat(
          "block ", block, " ", LinearName(kind), ": ", WordOf(format), " holds groups that are multiples of ",
          TraitsOf(format).group_multiple, ", not of ", linear.group_size));
    }
    if (FormatHolds(format, linear.bits, zero_points)) continue;
    const bool held_symmetric = FormatHolds(format, linear.bits, ZeroPoints::kSymmetric);
    return absl::FailedPreconditionError(
        absl::StrCat("block ", block, " ", LinearName(kind), ": ", WordOf(format), " cannot hold ", linear.bits,
                     " bits", held_symmetric ? " that are not symmetric" : "",
                     "; formats that can: ", FormatsThatHold(linear.bits, /*files=*/true, zero_points)));
  }
  return absl::OkStatus();
}

int64_t PlannedTensor::bytes() const {
  int64_t bytes_of_all = DTypeBytes(dtype);
  for (const int64_t size : shape) bytes_of_all *= size;
  return bytes_of_all;
}

std::vector<PlannedTensor> PlanTensors(const LlamaConfig& config, const HeadDTypes& head, ExportFormat format,
                                       const std::vector<BlockFormat>& blocks, ZeroPoints zero_points) {
  const std::vector<int64_t> vocabulary = {config.vocab_size, config.hidden_size};
  const auto block_count = static_cast<int64_t>(blocks.size());
  std::vector<PlannedTensor> tensors = {{std::string(kEmbeddingTensor), head.embedding, vocabulary, -1, false}};
  for (int64_t block = 0; block < block_count; ++block) {
    for (PlannedTensor& tensor : PlanBlock(config, block, blocks[static_cast<size_t>(block)], {format, zero_points})) {
      tensors.push_back(std::move(tensor));
    }
  }
  tensors.push_back({std::string(kFinalNormTensor), head.final_norm, {config.hidden_size}, block_count, false});
  if (!config.tie_word_embeddings) {
    tensors.push_back({std::string(kHeadTensor), head.lm_head, vocabulary, block_count, false});
  }
  return tensors;
}

}  // namespace lwq::qat
