// The kernels, written once over a `Lanes` type: 16 floats and the operations on them. Included by one source per
// instruction set, each compiled with its own flags, so everything here is in an unnamed namespace and includes nothing
// with inline functions of its own: code for AVX-512 must never be linked into another object's path.
//
// Lanes provides, elementwise with IEEE semantics (division and square root correctly rounded, min/max as documented):
//   type F (16 floats), type M (16 flags)
//   Set1(x), Zero(), Load(p), LoadPartial(p, n) (rest 0), Store(p, v), StorePartial(p, n, v), Stream(p, v) (64-byte
//   aligned) LoadBf16(p), LoadBf16Partial(p, n), StoreBf16(p, v), StoreBf16Partial(p, n, v), StreamBf16(p, v) (32-byte
//   aligned): nearest even Add, Sub, Mul, Div, Sqrt, MulAdd(a, b, c) = a·b + c rounded once RoundedRatio(w, s, t):
//   round_ste(w / s), the division exact and halves to even; t = w · (1/s) rounded twice ClampFrom(x, lo, hi): NaN
//   stays NaN Equal(x, y) → M: false for NaN; Keep(m, x): x where m, else 0; SubWhere(m, x, y): x − y where m, else x;
//   SubUnless StreamFence()
#pragma once

#include <cstdint>

#include "worker/qat/quant/kernels.h"

namespace lwq::qat {
namespace {

constexpr int64_t kLanes = 16;
constexpr float kMinScaleF = 1e-4f;
constexpr float kMaxScaleF = 1e4f;

// The scalars of a group as quantizer_reference.h defines them, in its order of operations; NaN stays NaN.
float ClampSte(float x, float lo, float hi) {
  float clamped = x;
  if (x < lo) clamped = lo;
  if (x > hi) clamped = hi;
  return (clamped - x) + x;
}

float RoundHalfEven(float x) {
  constexpr float kAllWhole = 8388608.0f;  // 2^23: from here every float is a whole number
  const float magnitude = __builtin_fabsf(x);
  if (!(magnitude < kAllWhole)) return x;
  return __builtin_copysignf((magnitude + kAllWhole) - kAllWhole, x);
}

float EffectiveScale(float scale) {
  return ClampSte(scale, kMinScaleF, kMaxScaleF);
}

float EffectiveZero(float zero_point, float max_code) {
  const float rounded = (RoundHalfEven(zero_point) - zero_point) + zero_point;
  return ClampSte(rounded, 0.0f, max_code);
}

float SumLanes(const float* lane) {
  float half[8];
  for (int i = 0; i < 8; ++i) half[i] = lane[i] + lane[i + 8];
  for (int i = 0; i < 4; ++i) half[i] += half[i + 4];
  return (half[0] + half[2]) + (half[1] + half[3]);
}

template <typename Lanes>
float Sum(typename Lanes::F v) {
  alignas(64) float lane[kLanes];
  Lanes::Store(lane, v);
  return SumLanes(lane);
}

// How outputs and upstream gradients are kept in memory.
template <typename Lanes>
struct F32Format {
  using Element = float;
  using F = typename Lanes::F;
  static F Load(const float* p) { return Lanes::Load(p); }
  static F LoadPartial(const float* p, int64_t n) { return Lanes::LoadPartial(p, n); }
  static void Store(float* p, F v) { Lanes::Store(p, v); }
  static void Stream(float* p, F v) { Lanes::Stream(p, v); }
  static void StorePartial(float* p, int64_t n, F v) { Lanes::StorePartial(p, n, v); }
};
template <typename Lanes>
struct Bf16Format {
  using Element = uint16_t;
  using F = typename Lanes::F;
  static F Load(const uint16_t* p) { return Lanes::LoadBf16(p); }
  static F LoadPartial(const uint16_t* p, int64_t n) { return Lanes::LoadBf16Partial(p, n); }
  static void Store(uint16_t* p, F v) { Lanes::StoreBf16(p, v); }
  static void Stream(uint16_t* p, F v) { Lanes::StreamBf16(p, v); }
  static void StorePartial(uint16_t* p, int64_t n, F v) { Lanes::StoreBf16Partial(p, n, v); }
};

// Streaming stores need whole, aligned vectors.
template <typename Element>
bool CanStream(const Element* base, int64_t group_size) {
  return group_size % kLanes == 0 && reinterpret_cast<uintptr_t>(base) % (kLanes * sizeof(Element)) == 0;
}

// RoundedRatio may skip the division, which costs as much as everything else, where the outcome is certain without it.
// t is within 1.5 · 2^-23 · |t| of the rounded quotient. Up to |t| = 512 that is less than 1e-4: if t is less than
// kCertain from a whole number, the quotient rounds to the same one. Beyond 512 both lie beyond every code, whatever
// they round to. NaN and infinite t are never certain. (A quotient that overflows while t does not, by 2^-22 of the
// largest float, is clamped instead of becoming NaN.)
constexpr float kCertain = 0.4999f;

// A group's constants in every lane. Levels are codes relative to the zero point: level = q − z, −z ≤ level ≤ max_code
// − z.
template <typename Lanes>
struct Group {
  using F = typename Lanes::F;
  F scale, inverse, lowest, highest;

  Group(const FakeQuantInput& in, int64_t row) {
    const float z = EffectiveZero(in.zero_point[row], in.max_code);
    const float s = EffectiveScale(in.scale[row]) + (z - z);  // clamping drops a NaN zero point; the scale carries it
    scale = Lanes::Set1(s);
    inverse = Lanes::Set1(1.0f / s);
    lowest = Lanes::Set1(0.0f - z);
    highest = Lanes::Set1(in.max_code - z);
  }
  F Ratio(F weight) const { return Lanes::Mul(weight, inverse); }
  // round_ste(w / s), not clamped: infinite quotients are NaN as in the chain.
  F Rounded(F weight, F ratio) const { return Lanes::RoundedRatio(weight, scale, ratio); }
  F Level(F rounded) const { return Lanes::ClampFrom(rounded, lowest, highest); }
};

// (q − z) · s; the added 0 makes −0 the chain's +0.
template <typename Lanes>
typename Lanes::F Quantized(const Group<Lanes>& group, typename Lanes::F weight) {
  const auto level = group.Level(group.Rounded(weight, group.Ratio(weight)));
  return Lanes::MulAdd(level, group.scale, Lanes::Zero());
}

template <typename Lanes, typename Format, bool kStream>
void ForwardRows(const FakeQuantInput& in, int64_t first, int64_t last, typename Format::Element* out) {
  const int64_t whole = in.group_size / kLanes * kLanes;
  const int64_t rest = in.group_size - whole;
  for (int64_t row = first; row < last; ++row) {
    const Group<Lanes> group(in, row);
    const float* w = in.weight + row * in.group_size;
    typename Format::Element* o = out + row * in.group_size;
    for (int64_t i = 0; i < whole; i += kLanes) {
      const auto value = Quantized(group, Lanes::Load(w + i));
      if constexpr (kStream) {
        Format::Stream(o + i, value);
      } else {
        Format::Store(o + i, value);
      }
    }
    if (rest > 0) Format::StorePartial(o + whole, rest, Quantized(group, Lanes::LoadPartial(w + whole, rest)));
  }
  if constexpr (kStream) Lanes::StreamFence();
}

template <typename Lanes, typename Format>
void Forward(const FakeQuantInput& in, int64_t first, int64_t last, typename Format::Element* out, bool streaming) {
  if (streaming && CanStream(out, in.group_size)) {
    ForwardRows<Lanes, Format, true>(in, first, last, out);
  } else {
    ForwardRows<Lanes, Format, false>(in, first, last, out);
  }
}

// Running sums of one group: Σ U·((q−z) − inside·w/s) and Σ U·(inside − 1).
template <typename Lanes>
struct GradientSums {
  typename Lanes::F scale = Lanes::Zero();
  typename Lanes::F zero = Lanes::Zero();

  // Adds 16 weights with upstream gradients; returns grad_weight. Padding (weight 0, upstream 0) adds 0.
  typename Lanes::F Step(const Group<Lanes>& group, typename Lanes::F weight, typename Lanes::F upstream) {
    const auto ratio = group.Ratio(weight);
    const auto rounded = group.Rounded(weight, ratio);
    const auto level = group.Level(rounded);
    const auto inside = Lanes::Equal(level, rounded);
    scale = Lanes::MulAdd(upstream, Lanes::SubWhere(inside, level, ratio), scale);
    zero = Lanes::SubUnless(inside, zero, upstream);
    return Lanes::Keep(inside, upstream);
  }
};

enum class WeightGradient { kNone, kStore, kStream };

template <typename Lanes, typename Format, WeightGradient kWeight>
void BackwardRows(const FakeQuantInput& in, int64_t first, int64_t last, const typename Format::Element* upstream,
                  const FakeQuantGradients& gradients) {
  const int64_t whole = in.group_size / kLanes * kLanes;
  const int64_t rest = in.group_size - whole;
  for (int64_t row = first; row < last; ++row) {
    const Group<Lanes> group(in, row);
    GradientSums<Lanes> sums;
    const int64_t begin = row * in.group_size;
    const float* w = in.weight + begin;
    const typename Format::Element* u = upstream + begin;
    for (int64_t i = 0; i < whole; i += kLanes) {
      const auto grad = sums.Step(group, Lanes::Load(w + i), Format::Load(u + i));
      if constexpr (kWeight == WeightGradient::kStream) Lanes::Stream(gradients.weight + begin + i, grad);
      if constexpr (kWeight == WeightGradient::kStore) Lanes::Store(gradients.weight + begin + i, grad);
    }
    if (rest > 0) {
      const auto grad = sums.Step(group, Lanes::LoadPartial(w + whole, rest), Format::LoadPartial(u + whole, rest));
      if constexpr (kWeight != WeightGradient::kNone) Lanes::StorePartial(gradients.weight + begin + whole, rest, grad);
    }
    gradients.scale[row] = Sum<Lanes>(sums.scale);
    gradients.zero_point[row] = Sum<Lanes>(sums.zero) * EffectiveScale(in.scale[row]);
  }
  if constexpr (kWeight == WeightGradient::kStream) Lanes::StreamFence();
}

template <typename Lanes, typename Format>
void Backward(const FakeQuantInput& in, int64_t first, int64_t last, const typename Format::Element* upstream,
              const FakeQuantGradients& gradients, bool streaming) {
  if (gradients.weight == nullptr) {
    BackwardRows<Lanes, Format, WeightGradient::kNone>(in, first, last, upstream, gradients);
  } else if (streaming && CanStream(gradients.weight, in.group_size)) {
    BackwardRows<Lanes, Format, WeightGradient::kStream>(in, first, last, upstream, gradients);
  } else {
    BackwardRows<Lanes, Format, WeightGradient::kStore>(in, first, last, upstream, gradients);
  }
}

// The constants of AdamWConstants in every lane.
template <typename Lanes>
struct AdamWLanes {
  using F = typename Lanes::F;
  F decay, beta1, one_minus_beta1, beta2, one_minus_beta2, sqrt_bias_correction2, eps, minus_step_size;

  explicit AdamWLanes(const AdamWConstants& c)
      : decay(Lanes::Set1(c.decay)),
        beta1(Lanes::Set1(c.beta1)),
        one_minus_beta1(Lanes::Set1(c.one_minus_beta1)),
        beta2(Lanes::Set1(c.beta2)),
        one_minus_beta2(Lanes::Set1(c.one_minus_beta2)),
        sqrt_bias_correction2(Lanes::Set1(c.sqrt_bias_correction2)),
        eps(Lanes::Set1(c.eps)),
        minus_step_size(Lanes::Set1(c.minus_step_size)) {}

  // Rounds where PyTorch's operators do: add_ with alpha is a fused multiply-add, addcmul_ and addcdiv_ are not.
  void Update(F grad, F* param, F* exp_avg, F* exp_avg_sq) const {
    *exp_avg = Lanes::MulAdd(grad, one_minus_beta1, Lanes::Mul(*exp_avg, beta1));
    *exp_avg_sq = Lanes::MulAdd(Lanes::Mul(one_minus_beta2, grad), grad, Lanes::Mul(*exp_avg_sq, beta2));
    const F denominator = Lanes::Add(Lanes::Div(Lanes::Sqrt(*exp_avg_sq), sqrt_bias_correction2), eps);
    *param = Lanes::Add(Lanes::Mul(*param, decay), Lanes::Div(Lanes::Mul(minus_step_size, *exp_avg), denominator));
  }
};

template <typename Lanes>
void AdamWStep(const AdamWConstants& constants, int64_t count, const float* grad, float* param, float* exp_avg,
               float* exp_avg_sq) {
  const AdamWLanes<Lanes> step(constants);
  const int64_t whole = count / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += kLanes) {
    auto p = Lanes::Load(param + i);
    auto m = Lanes::Load(exp_avg + i);
    auto v = Lanes::Load(exp_avg_sq + i);
    step.Update(Lanes::Load(grad + i), &p, &m, &v);
    Lanes::Store(param + i, p);
    Lanes::Store(exp_avg + i, m);
    Lanes::Store(exp_avg_sq + i, v);
  }
  const int64_t rest = count - whole;
  if (rest == 0) return;
  auto p = Lanes::LoadPartial(param + whole, rest);
  auto m = Lanes::LoadPartial(exp_avg + whole, rest);
  auto v = Lanes::LoadPartial(exp_avg_sq + whole, rest);
  step.Update(Lanes::LoadPartial(grad + whole, rest), &p, &m, &v);
  Lanes::StorePartial(param + whole, rest, p);
  Lanes::StorePartial(exp_avg + whole, rest, m);
  Lanes::StorePartial(exp_avg_sq + whole, rest, v);
}

template <typename Lanes>
constexpr KernelSet MakeKernels() {
  return {&Forward<Lanes, F32Format<Lanes>>, &Forward<Lanes, Bf16Format<Lanes>>, &Backward<Lanes, F32Format<Lanes>>,
          &Backward<Lanes, Bf16Format<Lanes>>, &AdamWStep<Lanes>};
}

}  // namespace
}  // namespace lwq::qat
