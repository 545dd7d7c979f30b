// SPDX-License-Identifier: Apache-2.0
// Loading and transposing for the kernels of AVX-512. Included by one source per instruction set, each with
// its own flags: everything is in an unnamed namespace (kernels_body.h says why).
#pragma once

#include <immintrin.h>

#include "worker/qat/gemm/gemm_kernels.h"

namespace lwq::qat {
namespace {

constexpr int64_t kHalf = kPanel / 2;

__mmask16 First16(int64_t n) {
  return n >= 16 ? static_cast<__mmask16>(0xFFFF) : n <= 0 ? 0 : static_cast<__mmask16>((1u << n) - 1u);
}
[[maybe_unused]] __mmask32 First32(int64_t n) {
  return n >= 32 ? 0xFFFFFFFFu : n <= 0 ? 0 : (1u << n) - 1u;
}

// 16 × 16 elements of 32 bits.
void Transpose16(__m512i* r) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xDD);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xDD);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xDD);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xDD);
  }
}

// The upper 16 bits of every lane: x as bf16, halves to even, NaN stays one.
[[maybe_unused]] __m512i RoundToBf16(__m512 x) {
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), odd);
  return _mm512_mask_mov_epi32(rounded, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), _mm512_set1_epi32(0x7FC00000));
}
// 16 items at two depths: lane i is (depth d, depth d + 1) of item i, from upper halves.
[[maybe_unused]] __m512i PairsAcross(__m512i first, __m512i second) {
  return _mm512_or_si512(_mm512_srli_epi32(first, 16), second);
}

// How operands become blocks of pairs: kParts bf16 numbers of each element, part p of register j at out[p · 16 + j].
struct FromBf16 {
  static constexpr int kParts = 1;
  using Element = uint16_t;
  static void Along(const uint16_t* p, int64_t depth, __m512i* out, int j) {
    out[j] = _mm512_maskz_loadu_epi16(First32(depth), p);
  }
  static void Across(const uint16_t* p, int64_t stride, int64_t items, int64_t depth, __m512i* out, int j) {
    const __m512i first =
        depth > 0 ? _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(First16(items), p)) : _mm512_setzero_si512();
    const __m512i second = depth > 1 ? _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(First16(items), p + stride))
                                     : _mm512_setzero_si512();
    out[j] = _mm512_or_si512(first, _mm512_slli_epi32(second, 16));
  }
};

// Packs a panel. A block holds, part after part, two halves of 16 items each as a tile of 16 registers: those of rows
// hold an item each (16 pairs of depths); those of columns a pair of depths each (of 16 items).
template <typename Source, bool kRows>
void PackPairs(const GemmOperand& operand, int64_t first, int64_t count, int64_t depth, void* panel) {
  const auto* data = static_cast<const typename Source::Element*>(operand.data);
  auto* out = static_cast<__m512i*>(panel);
  for (int64_t begin = 0; begin < depth; begin += kPanel) {
    for (int64_t half = 0; half < 2; ++half) {
      const int64_t items = count - half * kHalf, from = first + half * kHalf, deep = depth - begin;
      __m512i regs[Source::kParts * 16];
      for (int j = 0; j < 16; ++j) {
        if (operand.along_depth && j < items) {
          Source::Along(data + (from + j) * operand.stride + begin, deep, regs, j);
        } else if (!operand.along_depth && items > 0) {
          Source::Across(data + (begin + 2 * j) * operand.stride + from, operand.stride, items, deep - 2 * j, regs, j);
        } else {
          for (int part = 0; part < Source::kParts; ++part) regs[part * 16 + j] = _mm512_setzero_si512();
        }
      }
      for (int part = 0; part < Source::kParts; ++part) {
        if (operand.along_depth != kRows) Transpose16(regs + part * 16);
        for (int j = 0; j < 16; ++j) _mm512_store_si512(out + (part * 2 + half) * 16 + j, regs[part * 16 + j]);
      }
    }
    out += Source::kParts * 2 * 16;
  }
}

// The result from `column` on.
[[maybe_unused]] GemmResult FromColumn(const GemmResult& result, int64_t column) {
  const bool bf16 = result.kind == GemmResult::Kind::kBf16;
  GemmResult from = result;
  from.data = static_cast<char*>(result.data) + column * (bf16 ? 2 : 4);
  if (from.addend != nullptr) from.addend += column;
  return from;
}

// A row of 16 sums to its place.
void StoreSums(__m512 sums, __mmask16 mask, int64_t offset, const GemmResult& result) {
  if (result.kind == GemmResult::Kind::kBf16) {
    const __m256i narrow = _mm512_cvtepi32_epi16(_mm512_srli_epi32(RoundToBf16(sums), 16));
    _mm256_mask_storeu_epi16(static_cast<uint16_t*>(result.data) + offset, mask, narrow);
    return;
  }
  if (result.addend != nullptr) sums = _mm512_add_ps(sums, _mm512_maskz_loadu_ps(mask, result.addend + offset));
  _mm512_mask_storeu_ps(static_cast<float*>(result.data) + offset, mask, sums);
}

}  // namespace
}  // namespace lwq::qat
