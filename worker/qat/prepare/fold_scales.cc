// SPDX-License-Identifier: Apache-2.0
#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <cstring>
#include <variant>

#include "absl/strings/str_cat.h"
#include "worker/qat/api/prepare.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/model/load_block.h"
#include "worker/qat/prepare/scaled_linears.h"

namespace lwq::qat {
namespace {

// A folded block, linear by linear; each is read once and multiplied as often as it has neighbours.
class Folding {
 public:
  Folding(const LlamaConfig& config, const BlockState& block, const BlockScales& scales)
      : config_(config), block_(block), scales_(scales) {}

  BlockState Fold() const {
    BlockState folded = block_;
    for (const LinearKind kind : kAllLinears) folded.linears[kind] = Weight(kind);
    for (const auto& [kind, bias] : block_.biases) {
      if (IsSource(kind)) folded.biases[kind] = Bias(kind);
    }
    folded.input_norm = Norm(block_.input_norm, kInputNorm, ScaledSource::kInputNorm);
    folded.post_attention_norm = Norm(block_.post_attention_norm, kPostAttentionNorm, ScaledSource::kPostAttentionNorm);
    return folded;
  }

 private:
  static bool IsSource(LinearKind kind) { return kind == LinearKind::kV || kind == LinearKind::kUp; }
  static ScaledSource SourceOf(LinearKind kind) {
    return kind == LinearKind::kV ? ScaledSource::kValues : ScaledSource::kUp;
  }

  at::Tensor Scales(ScaledSource source) const {
    return ToTensor(scales_[static_cast<size_t>(source)], at::kFloat, at::kCPU);
  }

  // Columns by the scales of what they read, then rows by those of what they make.
  HostTensor Weight(LinearKind kind) const {
    const ScaledSource read = SourceReadBy(kind);
    at::Tensor weight = LoadLinear(config_, block_, kind, at::kFloat, at::kCPU);
    weight.mul_(ColumnScales(config_, read, Scales(read)));
    if (IsSource(kind)) weight.div_(Scales(SourceOf(kind)).unsqueeze(1));
    return ToHostTensor(weight);
  }

  HostTensor Bias(LinearKind kind) const {
    return ToHostTensor(LoadBias(config_, block_, kind, at::kFloat, at::kCPU).div_(Scales(SourceOf(kind))));
  }

  HostTensor Norm(const HostTensor& norm, std::string_view name, ScaledSource source) const {
    return ToHostTensor(LoadNorm(config_, norm, name, at::kCPU).div_(Scales(source)));
  }

  const LlamaConfig& config_;
  const BlockState& block_;
  const BlockScales& scales_;
};

Status CheckFullPrecision(const BlockState& block) {
  for (const auto& [kind, weight] : block.linears) {
    if (!std::holds_alternative<QuantizedLinear>(weight)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(LinearName(kind), " is quantized already: scales are worked into full-precision blocks"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view ScaledSourceName(ScaledSource source) {
  switch (source) {
    case ScaledSource::kInputNorm:
      return kInputNorm.substr(0, kInputNorm.rfind('.'));
    case ScaledSource::kValues:
      return LinearName(LinearKind::kV);
    case ScaledSource::kPostAttentionNorm:
      return kPostAttentionNorm.substr(0, kPostAttentionNorm.rfind('.'));
    case ScaledSource::kUp:
      return LinearName(LinearKind::kUp);
  }
  LWQ_CHECK(false, "no source ", static_cast<int>(source));
}

int64_t ChannelsOf(const LlamaConfig& config, ScaledSource source) {
  switch (source) {
    case ScaledSource::kInputNorm:
    case ScaledSource::kPostAttentionNorm:
      return config.hidden_size;
    case ScaledSource::kValues:
      return ShapeOf(config, LinearKind::kV).out_features;
    case ScaledSource::kUp:
      return ShapeOf(config, LinearKind::kUp).out_features;
  }
  LWQ_CHECK(false, "no source ", static_cast<int>(source));
}

Status CheckScales(const LlamaConfig& config, const BlockScales& scales) {
  for (const ScaledSource source : kScaledSources) {
    const HostTensor& tensor = scales[static_cast<size_t>(source)];
    const std::vector<int64_t> shape = {ChannelsOf(config, source)};
    const auto bytes = static_cast<size_t>(shape[0]) * sizeof(float);
    if (tensor.dtype != DType::kF32 || tensor.shape != shape || tensor.bytes.size() != bytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("scales of ", ScaledSourceName(source), " are ", DTypeName(tensor.dtype), " ",
                       ShapeText(tensor.shape), ", expected F32 ", ShapeText(shape), ": they belong to another model"));
    }
    for (size_t at = 0; at < bytes; at += sizeof(float)) {
      float scale = 0;
      std::memcpy(&scale, tensor.bytes.view().data() + at, sizeof(scale));
      if (std::isfinite(scale) && scale > 0) continue;
      return absl::InvalidArgumentError(absl::StrCat("scale ", at / sizeof(float), " of ", ScaledSourceName(source),
                                                     " is ", scale, ": scales are positive numbers"));
    }
  }
  return absl::OkStatus();
}

StatusOr<BlockState> FoldScales(const LlamaConfig& config, const BlockState& block, const BlockScales& scales) {
  LWQ_RETURN_IF_ERROR(CheckScales(config, scales));
  LWQ_RETURN_IF_ERROR(CheckFullPrecision(block));
  return TorchGuard("working scales into a block", [&]() -> StatusOr<BlockState> {
    const c10::NoGradGuard no_grad;
    return Folding(config, block, scales).Fold();
  });
}

}  // namespace lwq::qat
