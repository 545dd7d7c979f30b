// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/e2e/scale_tensors.h"

#include <ATen/ops/cat.h>

#include "absl/strings/str_cat.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/quant/quantizer_reference.h"

namespace lwq::qat {
namespace {

const QuantizedLinear& Quantized(const BlockState& block, LinearKind kind) {
  return std::get<QuantizedLinear>(block.linears.at(kind));
}

}  // namespace

void CheckQuantized(const LlamaConfig& config, int64_t index, const BlockState& block) {
  for (const LinearKind kind : kAllLinears) {
    const auto found = block.linears.find(kind);
    if (found == block.linears.end() || !std::holds_alternative<QuantizedLinear>(found->second)) {
      throw StatusError(absl::InvalidArgumentError(
          absl::StrCat("block ", index, " has no quantized ", LinearName(kind),
                       ": E2E-QP trains the scales of a model whose blocks are all quantized")));
    }
    const QuantizedLinear& linear = std::get<QuantizedLinear>(found->second);
    const LinearShape shape = ShapeOf(config, kind);
    if (linear.out_features == shape.out_features && linear.in_features == shape.in_features) continue;
    throw StatusError(absl::InvalidArgumentError(
        absl::StrCat(LinearName(kind), " of block ", index, " is ", linear.out_features, "x", linear.in_features,
                     ", the model's configuration asks for ", shape.out_features, "x", shape.in_features,
                     ": the checkpoint belongs to another model")));
  }
}

int64_t ScalesOf(const BlockState& block) {
  int64_t count = 0;
  for (const LinearKind kind : kAllLinears) count += Quantized(block, kind).scales.elements();
  return count;
}

at::Tensor JoinedScales(const BlockState& block, at::Device device) {
  std::vector<at::Tensor> scales;
  for (const LinearKind kind : kAllLinears) {
    scales.push_back(ToTensor(Quantized(block, kind).scales, at::kFloat, device).flatten());
  }
  return at::cat(scales);
}

BlockState WithScales(const BlockState& block, const at::Tensor& scales, bool fp16_scales) {
  const at::Tensor detached = scales.detach();
  const at::Tensor served = fp16_scales ? RoundScaleToFp16Ste(detached) : ClampScaleAsEfficientQat(detached);
  BlockState result = block;
  int64_t first = 0;
  for (const LinearKind kind : kAllLinears) {
    auto& linear = std::get<QuantizedLinear>(result.linears.at(kind));
    const int64_t count = linear.scales.elements();
    linear.scales = ToHostTensor(served.narrow(0, first, count).reshape(linear.scales.shape).clone());
    first += count;
  }
  return result;
}

void AddScaleGradients(const BlockState& block, const std::vector<at::Tensor>& weight_gradients, at::Tensor& sum) {
  int64_t first = 0;
  for (size_t i = 0; i < weight_gradients.size(); ++i) {
    const QuantizedLinear& linear = Quantized(block, kAllLinears[i]);
    const int64_t count = linear.scales.elements();
    at::Tensor steps = ToTensor(linear.codes, at::kFloat, sum.device()).view({count, linear.group_size});
    steps.sub_(ToTensor(linear.zeros, at::kFloat, sum.device()).view({count, 1}));
    steps.mul_(weight_gradients[i].reshape({count, linear.group_size}));
    sum.narrow(0, first, count).add_(steps.sum(1));
    first += count;
  }
}

}  // namespace lwq::qat
