// SPDX-License-Identifier: Apache-2.0
// The kernels of rows for AVX-512, written once over the format T of the values between products (Bf16, F32 or a
// source's own). Included by one source per instruction set, each with its own flags: everything is in an unnamed
// namespace and nothing with inline functions of its own is included (quant/kernels_body.h says why).
#pragma once

#include <immintrin.h>

#include "worker/qat/fused/row_kernels.h"

namespace lwq::qat {
namespace {

using F = __m512;
constexpr int64_t kWide = 16;
constexpr __mmask16 kAllLanes = 0xFFFF;

__mmask16 Lanes(int64_t n) {
  return n >= kWide ? kAllLanes : n <= 0 ? 0 : static_cast<__mmask16>((1u << n) - 1u);
}
F All(float x) {
  return _mm512_set1_ps(x);
}
float Total(F x) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// 2ᵗ: 2^floor(t) times a polynomial in the rest, exact for whole t (the coefficients minimise the largest relative
// error on [0, 1)). −∞ gives 0, NaN stays NaN. Of degree 6, to about one unit in the last place.
F Exp2(F t) {
  const F r = _mm512_reduce_ps(t, _MM_FROUND_TO_NEG_INF);
  F y = All(2.1612922e-4f);
  y = _mm512_fmadd_ps(y, r, All(1.2467845e-3f));
  y = _mm512_fmadd_ps(y, r, All(9.675452e-3f));
  y = _mm512_fmadd_ps(y, r, All(5.5485282e-2f));
  y = _mm512_fmadd_ps(y, r, All(2.4022931e-1f));
  y = _mm512_fmadd_ps(y, r, All(6.9314706e-1f));
  y = _mm512_fmadd_ps(y, r, All(1.0f));
  return _mm512_scalef_ps(y, t);
}
// Of degree 4, to 3e-6: for what is rounded to bf16.
F RoughExp2(F t) {
  const F r = _mm512_reduce_ps(t, _MM_FROUND_TO_NEG_INF);
  F y = All(1.342668e-2f);
  y = _mm512_fmadd_ps(y, r, All(5.224247e-2f));
  y = _mm512_fmadd_ps(y, r, All(2.412802e-1f));
  y = _mm512_fmadd_ps(y, r, All(6.9304484e-1f));
  y = _mm512_fmadd_ps(y, r, All(1.0f));
  return _mm512_scalef_ps(y, t);
}
// t of at least −126, NaN as it is: denormal powers, which are nothing beside a weight of 1, take a hundred times as
// long.
F Normal(F t) {
  return _mm512_max_ps(All(-126.0f), t);
}
constexpr float kLog2E = 1.44269504088896341f;
F Exp(F x) {
  return Exp2(_mm512_mul_ps(x, All(kLog2E)));
}

// Numbers in memory: Load and Store leave lanes outside the mask alone; StoreBoth is 32 in a row.
struct Bf16 {
  using Element = uint16_t;
  static F Weight(F t) { return RoughExp2(Normal(t)); }
  static F Load(const uint16_t* p, __mmask16 mask) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, p)), 16));
  }
  static void Store(uint16_t* p, __mmask16 mask, F x) {
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), odd);
    const __m512i kept =
        _mm512_mask_mov_epi32(rounded, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), _mm512_set1_epi32(0x7FC00000));
    _mm256_mask_storeu_epi16(p, mask, _mm512_cvtepi32_epi16(_mm512_srli_epi32(kept, 16)));
  }
  static void StoreBoth(uint16_t* p, F x, F y) {
    Store(p, kAllLanes, x);
    Store(p + kWide, kAllLanes, y);
  }
};
struct F32 {
  using Element = float;
  static F Weight(F t) { return Exp2(Normal(t)); }  // 2ᵗ, as a weight of attention
  static F Load(const float* p, __mmask16 mask) { return _mm512_maskz_loadu_ps(mask, p); }
  static void Store(float* p, __mmask16 mask, F x) { _mm512_mask_storeu_ps(p, mask, x); }
  static void StoreBoth(float* p, F x, F y) {
    _mm512_storeu_ps(p, x);
    _mm512_storeu_ps(p + kWide, y);
  }
};

F Sigmoid(F x) {
  return _mm512_div_ps(All(1.0f), _mm512_add_ps(All(1.0f), Exp(_mm512_sub_ps(_mm512_setzero_ps(), x))));
}

// visit(first, mask) over n elements.
template <typename Visit>
void ForEachVector(int64_t n, Visit visit) {
  int64_t i = 0;
  for (; i + kWide <= n; i += kWide) visit(i, kAllLanes);
  if (i < n) visit(i, Lanes(n - i));
}

template <typename T>
void RmsNormRow(const float* x, const float* weight, int64_t n, float eps, void* out, float* inverse) {
  F squares = _mm512_setzero_ps();
  ForEachVector(n, [&](int64_t i, __mmask16 mask) {
    const F v = F32::Load(x + i, mask);
    squares = _mm512_fmadd_ps(v, v, squares);
  });
  const float mean = Total(squares) / static_cast<float>(n);
  const float scale = 1.0f / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(mean + eps)));
  *inverse = scale;
  auto* o = static_cast<typename T::Element*>(out);
  ForEachVector(n, [&](int64_t i, __mmask16 mask) {
    T::Store(o + i, mask,
             _mm512_mul_ps(F32::Load(weight + i, mask), _mm512_mul_ps(F32::Load(x + i, mask), All(scale))));
  });
}

void RmsNormBackwardRow(const float* dy, const float* x, const float* weight, int64_t n, float inverse,
                        const float* addend, float* dx, float* weight_sums) {
  F products = _mm512_setzero_ps();
  ForEachVector(n, [&](int64_t i, __mmask16 mask) {
    const F d = F32::Load(dy + i, mask), normal = _mm512_mul_ps(F32::Load(x + i, mask), All(inverse));
    const F of_weight = _mm512_mul_ps(d, normal);
    products = _mm512_fmadd_ps(of_weight, F32::Load(weight + i, mask), products);
    if (weight_sums != nullptr)
      F32::Store(weight_sums + i, mask, _mm512_add_ps(F32::Load(weight_sums + i, mask), of_weight));
  });
  if (dx == nullptr) return;
  const float mean = Total(products) / static_cast<float>(n);
  ForEachVector(n, [&](int64_t i, __mmask16 mask) {
    const F normal = _mm512_mul_ps(F32::Load(x + i, mask), All(inverse));
    const F inner =
        _mm512_fnmadd_ps(normal, All(mean), _mm512_mul_ps(F32::Load(dy + i, mask), F32::Load(weight + i, mask)));
    const F base = addend == nullptr ? _mm512_setzero_ps() : F32::Load(addend + i, mask);
    F32::Store(dx + i, mask, _mm512_fmadd_ps(inner, All(inverse), base));
  });
}

template <typename T>
void RotateRow(void* x, int64_t n, const float* cos, const float* sin, float sign) {
  auto* p = static_cast<typename T::Element*>(x);
  const int64_t half = n / 2;
  ForEachVector(half, [&](int64_t i, __mmask16 mask) {
    const F c = F32::Load(cos + i, mask), s = _mm512_mul_ps(F32::Load(sin + i, mask), All(sign));
    const F a = T::Load(p + i, mask), b = T::Load(p + half + i, mask);
    T::Store(p + i, mask, _mm512_sub_ps(_mm512_mul_ps(a, c), _mm512_mul_ps(b, s)));
    T::Store(p + half + i, mask, _mm512_add_ps(_mm512_mul_ps(b, c), _mm512_mul_ps(a, s)));
  });
}

template <typename T>
void SwigluRow(const void* gate, const void* up, int64_t n, void* h) {
  const auto* g = static_cast<const typename T::Element*>(gate);
  const auto* u = static_cast<const typename T::Element*>(up);
  auto* out = static_cast<typename T::Element*>(h);
  ForEachVector(n, [&](int64_t i, __mmask16 mask) {
    const F x = T::Load(g + i, mask);
    T::Store(out + i, mask, _mm512_mul_ps(_mm512_mul_ps(x, Sigmoid(x)), T::Load(u + i, mask)));
  });
}

template <typename T>
void SwigluBackwardRow(const void* dh, const void* gate, const void* up, int64_t n, void* h, void* dgate, void* dup) {
  using Element = typename T::Element;
  ForEachVector(n, [&](int64_t i, __mmask16 mask) {
    const F x = T::Load(static_cast<const Element*>(gate) + i, mask),
            u = T::Load(static_cast<const Element*>(up) + i, mask);
    const F d = T::Load(static_cast<const Element*>(dh) + i, mask);
    const F s = Sigmoid(x), silu = _mm512_mul_ps(x, s);
    // silu' = s · (1 + x · (1 − s))
    const F slope = _mm512_mul_ps(s, _mm512_fmadd_ps(x, _mm512_sub_ps(All(1.0f), s), All(1.0f)));
    T::Store(static_cast<Element*>(h) + i, mask, _mm512_mul_ps(silu, u));
    T::Store(static_cast<Element*>(dup) + i, mask, _mm512_mul_ps(d, silu));
    T::Store(static_cast<Element*>(dgate) + i, mask, _mm512_mul_ps(_mm512_mul_ps(d, u), slope));
  });
}

// The lanes of vector i that lie in [first, last).
__mmask16 Inside(int64_t i, int64_t first, int64_t last) {
  return static_cast<__mmask16>(Lanes(last - i) & ~Lanes(first - i));
}

// The vectors of [first, last), whole ones with a constant mask.
template <typename Visit>
void ForEachVectorInside(int64_t first, int64_t last, Visit visit) {
  for (int64_t i = first / kWide * kWide; i < last; i += kWide) {
    if (i >= first && i + kWide <= last) {
      visit(i, kAllLanes);
    } else {
      visit(i, Inside(i, first, last));
    }
  }
}

// Running maxima, from those of `scale` times the tile's scores.
void RaiseMaxima(const SoftmaxTile& tile, float* maxima) {
  for (int64_t row = 0; row < tile.rows; ++row) {
    F largest = All(-__builtin_inff());
    const float* s = tile.scores + row * tile.stride;
    ForEachVectorInside(tile.first[row], tile.last[row], [&](int64_t i, __mmask16 mask) {
      largest = _mm512_mask_max_ps(largest, mask, largest, F32::Load(s + i, mask));
    });
    const float here = _mm512_reduce_max_ps(largest) * tile.scale;
    if (here > maxima[row]) maxima[row] = here;
  }
}

// Writes a row's weights, returns their sum.
template <typename T>
float WeightsOfRow(const SoftmaxTile& tile, int64_t row, float maximum) {
  const float* s = tile.scores + row * tile.stride;
  auto* out = static_cast<typename T::Element*>(tile.weights) + row * tile.stride;
  const int64_t first = tile.first[row], last = tile.last[row];
  const F scale = All(tile.scale * kLog2E), shift = All(maximum * kLog2E);
  F sums[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  for (int64_t i = 0; i < tile.width; i += 2 * kWide) {
    F weights[2];
    if (first <= i && i + 2 * kWide <= last) {
      for (int64_t half = 0; half < 2; ++half) {
        weights[half] = T::Weight(_mm512_fmsub_ps(F32::Load(s + i + half * kWide, kAllLanes), scale, shift));
      }
    } else {
      for (int64_t half = 0; half < 2; ++half) {
        const int64_t at = i + half * kWide;
        const __mmask16 mask = Inside(at, first, last);
        weights[half] = _mm512_maskz_mov_ps(mask, T::Weight(_mm512_fmsub_ps(F32::Load(s + at, mask), scale, shift)));
      }
    }
    for (int64_t half = 0; half < 2; ++half) sums[half] = _mm512_add_ps(sums[half], weights[half]);
    T::StoreBoth(out + i, weights[0], weights[1]);
  }
  return Total(_mm512_add_ps(sums[0], sums[1]));
}

template <typename T>
void TakeSoftmaxTile(const SoftmaxTile& tile, float* maxima, float* sums, float* factors) {
  float before[kTileRows];
  for (int64_t row = 0; row < tile.rows; ++row) before[row] = maxima[row];
  RaiseMaxima(tile, maxima);
  ForEachVector(tile.rows, [&](int64_t i, __mmask16 mask) {
    const F old = F32::Load(before + i, mask), now = F32::Load(maxima + i, mask);
    const __mmask16 raised = _mm512_cmp_ps_mask(old, now, _CMP_NEQ_UQ);
    F32::Store(factors + i, mask, _mm512_mask_mov_ps(All(1.0f), raised, Exp(_mm512_sub_ps(old, now))));
  });
  for (int64_t row = 0; row < tile.rows; ++row) {
    sums[row] = sums[row] * factors[row] + WeightsOfRow<T>(tile, row, maxima[row]);
  }
}

template <typename T>
void SoftmaxBackwardRow(const float* s, const float* dp, int64_t first, int64_t last, int64_t width, float scale,
                        float log_sum, float delta, void* p, void* ds) {
  using Element = typename T::Element;
  const F scale2 = All(scale * kLog2E), log_sum2 = All(log_sum * kLog2E);
  for (int64_t i = 0; i < width; i += 2 * kWide) {
    F values[2], gradients[2];
    for (int64_t half = 0; half < 2; ++half) {
      const int64_t at = i + half * kWide;
      const __mmask16 mask = Inside(at, first, last);
      values[half] = _mm512_maskz_mov_ps(mask, T::Weight(_mm512_fmsub_ps(F32::Load(s + at, mask), scale2, log_sum2)));
      const F difference = _mm512_mul_ps(_mm512_sub_ps(F32::Load(dp + at, mask), All(delta)), All(scale));
      gradients[half] = _mm512_maskz_mul_ps(mask, values[half], difference);
    }
    T::StoreBoth(static_cast<Element*>(p) + i, values[0], values[1]);
    T::StoreBoth(static_cast<Element*>(ds) + i, gradients[0], gradients[1]);
  }
}

template <typename T>
float DotRow(const void* a, const void* b, int64_t n) {
  F sums = _mm512_setzero_ps();
  ForEachVector(n, [&](int64_t i, __mmask16 mask) {
    sums = _mm512_fmadd_ps(T::Load(static_cast<const typename T::Element*>(a) + i, mask),
                           T::Load(static_cast<const typename T::Element*>(b) + i, mask), sums);
  });
  return Total(sums);
}

template <typename T>
void NarrowRow(const float* x, int64_t n, float factor, void* out) {
  ForEachVector(n, [&](int64_t i, __mmask16 mask) {
    T::Store(static_cast<typename T::Element*>(out) + i, mask, _mm512_mul_ps(F32::Load(x + i, mask), All(factor)));
  });
}

void ScaleRow(float* x, int64_t n, float factor) {
  ForEachVector(n, [&](int64_t i, __mmask16 mask) {
    F32::Store(x + i, mask, _mm512_mul_ps(F32::Load(x + i, mask), All(factor)));
  });
}

void AddToLogSum(const float* x, int64_t n, float* maximum, float* sum) {
  F largest = All(-__builtin_inff());
  ForEachVector(n, [&](int64_t i, __mmask16 mask) {
    largest = _mm512_mask_max_ps(largest, mask, F32::Load(x + i, mask), largest);
  });
  const float here = _mm512_reduce_max_ps(largest);
  const float top = here > *maximum ? here : *maximum;
  F sums = _mm512_setzero_ps();
  ForEachVector(n, [&](int64_t i, __mmask16 mask) {
    sums = _mm512_mask_add_ps(sums, mask, sums, Exp(_mm512_sub_ps(F32::Load(x + i, mask), All(top))));
  });
  const float kept = *maximum == -__builtin_inff() ? 0.0f : *sum * __builtin_expf(*maximum - top);
  *sum = kept + Total(sums);
  *maximum = top;
}

template <typename T>
constexpr RowKernels MakeRowKernels() {
  return {.rms_norm = &RmsNormRow<T>,
          .rms_norm_backward = &RmsNormBackwardRow,
          .rotate = &RotateRow<T>,
          .swiglu = &SwigluRow<T>,
          .swiglu_backward = &SwigluBackwardRow<T>,
          .softmax_tile = &TakeSoftmaxTile<T>,
          .softmax_backward = &SoftmaxBackwardRow<T>,
          .dot = &DotRow<T>,
          .narrow = &NarrowRow<T>,
          .scale = &ScaleRow,
          .add_to_log_sum = &AddToLogSum};
}

}  // namespace
}  // namespace lwq::qat
