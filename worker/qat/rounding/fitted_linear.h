// SPDX-License-Identifier: Apache-2.0
// A linear whose weights are frozen and whose rounding is fitted: clipped ranges of its groups, and offsets of its
// weights.
//
// A group's range is [low · min, high · max] of its weights, scale and zero point are round-to-nearest's of that range
// (quantizer_reference.h, QuantizerOfRange), and the integers are those of the latent weights w + s · v: with u = w / s
// + v, round(u) + z. So the fused fake-quantizer computes all of it, and gradients of v, low and high are the chain
// rule through its own.
//
// The factors are the parameters themselves (SignRound), or their sigmoids (OmniQuant). Any device. Throws StatusError
// and LibTorch's exceptions: use inside TorchGuard. One thread. Moved, not copied: the parameters are shared with the
// optimizer.
#pragma once

#include <ATen/core/Tensor.h>

#include "worker/qat/api/fit_rounding.h"

namespace lwq::qat {

class FittedLinear {
 public:
  // `weight` [out, in] fp32. Rounded to nearest until Begin: factors are 1, offsets 0.
  FittedLinear(const at::Tensor& weight, const FitOptions& options);
  FittedLinear(FittedLinear&&) = default;

  // Sets the parameters to what the method starts from.
  void Begin();

  // [out, in] of `type`, differentiable; with gradients off exactly what the derived integers decode to.
  at::Tensor FakeQuantized(at::ScalarType type) const;
  // The integers, scales and zero points of the present state. INVALID_ARGUMENT where one is not finite.
  StatusOr<QuantizedLinear> Derive() const;
  // [out, in] fp32, no gradient: the weights behind them.
  at::Tensor Latent() const;

  // The parameters, [rows, group] and [rows, 1] each, rows in the order of the quantizer. Undefined offsets: there are
  // none. Those whose rate is 0 require no gradient.
  const at::Tensor& offsets() const { return offsets_; }
  const at::Tensor& low() const { return low_; }
  const at::Tensor& high() const { return high_; }
  // After a step: brings what left its interval back to the interval's end.
  void Confine();

 private:
  struct Quantizer {
    at::Tensor latent;      // [out, in]
    at::Tensor scale;       // [rows, 1], as served
    at::Tensor zero_point;  // [rows, 1], not rounded
  };
  Quantizer Present() const;
  at::Tensor Factor(const at::Tensor& parameter) const;

  RoundingFit fit_;
  int bits_;
  int64_t group_;
  bool fp16_scales_;
  ZeroPoints zero_points_;
  at::Tensor weight_;
  at::Tensor minimum_;  // [rows, 1]
  at::Tensor maximum_;
  at::Tensor low_;
  at::Tensor high_;
  at::Tensor offsets_;
};

}  // namespace lwq::qat
