// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/quant/derive_codes.h"

#include <ATen/ops/isnan.h>
#include <c10/core/GradMode.h>

#include "absl/strings/str_cat.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/quant/quantizer_reference.h"

namespace lwq::qat {
namespace {

bool HasNan(const at::Tensor& tensor) {
  return at::isnan(tensor).any().item<bool>();
}

void CheckParts(const QuantizedLinear& linear) {
  CheckBits(linear.bits);
  const bool divides = linear.group_size >= 1 && linear.in_features % linear.group_size == 0;
  const std::vector<int64_t> codes_shape = {linear.out_features, linear.in_features};
  const std::vector<int64_t> groups_shape = {linear.out_features, divides ? linear.in_features / linear.group_size : 0};
  const bool fits = divides && linear.codes.dtype == DType::kU8 && linear.codes.shape == codes_shape &&
                    linear.scales.dtype == DType::kF32 && linear.scales.shape == groups_shape &&
                    linear.zeros.dtype == DType::kU8 && linear.zeros.shape == groups_shape;
  if (fits) return;
  throw StatusError(absl::InvalidArgumentError(absl::StrCat(
      "a quantized linear of ", linear.out_features, "x", linear.in_features, " at group_size ", linear.group_size,
      " has codes, scales or zeros of another shape or type: the checkpoint is damaged or from another program")));
}

}  // namespace

StatusOr<QuantizedLinear> DeriveQuantizedLinear(const at::Tensor& weight, const at::Tensor& scale,
                                                const at::Tensor& zero_point, int bits, int64_t group_size) {
  return TorchGuard("deriving codes", [&]() -> StatusOr<QuantizedLinear> {
    const int64_t group = CheckQuantizerShapes(weight, scale, zero_point, bits, group_size);
    const QuantizedParts parts = QuantizeReference(weight, scale, zero_point, bits, group);
    if (HasNan(parts.codes) || HasNan(parts.scale) || HasNan(parts.zero)) {
      return absl::InvalidArgumentError(
          "a weight, scale or zero point is not finite: the training diverged or the model is damaged");
    }
    QuantizedLinear linear;
    linear.bits = bits;
    linear.group_size = group;
    linear.out_features = weight.size(0);
    linear.in_features = weight.size(1);
    const std::vector<int64_t> groups_shape = {linear.out_features, linear.in_features / group};
    linear.codes = ToHostTensor(parts.codes.to(at::kByte));
    linear.scales =
        ToHostTensor(parts.scale.reshape(groups_shape).clone());  // a clamp that changed nothing may alias the input
    linear.zeros = ToHostTensor(parts.zero.to(at::kByte).reshape(groups_shape));
    return linear;
  });
}

at::Tensor Dequantize(const QuantizedLinear& linear, at::Device device) {
  CheckParts(linear);
  c10::AutoGradMode no_grad(false);
  const at::Tensor scales = ToTensor(linear.scales, at::kFloat, device).unsqueeze(-1);
  const at::Tensor zeros = ToTensor(linear.zeros, at::kFloat, device).unsqueeze(-1);
  at::Tensor weight = ToTensor(linear.codes, at::kFloat, device);
  weight.view({linear.out_features, -1, linear.group_size}).sub_(zeros).mul_(scales);
  return weight;
}

}  // namespace lwq::qat
