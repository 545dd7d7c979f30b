// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/quant/quantizer_reference.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/amin.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/round.h>
#include <ATen/ops/where.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "worker/qat/device/torch_guard.h"

namespace lwq::qat {
namespace {

[[noreturn]] void ThrowInvalid(const std::string& message) {
  throw StatusError(absl::InvalidArgumentError(message));
}

std::string Shape(const at::Tensor& tensor) {
  return absl::StrCat("[", absl::StrJoin(tensor.sizes(), ", "), "]");
}

float MaxCode(int bits) {
  return static_cast<float>((1 << bits) - 1);
}

// f(x) with the gradient of x. In this order of operations because EfficientQAT computes it so: (f − x) + x is f
// wherever f rounds, but may miss a clamp's bound by one ulp.
at::Tensor StraightThrough(const at::Tensor& value, const at::Tensor& x) {
  return (value - x).detach() + x;
}

// Exactly f, with the gradient of x; NaN where x is not finite.
at::Tensor ExactlyStraightThrough(const at::Tensor& value, const at::Tensor& x) {
  return value + (x - x.detach());
}

at::Tensor EffectiveScale(const at::Tensor& scale) {
  return ExactlyStraightThrough(at::clamp(scale.detach(), kMinScale, kMaxScale), scale);
}

at::Tensor EffectiveZero(const at::Tensor& zero_point, float max_code) {
  const at::Tensor rounded = StraightThrough(at::round(zero_point), zero_point);
  return StraightThrough(at::clamp(rounded, 0, max_code), rounded);
}

// clamp(x, 0, max_code) whose gradient is 1 at the bounds, too, where the codes 0 and max_code lie: at::clamp has
// passed none there since LibTorch 2.14, which would stop those codes from training. In 1.13 its backward does not run
// on meta tensors either.
class TrueClamp : public torch::autograd::Function<TrueClamp> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, double max_code) {
    context->save_for_backward({x});
    context->saved_data["max_code"] = max_code;
    return at::clamp(x, 0, max_code);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list upstream) {
    const at::Tensor x = context->get_saved_variables()[0].detach();
    const at::Tensor inside = (x >= 0) & (x <= context->saved_data["max_code"].toDouble());
    return {upstream[0] * inside, at::Tensor()};
  }
};

// Of 2 bits: zero points become 1 or 2. Where one moves, the levels on the side of the longer tail are fewer than the
// range asked for, and the scale grows until they reach its end.
void MoveToMiddle(const at::Tensor& minimum, const at::Tensor& maximum, double min_scale, QuantizerInit& init) {
  const at::Tensor rounded = at::round(init.zero_point.detach());
  const at::Tensor zero = at::clamp(rounded, kLowMiddleZeroPoint, kHighMiddleZeroPoint);
  const at::Tensor reaching = at::maximum(maximum / (MaxCode(2) - zero), -minimum / zero);
  const at::Tensor covering = at::clamp(at::maximum(init.scale, reaching), min_scale, kMaxScale);
  init.scale = at::where(zero == rounded, init.scale, covering);
  init.zero_point = ExactlyStraightThrough(zero, init.zero_point);
}

QuantizerInit SymmetricOfRange(const at::Tensor& minimum, const at::Tensor& maximum, int bits, double min_scale) {
  const at::Tensor largest = at::maximum(at::abs(minimum), at::abs(maximum));
  const at::Tensor scale = at::clamp(largest / SymmetricZeroPoint(bits), min_scale, kMaxScale);
  return {scale, at::full_like(scale, SymmetricZeroPoint(bits))};
}

// Whole numbers 0 … max_code, [rows, group].
at::Tensor Codes(const at::Tensor& grouped, const at::Tensor& scale, const at::Tensor& zero, float max_code) {
  const at::Tensor ratio = grouped / scale;
  return TrueClamp::apply(StraightThrough(at::round(ratio), ratio) + zero, max_code);
}

}  // namespace

void CheckBits(int bits) {
  if (bits < 2 || bits > 8 || bits == 7) ThrowInvalid(absl::StrCat("bits is ", bits, ": use 2, 3, 4, 5, 6 or 8"));
}

int64_t ResolveGroupSize(int64_t in_features, int64_t group_size) {
  if (group_size == -1) return in_features;
  if (group_size < 1 || in_features % group_size != 0) {
    ThrowInvalid(absl::StrCat("group_size ", group_size, " does not divide the ", in_features,
                              " input features: use a divisor, or -1 for whole rows"));
  }
  return group_size;
}

int64_t CheckQuantizerShapes(const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& zero_point, int bits,
                             int64_t group_size) {
  CheckBits(bits);
  if (weight.dim() != 2 || weight.scalar_type() != at::kFloat) {
    ThrowInvalid(absl::StrCat("a quantizer's weight is fp32 [out, in], not ", c10::toString(weight.scalar_type()), " ",
                              Shape(weight)));
  }
  const int64_t group = ResolveGroupSize(weight.size(1), group_size);
  const int64_t rows = group == 0 ? 0 : weight.numel() / group;
  for (const at::Tensor& parameter : {scale, zero_point}) {
    if (parameter.dim() != 2 || parameter.size(0) != rows || parameter.size(1) != 1 ||
        parameter.scalar_type() != at::kFloat) {
      ThrowInvalid(absl::StrCat("scale and zero_point of a weight ", Shape(weight), " at group_size ", group_size,
                                " are fp32 [", rows, ", 1], not ", c10::toString(parameter.scalar_type()), " ",
                                Shape(parameter)));
    }
  }
  return group;
}

QuantizerInit InitQuantizer(const at::Tensor& weight, int bits, int64_t group_size, bool range_contains_zero,
                            double min_scale, ZeroPoints zero_points) {
  CheckBits(bits);
  if (weight.dim() != 2 || weight.numel() == 0) {
    ThrowInvalid(absl::StrCat("a quantizer's weight is [out, in] and not empty, not ", Shape(weight)));
  }
  c10::AutoGradMode no_grad(false);
  const at::Tensor grouped = weight.detach().to(at::kFloat).reshape({-1, ResolveGroupSize(weight.size(1), group_size)});
  at::Tensor minimum = at::amin(grouped, {-1}, /*keepdim=*/true);
  at::Tensor maximum = at::amax(grouped, {-1}, /*keepdim=*/true);
  if (range_contains_zero) {
    minimum = minimum.clamp_max(0);
    maximum = maximum.clamp_min(0);
  }
  QuantizerInit init = QuantizerOfRange(minimum, maximum, bits, min_scale, zero_points);
  init.zero_point = at::round(init.zero_point);
  return init;
}

QuantizerInit QuantizerOfRange(const at::Tensor& minimum, const at::Tensor& maximum, int bits, double min_scale,
                               ZeroPoints zero_points) {
  if (zero_points == ZeroPoints::kSymmetric) return SymmetricOfRange(minimum, maximum, bits, min_scale);
  const at::Tensor scale = at::clamp((maximum - minimum) / MaxCode(bits), min_scale, kMaxScale);
  QuantizerInit quantizer = {scale, -at::clamp(minimum / scale, -kMaxInitialZeroPoint, kMaxInitialZeroPoint)};
  if (zero_points == ZeroPoints::kMiddle && bits == 2) MoveToMiddle(minimum, maximum, min_scale, quantizer);
  return quantizer;
}

at::Tensor FakeQuantReference(const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& zero_point, int bits,
                              int64_t group_size) {
  const int64_t group = CheckQuantizerShapes(weight, scale, zero_point, bits, group_size);
  if (weight.numel() == 0) return weight;
  const at::Tensor s = EffectiveScale(scale);
  const at::Tensor z = EffectiveZero(zero_point, MaxCode(bits));
  const at::Tensor codes = Codes(weight.reshape({-1, group}), s, z, MaxCode(bits));
  return ((codes - z) * s).reshape(weight.sizes());
}

QuantizerGradients FakeQuantGradientsReference(const at::Tensor& weight, const at::Tensor& scale,
                                               const at::Tensor& zero_point, int bits, int64_t group_size,
                                               const at::Tensor& upstream, bool weight_gradient) {
  const int64_t group = CheckQuantizerShapes(weight, scale, zero_point, bits, group_size);
  c10::AutoGradMode no_grad(false);
  const at::Tensor s = EffectiveScale(scale);
  const at::Tensor z = EffectiveZero(zero_point, MaxCode(bits));
  const at::Tensor u = upstream.to(at::kFloat).reshape({-1, group});
  const at::Tensor ratio = weight.reshape({-1, group}) / s;
  const at::Tensor rounded = StraightThrough(at::round(ratio), ratio);
  const at::Tensor level = at::minimum(at::maximum(rounded, -z), MaxCode(bits) - z);
  const at::Tensor inside = level == rounded;
  QuantizerGradients gradients;
  gradients.scale = (u * (level - ratio * inside)).sum({-1}, /*keepdim=*/true);
  gradients.zero_point = -(u * (level != rounded)).sum({-1}, /*keepdim=*/true) * s;
  if (weight_gradient) gradients.weight = (u * inside).reshape(weight.sizes());
  return gradients;
}

at::Tensor RoundScaleToFp16Ste(const at::Tensor& scale) {
  return ExactlyStraightThrough(at::clamp(scale.detach(), kMinScale, kMaxScale).to(at::kHalf).to(at::kFloat), scale);
}

at::Tensor ConfineZeroPointSte(const at::Tensor& zero_point) {
  return ExactlyStraightThrough(at::clamp(zero_point.detach(), kLowMiddleZeroPoint, kHighMiddleZeroPoint), zero_point);
}

at::Tensor ClampScaleAsEfficientQat(const at::Tensor& scale) {
  return StraightThrough(at::clamp(scale, kEfficientQatMinScale, kMaxScale), scale);
}

QuantizedParts QuantizeReference(const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& zero_point,
                                 int bits, int64_t group_size) {
  const int64_t group = CheckQuantizerShapes(weight, scale, zero_point, bits, group_size);
  c10::AutoGradMode no_grad(false);
  QuantizedParts parts;
  parts.scale = EffectiveScale(scale);
  parts.zero = EffectiveZero(zero_point, MaxCode(bits));
  parts.codes = Codes(weight.reshape({-1, group}), parts.scale, parts.zero, MaxCode(bits)).reshape(weight.sizes());
  return parts;
}

}  // namespace lwq::qat
