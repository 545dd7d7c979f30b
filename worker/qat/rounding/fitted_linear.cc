// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/rounding/fitted_linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/amin.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <limits>

#include "worker/qat/quant/derive_codes.h"
#include "worker/qat/quant/fake_quant.h"
#include "worker/qat/quant/quantizer_reference.h"

namespace lwq::qat {
namespace {

constexpr double kLargestOffset = 0.5;
// OmniQuant's; σ(4) = 0.982.
constexpr double kInitialLogit = 4;
// Whose sigmoid is 1.
constexpr double kLogitOfOne = std::numeric_limits<double>::infinity();

}  // namespace

FittedLinear::FittedLinear(const at::Tensor& weight, const FitOptions& options)
    : fit_(options.fit),
      bits_(options.bits),
      group_(ResolveGroupSize(weight.size(1), options.group_size)),
      fp16_scales_(options.fp16_scales),
      zero_points_(options.zero_points),
      weight_(weight) {
  CheckBits(bits_);
  const at::Tensor grouped = weight.view({-1, group_});
  minimum_ = at::amin(grouped, {-1}, /*keepdim=*/true);
  maximum_ = at::amax(grouped, {-1}, /*keepdim=*/true);
  if (options.range_contains_zero) {
    minimum_.clamp_max_(0);
    maximum_.clamp_min_(0);
  }
  low_ = at::full_like(minimum_, fit_ == RoundingFit::kOmniQuant ? kLogitOfOne : 1.0);
  high_ = low_.clone();
  for (at::Tensor* factor : {&low_, &high_}) factor->set_requires_grad(options.range_lr != 0);
  if (fit_ != RoundingFit::kSignRound || options.offset_lr == 0) return;
  offsets_ = at::zeros_like(grouped);
  offsets_.set_requires_grad(true);
}

void FittedLinear::Begin() {
  if (fit_ != RoundingFit::kOmniQuant) return;
  const c10::NoGradGuard no_grad;
  low_.fill_(kInitialLogit);
  high_.fill_(kInitialLogit);
}

at::Tensor FittedLinear::Factor(const at::Tensor& parameter) const {
  return fit_ == RoundingFit::kOmniQuant ? at::sigmoid(parameter) : parameter;
}

FittedLinear::Quantizer FittedLinear::Present() const {
  const QuantizerInit range = QuantizerOfRange(minimum_ * Factor(low_), maximum_ * Factor(high_), bits_,
                                               fp16_scales_ ? kMinScale : kEfficientQatMinScale, zero_points_);
  Quantizer quantizer;
  quantizer.scale = fp16_scales_ ? RoundScaleToFp16Ste(range.scale) : range.scale;
  quantizer.zero_point = fit_ == RoundingFit::kOmniQuant ? range.zero_point.detach() : range.zero_point;
  quantizer.latent = offsets_.defined()
                         ? at::addcmul(weight_.view({-1, group_}), quantizer.scale, offsets_).view_as(weight_)
                         : weight_;
  return quantizer;
}

at::Tensor FittedLinear::FakeQuantized(at::ScalarType type) const {
  const Quantizer quantizer = Present();
  return FakeQuant(quantizer.latent, quantizer.scale, quantizer.zero_point, bits_, group_, type);
}

StatusOr<QuantizedLinear> FittedLinear::Derive() const {
  const c10::NoGradGuard no_grad;
  const Quantizer quantizer = Present();
  return DeriveQuantizedLinear(quantizer.latent, quantizer.scale, quantizer.zero_point, bits_, group_);
}

at::Tensor FittedLinear::Latent() const {
  const c10::NoGradGuard no_grad;
  return Present().latent;
}

void FittedLinear::Confine() {
  const c10::NoGradGuard no_grad;
  if (offsets_.defined()) offsets_.clamp_(-kLargestOffset, kLargestOffset);
  if (fit_ != RoundingFit::kSignRound) return;
  low_.clamp_(0, 1);
  high_.clamp_(0, 1);
}

}  // namespace lwq::qat
