// Compiled with the flags of AVX-512: includes nothing with inline functions of its own (quant/kernels_body.h).
#include <immintrin.h>

#include "worker/qat/fused/row_kernels.h"

namespace lwq::qat {
namespace {

using F = __m512;
constexpr int64_t kWide = 16;

__mmask16 Lanes(int64_t n) {
  return n >= kWide ? static_cast<__mmask16>(0xFFFF) : n <= 0 ? 0 : static_cast<__mmask16>((1u << n) - 1u);
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

struct Bf16 {
  using Element = uint16_t;
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
};
struct F32 {
  using Element = float;
  static F Load(const float* p, __mmask16 mask) { return _mm512_maskz_loadu_ps(mask, p); }
  static void Store(float* p, __mmask16 mask, F x) { _mm512_mask_storeu_ps(p, mask, x); }
};

// eˣ to about one unit in the last place: x = n·ln2 + r, a polynomial of degree 6 in r. −∞ gives 0, NaN stays NaN.
F Exp(F x) {
  const F bounded = _mm512_max_ps(All(-104.0f), x);  // NaN: the second operand
  const F n = _mm512_roundscale_ps(_mm512_mul_ps(bounded, All(1.44269504088896341f)), _MM_FROUND_TO_NEAREST_INT);
  F r = _mm512_fnmadd_ps(n, All(0.693359375f), bounded);
  r = _mm512_fnmadd_ps(n, All(-2.12194440e-4f), r);
  F y = All(1.9875691500e-4f);
  y = _mm512_fmadd_ps(y, r, All(1.3981999507e-3f));
  y = _mm512_fmadd_ps(y, r, All(8.3334519073e-3f));
  y = _mm512_fmadd_ps(y, r, All(4.1665795894e-2f));
  y = _mm512_fmadd_ps(y, r, All(1.6666665459e-1f));
  y = _mm512_fmadd_ps(y, r, All(5.0000001201e-1f));
  y = _mm512_fmadd_ps(_mm512_mul_ps(y, r), r, _mm512_add_ps(r, All(1.0f)));
  return _mm512_scalef_ps(y, n);
}

F Sigmoid(F x) {
  return _mm512_div_ps(All(1.0f), _mm512_add_ps(All(1.0f), Exp(_mm512_sub_ps(_mm512_setzero_ps(), x))));
}

// visit(first, mask) over n elements.
template <typename Visit>
void ForEachVector(int64_t n, Visit visit) {
  int64_t i = 0;
  for (; i + kWide <= n; i += kWide) visit(i, static_cast<__mmask16>(0xFFFF));
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
    T::Store(o + i, mask, _mm512_mul_ps(F32::Load(weight + i, mask), _mm512_mul_ps(F32::Load(x + i, mask), All(scale))));
  });
}

void RmsNormBackwardRow(const float* dy, const float* x, const float* weight, int64_t n, float inverse,
                        const float* addend, float* dx, float* weight_sums) {
  F products = _mm512_setzero_ps();
  ForEachVector(n, [&](int64_t i, __mmask16 mask) {
    const F d = F32::Load(dy + i, mask), normal = _mm512_mul_ps(F32::Load(x + i, mask), All(inverse));
    const F of_weight = _mm512_mul_ps(d, normal);
    products = _mm512_fmadd_ps(of_weight, F32::Load(weight + i, mask), products);
    if (weight_sums != nullptr) F32::Store(weight_sums + i, mask, _mm512_add_ps(F32::Load(weight_sums + i, mask), of_weight));
  });
  if (dx == nullptr) return;
  const float mean = Total(products) / static_cast<float>(n);
  ForEachVector(n, [&](int64_t i, __mmask16 mask) {
    const F normal = _mm512_mul_ps(F32::Load(x + i, mask), All(inverse));
    const F inner = _mm512_fnmadd_ps(normal, All(mean), _mm512_mul_ps(F32::Load(dy + i, mask), F32::Load(weight + i, mask)));
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
    const F x = T::Load(static_cast<const Element*>(gate) + i, mask), u = T::Load(static_cast<const Element*>(up) + i, mask);
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

template <typename T>
float SoftmaxRow(const float* s, int64_t first, int64_t last, int64_t width, float scale, void* p) {
  auto* out = static_cast<typename T::Element*>(p);
  const int64_t begin = first / kWide * kWide;
  F largest = All(-__builtin_inff());
  for (int64_t i = begin; i < last; i += kWide) {
    largest = _mm512_mask_max_ps(largest, Inside(i, first, last), largest, F32::Load(s + i, Inside(i, first, last)));
  }
  const float maximum = _mm512_reduce_max_ps(largest) * scale;
  F sums = _mm512_setzero_ps();
  for (int64_t i = begin; i < last; i += kWide) {
    const __mmask16 mask = Inside(i, first, last);
    const F e = Exp(_mm512_fmsub_ps(F32::Load(s + i, mask), All(scale), All(maximum)));
    sums = _mm512_mask_add_ps(sums, mask, sums, e);
  }
  const float sum = Total(sums);
  const F inverse = All(1.0f / sum);
  for (int64_t i = 0; i < width; i += kWide) {
    const __mmask16 mask = Inside(i, first, last);
    F value = _mm512_setzero_ps();
    if (mask != 0) {
      const F e = Exp(_mm512_fmsub_ps(F32::Load(s + i, mask), All(scale), All(maximum)));
      value = _mm512_maskz_mul_ps(mask, e, inverse);
    }
    T::Store(out + i, 0xFFFF, value);
  }
  return maximum + __builtin_logf(sum);
}

template <typename T>
void SoftmaxBackwardRow(const float* s, const float* dp, int64_t first, int64_t last, int64_t width, float scale,
                        float log_sum, float delta, void* p, void* ds) {
  using Element = typename T::Element;
  for (int64_t i = 0; i < width; i += kWide) {
    const __mmask16 mask = Inside(i, first, last);
    F value = _mm512_setzero_ps(), gradient = _mm512_setzero_ps();
    if (mask != 0) {
      value = _mm512_maskz_mov_ps(mask, Exp(_mm512_fmsub_ps(F32::Load(s + i, mask), All(scale), All(log_sum))));
      const F difference = _mm512_mul_ps(_mm512_sub_ps(F32::Load(dp + i, mask), All(delta)), All(scale));
      gradient = _mm512_maskz_mul_ps(mask, value, difference);
    }
    T::Store(static_cast<Element*>(p) + i, 0xFFFF, value);
    T::Store(static_cast<Element*>(ds) + i, 0xFFFF, gradient);
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
void NarrowRow(const float* x, int64_t n, void* out) {
  ForEachVector(n, [&](int64_t i, __mmask16 mask) {
    T::Store(static_cast<typename T::Element*>(out) + i, mask, F32::Load(x + i, mask));
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
  return {&RmsNormRow<T>, &RmsNormBackwardRow,    &RotateRow<T>, &SwigluRow<T>, &SwigluBackwardRow<T>,
          &SoftmaxRow<T>, &SoftmaxBackwardRow<T>, &DotRow<T>,    &NarrowRow<T>, &AddToLogSum};
}

}  // namespace

const RowKernels& Avx512RowKernels(bool bf16) {
  static constexpr RowKernels kBf16 = MakeRowKernels<Bf16>(), kF32 = MakeRowKernels<F32>();
  return bf16 ? kBf16 : kF32;
}

}  // namespace lwq::qat
