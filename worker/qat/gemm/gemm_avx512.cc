// SPDX-License-Identifier: Apache-2.0
// The kernels for AVX-512 without bf16 or tiles: float32 sums of float32 operands, or of widened bf16 ones. A block of
// rows holds per depth its 32 items, a block of columns likewise: the same layout for both.
#include "worker/qat/gemm/avx512_pack.h"

namespace lwq::qat {
namespace {

constexpr int kRowsOfSums = 8;

void NothingToDo() {}

struct WidenBf16 {
  using Element = uint16_t;
  static __m512 Load(const uint16_t* p, __mmask16 mask) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, p)), 16));
  }
};
struct PlainF32 {
  using Element = float;
  static __m512 Load(const float* p, __mmask16 mask) { return _mm512_maskz_loadu_ps(mask, p); }
};

template <typename Source>
void PackFloats(const GemmOperand& operand, int64_t first, int64_t count, int64_t depth, void* panel) {
  const auto* data = static_cast<const typename Source::Element*>(operand.data);
  auto* out = static_cast<float*>(panel);
  for (int64_t begin = 0; begin < depth; begin += kHalf, out += kHalf * kPanel) {
    for (int64_t half = 0; half < 2; ++half) {
      const int64_t items = count - half * kHalf, from = first + half * kHalf, deep = depth - begin;
      __m512i regs[16];
      for (int64_t j = 0; j < 16; ++j) {
        __m512 values = _mm512_setzero_ps();
        if (operand.along_depth && j < items) {
          values = Source::Load(data + (from + j) * operand.stride + begin, First16(deep));
        } else if (!operand.along_depth && items > 0 && j < deep) {
          values = Source::Load(data + (begin + j) * operand.stride + from, First16(items));
        }
        regs[j] = _mm512_castps_si512(values);
      }
      if (operand.along_depth) Transpose16(regs);
      for (int64_t j = 0; j < 16; ++j) _mm512_store_si512(out + j * kPanel + half * kHalf, regs[j]);
    }
  }
  if ((depth + kHalf - 1) / kHalf % 2 == 0) return;
  for (int64_t j = 0; j < kHalf * kPanel; j += 16) _mm512_store_ps(out + j, _mm512_setzero_ps());
}

void MultiplyPanel(const void* a, const void* b, int64_t blocks, int64_t rows, int64_t columns,
                   const GemmResult& result) {
  const __mmask16 left = First16(columns), right = First16(columns - kHalf);
  for (int64_t first = 0; first < rows; first += kRowsOfSums) {
    __m512 sums[kRowsOfSums][2];
    for (auto& row : sums) row[0] = row[1] = _mm512_setzero_ps();
    const float* a_at = static_cast<const float*>(a) + first;
    const float* b_at = static_cast<const float*>(b);
    for (int64_t d = 0; d < blocks * kPanel; ++d, a_at += kPanel, b_at += kPanel) {
      const __m512 b_left = _mm512_load_ps(b_at), b_right = _mm512_load_ps(b_at + kHalf);
#pragma GCC unroll 8
      for (int r = 0; r < kRowsOfSums; ++r) {
        const __m512 both = _mm512_set1_ps(a_at[r]);
        sums[r][0] = _mm512_fmadd_ps(both, b_left, sums[r][0]);
        sums[r][1] = _mm512_fmadd_ps(both, b_right, sums[r][1]);
      }
    }
    for (int64_t r = first; r < rows && r < first + kRowsOfSums; ++r) {
      StoreSums(sums[r - first][0], left, r * result.stride, result);
      if (right != 0) StoreSums(sums[r - first][1], right, r * result.stride + kHalf, result);
    }
  }
}

void MultiplyFloats(const GemmRows& a, const void* b, int64_t panel_bytes, int64_t blocks, int64_t rows,
                    int64_t columns, const GemmResult& result) {
  const auto* panel = static_cast<const char*>(b);
  for (int64_t column = 0; column < columns; column += kPanel, panel += panel_bytes) {
    MultiplyPanel(a.data, panel, blocks, rows, columns - column, FromColumn(result, column));
  }
}

template <typename Source>
constexpr GemmKernels MakeFloatKernels() {
  return {.element_bytes = sizeof(typename Source::Element),
          .block_bytes = kPanel * kPanel * sizeof(float),
          .pack_rows = &PackFloats<Source>,
          .pack_columns = &PackFloats<Source>,
          .reads_rows = false,
          .multiply = &MultiplyFloats,
          .begin = &NothingToDo,
          .end = &NothingToDo};
}

}  // namespace

namespace internal {
const GemmKernels& Avx512GemmKernels(bool bf16) {
  static constexpr GemmKernels kBf16 = MakeFloatKernels<WidenBf16>(), kF32 = MakeFloatKernels<PlainF32>();
  return bf16 ? kBf16 : kF32;
}
}  // namespace internal

}  // namespace lwq::qat
