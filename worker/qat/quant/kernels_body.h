// SPDX-License-Identifier: Apache-2.0
// The kernels, written once over a `Lanes` type: 16 floats and the operations on them. Included by one source per
// instruction set, each compiled with its own flags, so everything here is in an unnamed namespace and includes nothing
// with inline functions of its own: code for AVX-512 must never be linked into another object's path.
//
// Lanes provides, elementwise with IEEE semantics (division and square root correctly rounded):
//   type F (16 floats), type M (16 flags)
//   Set1(x), Zero()
//   Load(p), LoadPartial(p, n) (rest 0), Store(p, v), StorePartial(p, n, v), Stream(p, v) (64-byte aligned)
//   LoadBf16(p), LoadBf16Partial(p, n), StoreBf16Partial(p, n, v): nearest even, NaN stays one
//   StoreBf16(p, v, w), StreamBf16(p, v, w) (64-byte aligned): 32 values at once
//   Add, Sub, Mul, Div, Sqrt, MulAdd(a, b, c) = a·b + c rounded once, Round(x): halves to even
//   ClampFrom(x, lo, hi): NaN stays NaN
//   Equal(x, y) → M: false for NaN; Keep(m, x): x where m, else 0; SubWhere(m, x, y): x − y where m, else x; SubUnless
//   AllWithin(v, w, limit) → bool: |x| < limit for all 32; false if one is NaN
//   Sum(v): lane i + lane i + 8, of those i + i + 4, of those (0 + 2) + (1 + 3)
//   StreamFence()
#pragma once

#include <cstdint>

#include "worker/qat/quant/kernels.h"

namespace lwq::qat {
namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kPair = 2 * kLanes;

// Two vectors. The kernels take 32 floats a step: one branch decides about all (Rounded), and their bf16 fill a
// register.
template <typename Lanes>
struct Pair {
  typename Lanes::F a, b;
};

// How outputs and upstream gradients are kept in memory.
template <typename Lanes>
struct F32Format {
  using Element = float;
  using F = typename Lanes::F;
  static F Load(const float* p) { return Lanes::Load(p); }
  static F LoadPartial(const float* p, int64_t n) { return Lanes::LoadPartial(p, n); }
  static void Store(float* p, Pair<Lanes> v) {
    Lanes::Store(p, v.a);
    Lanes::Store(p + kLanes, v.b);
  }
  static void Stream(float* p, Pair<Lanes> v) {
    Lanes::Stream(p, v.a);
    Lanes::Stream(p + kLanes, v.b);
  }
  static void StorePartial(float* p, int64_t n, F v) { Lanes::StorePartial(p, n, v); }
};
template <typename Lanes>
struct Bf16Format {
  using Element = uint16_t;
  using F = typename Lanes::F;
  static F Load(const uint16_t* p) { return Lanes::LoadBf16(p); }
  static F LoadPartial(const uint16_t* p, int64_t n) { return Lanes::LoadBf16Partial(p, n); }
  static void Store(uint16_t* p, Pair<Lanes> v) { Lanes::StoreBf16(p, v.a, v.b); }
  static void Stream(uint16_t* p, Pair<Lanes> v) { Lanes::StreamBf16(p, v.a, v.b); }
  static void StorePartial(uint16_t* p, int64_t n, F v) { Lanes::StoreBf16Partial(p, n, v); }
};

// The first n < 32 of a pair.
template <typename Lanes, typename Format>
Pair<Lanes> LoadRest(const typename Format::Element* p, int64_t n) {
  if (n <= kLanes) return {Format::LoadPartial(p, n), Lanes::Zero()};
  return {Format::Load(p), Format::LoadPartial(p + kLanes, n - kLanes)};
}
template <typename Lanes, typename Format>
void StoreRest(typename Format::Element* p, int64_t n, Pair<Lanes> v) {
  Format::StorePartial(p, n < kLanes ? n : kLanes, v.a);
  if (n > kLanes) Format::StorePartial(p + kLanes, n - kLanes, v.b);
}

// Streaming stores need whole, aligned registers.
template <typename Element>
bool CanStream(const Element* base, int64_t group_size) {
  return group_size % kPair == 0 && reinterpret_cast<uintptr_t>(base) % 64 == 0;
}

// The constants of up to 16 groups, as quantizer_reference.h defines them and in its order of operations; NaN stays
// NaN. Levels are codes relative to the zero point: level = q − z, −z ≤ level ≤ max_code − z.
template <typename Lanes>
struct GroupConstants {
  using F = typename Lanes::F;
  static constexpr int64_t kGroups = kLanes;
  alignas(64) float clamped_scale[kGroups];
  alignas(64) float scale[kGroups];  // NaN where the zero point is: clamping levels drops that, so the scale carries it
  alignas(64) float inverse[kGroups];
  alignas(64) float lowest[kGroups];
  alignas(64) float highest[kGroups];

  GroupConstants(const FakeQuantInput& in, int64_t first_row, int64_t rows) {
    const F raw_zero = Lanes::LoadPartial(in.zero_point + first_row, rows);
    const F rounded = Lanes::Add(Lanes::Sub(Lanes::Round(raw_zero), raw_zero), raw_zero);
    const F zero = ClampSte(rounded, 0.0f, in.max_code);
    const F raw_scale = Lanes::LoadPartial(in.scale + first_row, rows);
    const F clamped = Lanes::Add(Lanes::ClampFrom(raw_scale, Lanes::Set1(0x1p-24f), Lanes::Set1(1e4f)),
                                 Lanes::Sub(raw_scale, raw_scale));
    const F carried = Lanes::Add(clamped, Lanes::Sub(zero, zero));
    Lanes::Store(clamped_scale, clamped);
    Lanes::Store(scale, carried);
    Lanes::Store(inverse, Lanes::Div(Lanes::Set1(1.0f), carried));
    Lanes::Store(lowest, Lanes::Sub(Lanes::Zero(), zero));
    Lanes::Store(highest, Lanes::Sub(Lanes::Set1(in.max_code), zero));
  }
  static F ClampSte(F x, float lo, float hi) {
    return Lanes::Add(Lanes::Sub(Lanes::ClampFrom(x, Lanes::Set1(lo), Lanes::Set1(hi)), x), x);
  }
};

// Rounded may skip the division, which costs as much as everything else, where the outcome is certain without it: t = w
// · (1/s) is within 1.5 · 2^-23 · |t| of the rounded quotient. Up to |t| = 512 that is less than 1e-4: if t is less
// than kCertain from a whole number, the quotient rounds to the same one. Beyond 512 both lie beyond every code,
// whatever they round to. NaN and infinite t are never certain. (A quotient that overflows while t does not, by 2^-22
// of the largest float, is clamped instead of becoming NaN.)
constexpr float kCertain = 0.4999f;

// A group's constants in every lane.
template <typename Lanes>
struct Group {
  using F = typename Lanes::F;
  F scale, inverse, lowest, highest;

  Group(const GroupConstants<Lanes>& constants, int64_t i)
      : scale(Lanes::Set1(constants.scale[i])),
        inverse(Lanes::Set1(constants.inverse[i])),
        lowest(Lanes::Set1(constants.lowest[i])),
        highest(Lanes::Set1(constants.highest[i])) {}

  Pair<Lanes> Ratio(Pair<Lanes> weight) const { return {Lanes::Mul(weight.a, inverse), Lanes::Mul(weight.b, inverse)}; }
  // round_ste(w / s), not clamped: infinite quotients are NaN as in the chain.
  Pair<Lanes> Rounded(Pair<Lanes> weight, Pair<Lanes> ratio) const {
    const F a = Lanes::Round(ratio.a);
    const F b = Lanes::Round(ratio.b);
    if (Lanes::AllWithin(Lanes::Sub(a, ratio.a), Lanes::Sub(b, ratio.b), kCertain)) [[likely]]
      return {a, b};
    return {RoundSte(Lanes::Div(weight.a, scale)), RoundSte(Lanes::Div(weight.b, scale))};
  }
  static F RoundSte(F x) { return Lanes::Add(Lanes::Sub(Lanes::Round(x), x), x); }
  F Level(F rounded) const { return Lanes::ClampFrom(rounded, lowest, highest); }
  // (q − z) · s; the added 0 makes −0 the chain's +0.
  F Dequantized(F rounded) const { return Lanes::MulAdd(Level(rounded), scale, Lanes::Zero()); }
  Pair<Lanes> Quantized(Pair<Lanes> weight) const {
    const Pair<Lanes> rounded = Rounded(weight, Ratio(weight));
    return {Dequantized(rounded.a), Dequantized(rounded.b)};
  }
};

// visit(row, its constants, their index) for the rows [first, last).
template <typename Lanes, typename Visit>
void ForEachRow(const FakeQuantInput& in, int64_t first, int64_t last, Visit visit) {
  constexpr int64_t kStep = GroupConstants<Lanes>::kGroups;
  for (int64_t row = first; row < last; row += kStep) {
    const int64_t rows = last - row < kStep ? last - row : kStep;
    const GroupConstants<Lanes> constants(in, row, rows);
    for (int64_t i = 0; i < rows; ++i) visit(row + i, constants, i);
  }
}

// A row is a group. Its constants are spread over the lanes, its weights go through 32 at a time, and what is left of a
// group that 32 does not divide goes through once more with the lanes behind its end masked.
template <typename Lanes, typename Format, bool kStream>
void ForwardRows(const FakeQuantInput& in, int64_t first, int64_t last, typename Format::Element* out) {
  const int64_t whole = in.group_size / kPair * kPair;
  const int64_t rest = in.group_size - whole;
  ForEachRow<Lanes>(in, first, last, [&](int64_t row, const GroupConstants<Lanes>& constants, int64_t index) {
    const Group<Lanes> group(constants, index);
    const float* w = in.weight + row * in.group_size;
    typename Format::Element* o = out + row * in.group_size;
    for (int64_t i = 0; i < whole; i += kPair) {
      const Pair<Lanes> value = group.Quantized({Lanes::Load(w + i), Lanes::Load(w + i + kLanes)});
      if constexpr (kStream) {
        Format::Stream(o + i, value);
      } else {
        Format::Store(o + i, value);
      }
    }
    if (rest == 0) return;
    StoreRest<Lanes, Format>(o + whole, rest, group.Quantized(LoadRest<Lanes, F32Format<Lanes>>(w + whole, rest)));
  });
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

// Running sums of one group: Σ U·((q−z) − inside·w/s) and Σ U·(inside − 1), 16 of each, over the vectors in order.
template <typename Lanes>
struct GradientSums {
  using F = typename Lanes::F;
  F scale = Lanes::Zero();
  F zero = Lanes::Zero();

  // Adds 32 weights with upstream gradients; returns grad_weight. Padding (weight 0, upstream 0) adds 0.
  Pair<Lanes> Add(const Group<Lanes>& group, Pair<Lanes> weight, Pair<Lanes> upstream) {
    const Pair<Lanes> ratio = group.Ratio(weight);
    const Pair<Lanes> rounded = group.Rounded(weight, ratio);
    const F a = AddVector(group, ratio.a, rounded.a, upstream.a);
    const F b = AddVector(group, ratio.b, rounded.b, upstream.b);
    return {a, b};
  }

 private:
  F AddVector(const Group<Lanes>& group, F ratio, F rounded, F upstream) {
    const F level = group.Level(rounded);
    const auto inside = Lanes::Equal(level, rounded);
    scale = Lanes::MulAdd(upstream, Lanes::SubWhere(inside, level, ratio), scale);
    zero = Lanes::SubUnless(inside, zero, upstream);
    return Lanes::Keep(inside, upstream);
  }
};

enum class WeightGradient { kNone, kStore, kStream };

// The same walk: rounds the weights again instead of keeping what forward rounded, sums both gradients of the group on
// the way, and writes the weights' gradient only where somebody wants it.
template <typename Lanes, typename Format, WeightGradient kWeight>
void BackwardRows(const FakeQuantInput& in, int64_t first, int64_t last, const typename Format::Element* upstream,
                  const FakeQuantGradients& gradients) {
  using F32 = F32Format<Lanes>;
  const int64_t whole = in.group_size / kPair * kPair;
  const int64_t rest = in.group_size - whole;
  ForEachRow<Lanes>(in, first, last, [&](int64_t row, const GroupConstants<Lanes>& constants, int64_t index) {
    const Group<Lanes> group(constants, index);
    GradientSums<Lanes> sums;
    const int64_t begin = row * in.group_size;
    const float* w = in.weight + begin;
    const typename Format::Element* u = upstream + begin;
    for (int64_t i = 0; i < whole; i += kPair) {
      const Pair<Lanes> grad = sums.Add(group, {Lanes::Load(w + i), Lanes::Load(w + i + kLanes)},
                                        {Format::Load(u + i), Format::Load(u + i + kLanes)});
      if constexpr (kWeight == WeightGradient::kStream) F32::Stream(gradients.weight + begin + i, grad);
      if constexpr (kWeight == WeightGradient::kStore) F32::Store(gradients.weight + begin + i, grad);
    }
    if (rest > 0) {
      const Pair<Lanes> grad =
          sums.Add(group, LoadRest<Lanes, F32>(w + whole, rest), LoadRest<Lanes, Format>(u + whole, rest));
      if constexpr (kWeight != WeightGradient::kNone) {
        StoreRest<Lanes, F32>(gradients.weight + begin + whole, rest, grad);
      }
    }
    gradients.scale[row] = Lanes::Sum(sums.scale);
    gradients.zero_point[row] = Lanes::Sum(sums.zero) * constants.clamped_scale[index];
  });
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
