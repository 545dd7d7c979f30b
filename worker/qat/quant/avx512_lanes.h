// SPDX-License-Identifier: Apache-2.0
// 16 floats as one AVX-512 register. For sources compiled with -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma.
#pragma once

#include <immintrin.h>

#include "worker/qat/quant/kernels_body.h"

namespace lwq::qat {
namespace {

struct Avx512Lanes {
  using F = __m512;
  using M = __mmask16;

  static __mmask16 FirstLanes(int64_t n) { return static_cast<__mmask16>((1u << n) - 1u); }

  static F Set1(float x) { return _mm512_set1_ps(x); }
  static F Zero() { return _mm512_setzero_ps(); }
  static F Load(const float* p) { return _mm512_loadu_ps(p); }
  static F LoadPartial(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(FirstLanes(n), p); }
  static void Store(float* p, F x) { _mm512_storeu_ps(p, x); }
  static void StorePartial(float* p, int64_t n, F x) { _mm512_mask_storeu_ps(p, FirstLanes(n), x); }
  static void Stream(float* p, F x) { _mm512_stream_ps(p, x); }

  static F Widen(__m256i half) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16)); }
  // The upper 16 bits of every lane hold the rounded value.
  static __m512i RoundToBf16(F x) {
    const __m512i bits = _mm512_castps_si512(x);
    const __mmask16 odd = _mm512_test_epi32_mask(bits, _mm512_set1_epi32(0x10000));
    const __m512i below_half = _mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF));
    const __m512i rounded = _mm512_mask_add_epi32(below_half, odd, below_half, _mm512_set1_epi32(1));
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    return _mm512_mask_mov_epi32(rounded, nan, _mm512_set1_epi32(0x7FC00000));
  }
  static __m512i Narrow(F x, F y) {
    const __m512i upper = _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31, 29, 27,
                                           25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    return _mm512_permutex2var_epi16(RoundToBf16(x), upper, RoundToBf16(y));
  }
  static __m256i Narrow(F x) { return _mm512_castsi512_si256(Narrow(x, x)); }
  static F LoadBf16(const uint16_t* p) { return Widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
  static F LoadBf16Partial(const uint16_t* p, int64_t n) { return Widen(_mm256_maskz_loadu_epi16(FirstLanes(n), p)); }
  static void StoreBf16Partial(uint16_t* p, int64_t n, F x) { _mm256_mask_storeu_epi16(p, FirstLanes(n), Narrow(x)); }
  static void StoreBf16(uint16_t* p, F x, F y) { _mm512_storeu_si512(p, Narrow(x, y)); }
  static void StreamBf16(uint16_t* p, F x, F y) { _mm512_stream_si512(reinterpret_cast<__m512i*>(p), Narrow(x, y)); }

  static F Add(F x, F y) { return _mm512_add_ps(x, y); }
  static F Sub(F x, F y) { return _mm512_sub_ps(x, y); }
  static F Mul(F x, F y) { return _mm512_mul_ps(x, y); }
  static F Div(F x, F y) { return _mm512_div_ps(x, y); }
  static F Sqrt(F x) { return _mm512_sqrt_ps(x); }
  static F MulAdd(F x, F y, F z) { return _mm512_fmadd_ps(x, y, z); }
  static F Round(F x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static bool AllWithin(F x, F y, float limit) {
    const __mmask16 first = _mm512_cmp_ps_mask(_mm512_abs_ps(x), Set1(limit), _CMP_LT_OQ);
    constexpr __mmask16 kAll = 0xFFFF;
    return _mm512_mask_cmp_ps_mask(first, _mm512_abs_ps(y), Set1(limit), _CMP_LT_OQ) == kAll;
  }
  static float Sum(F x) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  // min and max give their second operand when one is NaN.
  static F ClampFrom(F x, F lo, F hi) { return _mm512_min_ps(hi, _mm512_max_ps(lo, x)); }
  static M Equal(F x, F y) { return _mm512_cmp_ps_mask(x, y, _CMP_EQ_OQ); }
  static F Keep(M m, F x) { return _mm512_maskz_mov_ps(m, x); }
  static F SubWhere(M m, F x, F y) { return _mm512_mask_sub_ps(x, m, x, y); }
  static F SubUnless(M m, F x, F y) { return _mm512_mask_sub_ps(x, _knot_mask16(m), x, y); }
  static void StreamFence() { _mm_sfence(); }
};

}  // namespace
}  // namespace lwq::qat
