// SPDX-License-Identifier: Apache-2.0
// 16 floats as two AVX registers. Compiled with -mavx2 -mfma.
#include <immintrin.h>

#include "worker/qat/quant/kernels_body.h"

namespace lwq::qat {
namespace {

struct Avx2Lanes {
  struct F {
    __m256 a, b;
  };
  using M = F;  // all bits of a lane set, or none

  static F Set1(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static F Zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static F Load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static void Store(float* p, F x) {
    _mm256_storeu_ps(p, x.a);
    _mm256_storeu_ps(p + 8, x.b);
  }
  static void Stream(float* p, F x) {
    _mm256_stream_ps(p, x.a);
    _mm256_stream_ps(p + 8, x.b);
  }
  static F LoadPartial(const float* p, int64_t n) {
    alignas(32) float lane[kLanes] = {};
    for (int64_t i = 0; i < n; ++i) lane[i] = p[i];
    return Load(lane);
  }
  static void StorePartial(float* p, int64_t n, F x) {
    alignas(32) float lane[kLanes];
    Store(lane, x);
    for (int64_t i = 0; i < n; ++i) p[i] = lane[i];
  }

  static __m256 Widen(__m128i half) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16)); }
  // The upper 16 bits of each 32-bit lane hold the rounded value.
  static __m256i Narrow(__m256 x) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    return _mm256_srli_epi32(_mm256_blendv_epi8(rounded, _mm256_set1_epi32(0x7FC00000), nan), 16);
  }
  static __m256i NarrowBoth(F x) {
    const __m256i packed = _mm256_packus_epi32(Narrow(x.a), Narrow(x.b));
    return _mm256_permute4x64_epi64(packed, 0xD8);  // packus works per 128-bit half
  }
  static F LoadBf16(const uint16_t* p) {
    const auto* q = reinterpret_cast<const __m128i*>(p);
    return {Widen(_mm_loadu_si128(q)), Widen(_mm_loadu_si128(q + 1))};
  }
  static void StoreBf16(uint16_t* p, F x, F y) {
    auto* q = reinterpret_cast<__m256i*>(p);
    _mm256_storeu_si256(q, NarrowBoth(x));
    _mm256_storeu_si256(q + 1, NarrowBoth(y));
  }
  static void StreamBf16(uint16_t* p, F x, F y) {
    auto* q = reinterpret_cast<__m256i*>(p);
    _mm256_stream_si256(q, NarrowBoth(x));
    _mm256_stream_si256(q + 1, NarrowBoth(y));
  }
  static F LoadBf16Partial(const uint16_t* p, int64_t n) {
    alignas(32) uint16_t lane[kLanes] = {};
    for (int64_t i = 0; i < n; ++i) lane[i] = p[i];
    return LoadBf16(lane);
  }
  static void StoreBf16Partial(uint16_t* p, int64_t n, F x) {
    alignas(32) uint16_t lane[kLanes];
    _mm256_store_si256(reinterpret_cast<__m256i*>(lane), NarrowBoth(x));
    for (int64_t i = 0; i < n; ++i) p[i] = lane[i];
  }

  static F Add(F x, F y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
  static F Sub(F x, F y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
  static F Mul(F x, F y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
  static F Div(F x, F y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
  static F Sqrt(F x) { return {_mm256_sqrt_ps(x.a), _mm256_sqrt_ps(x.b)}; }
  static F MulAdd(F x, F y, F z) { return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)}; }
  static __m256 Round(__m256 x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static F Round(F x) { return {Round(x.a), Round(x.b)}; }
  static __m256 Within(__m256 x, float limit) {
    return _mm256_cmp_ps(_mm256_andnot_ps(_mm256_set1_ps(-0.0f), x), _mm256_set1_ps(limit), _CMP_LT_OQ);
  }
  static bool AllWithin(F x, F y, float limit) {
    const __m256 first = _mm256_and_ps(Within(x.a, limit), Within(x.b, limit));
    const __m256 second = _mm256_and_ps(Within(y.a, limit), Within(y.b, limit));
    constexpr int kAll = 0xFF;
    return _mm256_movemask_ps(_mm256_and_ps(first, second)) == kAll;
  }
  static float Sum(F x) {
    const __m256 eight = _mm256_add_ps(x.a, x.b);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  // min and max give their second operand when one is NaN.
  static F ClampFrom(F x, F lo, F hi) {
    return {_mm256_min_ps(hi.a, _mm256_max_ps(lo.a, x.a)), _mm256_min_ps(hi.b, _mm256_max_ps(lo.b, x.b))};
  }
  static M Equal(F x, F y) { return {_mm256_cmp_ps(x.a, y.a, _CMP_EQ_OQ), _mm256_cmp_ps(x.b, y.b, _CMP_EQ_OQ)}; }
  static F Keep(M m, F x) { return {_mm256_and_ps(m.a, x.a), _mm256_and_ps(m.b, x.b)}; }
  static F SubWhere(M m, F x, F y) { return Sub(x, Keep(m, y)); }
  static F SubUnless(M m, F x, F y) { return Sub(x, {_mm256_andnot_ps(m.a, y.a), _mm256_andnot_ps(m.b, y.b)}); }
  static void StreamFence() { _mm_sfence(); }
};

}  // namespace

namespace internal {
const KernelSet& Avx2Kernels() {
  static constexpr KernelSet kKernels = MakeKernels<Avx2Lanes>();
  return kKernels;
}
}  // namespace internal

}  // namespace lwq::qat
