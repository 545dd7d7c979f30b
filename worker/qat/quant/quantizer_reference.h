// SPDX-License-Identifier: Apache-2.0
// The quantizer as a chain of at:: operators, slow and obvious: EfficientQAT's UniformAffineQuantizer (arXiv
// 2407.11062, quantize/quantizer.py) in its own arithmetic order. The fused kernels (fake_quant.h) are bit-equal to it
// forward; off the CPU it is what runs, and for double backward everywhere.
//
// Shapes: weight [out, in] fp32; scale and zero_point [rows, 1] fp32 with rows = out × in / group_size; row o × (in /
// group_size) + g belongs to output o, columns g × group_size … A group_size of −1 is a whole row (in).
// With qmax = 2^bits − 1:
//   s = clamp_ste(scale, 2^-24, 1e4), z = clamp_ste(round_ste(zero_point), 0, qmax)
//   q = clamp(round_ste(weight / s) + z, 0, qmax)       a true clamp: no gradient outside
//   fake_quant = (q − z) · s
// where f_ste(x) = (f(x) − x) + x with the bracket detached: NaN and infinite inputs give NaN, so a diverged weight
// shows in the loss. Of the scale's clamp, f(x) + (x − x), which hits its bounds exactly.
//
// Scales go down to the smallest fp16 number. Below fp16's normal numbers (2^-14) they become coarse, but weights of
// that size are so in fp16, too; a floor above that costs such groups most of their levels (rescale a function so that
// its weights are small and their neighbours large: nothing else may change). EfficientQAT's own floor is 1e-4, in its
// own arithmetic: ClampScaleAsEfficientQat. Rounding is half to even. Runs on every device, meta included;
// differentiable as often as wanted. Thread-safety: no state. Wrong shapes or bits throw StatusError
// (INVALID_ARGUMENT).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "common/recipe/zero_points.h"

namespace lwq::qat {

inline constexpr double kMinScale = 0x1p-24;  // the smallest fp16 number
inline constexpr double kEfficientQatMinScale = 1e-4;
inline constexpr double kMaxScale = 1e4;
inline constexpr double kMaxInitialZeroPoint = 1e4;
// Of 2 bits, with ZeroPoints::kMiddle: zero is one of the two codes in the middle, so that levels go from −1 to 2 or
// from −2 to 1.
inline constexpr double kLowMiddleZeroPoint = 1;
inline constexpr double kHighMiddleZeroPoint = 2;

struct QuantizerInit {
  at::Tensor scale;       // [rows, 1] fp32, from min_scale to 1e4
  at::Tensor zero_point;  // [rows, 1] fp32, whole numbers, not clamped to 0 … qmax
};

// From minimum and maximum of each group: s = clamp((max − min) / qmax), z = round(−clamp(min / s, ±1e4)).
// range_contains_zero widens the range to min(min, 0) … max(max, 0) first, so that every zero point lies in 0 … qmax
// and zero is exact; false is EfficientQAT's. With ZeroPoints::kMiddle, which at other widths than 2 bits does nothing,
// z is clamped to 1 … 2, and the scale of a group whose z that moves is what then covers the group's weights: s =
// max(max / (3 − z), −min / z), never below what it was. No gradient.
//
// With ZeroPoints::kSymmetric z = 2^(bits − 1) and s = clamp(max|w| / 2^(bits − 1)), whatever range_contains_zero says:
// the largest weight, where it is negative, is the code 0; where it is positive it is clipped by at most one step. The
// other two scales in use clip less and round everything more coarsely: 2 max|w| / qmax, the symmetric range cut into
// qmax steps (GPTQ's reference quantizer with sym, arXiv 2210.17323), and max|w| / (2^(bits − 1) − 1), which leaves one
// code unused. docs/adr/0037-served.md has what they cost (scripts/compare_symmetric_scales).
//
// QuantizerOfRange is that of ranges [minimum, maximum], [rows, 1] each, with zero points before they are rounded:
// differentiable, a confined zero point's gradient straight through, none through a scale at one of its ends.
QuantizerInit QuantizerOfRange(const at::Tensor& minimum, const at::Tensor& maximum, int bits, double min_scale,
                               ZeroPoints zero_points);
QuantizerInit InitQuantizer(const at::Tensor& weight, int bits, int64_t group_size, bool range_contains_zero,
                            double min_scale = kMinScale, ZeroPoints zero_points = ZeroPoints::kAny);

at::Tensor FakeQuantReference(const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& zero_point, int bits,
                              int64_t group_size);

// The gradients of FakeQuantReference in closed form (fake_quant.h): U upstream [out, in], fp32 or bf16. Unlike
// autograd's they need nothing that was computed forward. Not differentiable. grad_weight is undefined unless wanted.
struct QuantizerGradients {
  at::Tensor weight, scale, zero_point;
};
QuantizerGradients FakeQuantGradientsReference(const at::Tensor& weight, const at::Tensor& scale,
                                               const at::Tensor& zero_point, int bits, int64_t group_size,
                                               const at::Tensor& upstream, bool weight_gradient);

// The scale that will be stored: clamped to [2^-24, 1e4], then rounded to the nearest fp16 number, as fp32. Gradient:
// straight through.
// Pass the result to FakeQuant: it leaves such scales unchanged, so training sees what is stored.
at::Tensor RoundScaleToFp16Ste(const at::Tensor& scale);

// The zero point confined to the middle ones: clamped to 1 … 2. Gradient: straight through, so that a zero point that
// the optimizer carries outside comes back. Pass the result to FakeQuant, which rounds it to one of the two.
at::Tensor ConfineZeroPointSte(const at::Tensor& zero_point);

// EfficientQAT's scale where it is not rounded to fp16: clamp_ste(scale, 1e-4, 1e4) as it computes it, which misses a
// bound by a rounding. Gradient: straight through.
at::Tensor ClampScaleAsEfficientQat(const at::Tensor& scale);

// The integers behind fake_quant: codes (fp32 whole numbers 0 … qmax, [out, in]; NaN where the weight is not finite),
// and the s and z above. No gradient.
struct QuantizedParts {
  at::Tensor codes;
  at::Tensor scale;
  at::Tensor zero;
};
QuantizedParts QuantizeReference(const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& zero_point,
                                 int bits, int64_t group_size);

// Columns a group spans: in_features for −1. Throws StatusError when group_size does not divide in_features, or for
// bits other than 2, 3, 4, 5, 6, 8.
int64_t ResolveGroupSize(int64_t in_features, int64_t group_size);
void CheckBits(int bits);
// The same for all three tensors of a quantizer; returns the columns a group spans.
int64_t CheckQuantizerShapes(const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& zero_point, int bits,
                             int64_t group_size);

}  // namespace lwq::qat
