// SPDX-License-Identifier: Apache-2.0
// The kernels for AVX512_BF16: bf16 operands in the layout of AMX's tiles. Compiled with -mavx512bf16 beside the flags
// of AVX-512.
#include <cstddef>

#include "worker/qat/gemm/avx512_pack.h"

namespace lwq::qat {
namespace {

constexpr int kRowsAtOnce = 8;

void Nothing() {}

__m512bh Pairs(const void* p) {
  return reinterpret_cast<__m512bh>(_mm512_load_si512(p));
}

// Eight rows times a panel of columns: two registers of sums each.
void MultiplyRows(const GemmRows& rows_of_a, const std::byte* b, int64_t blocks, int64_t first, int64_t rows,
                  int64_t columns, const GemmResult& result) {
  constexpr int64_t kTileBytes = 1024, kRowBytes = 64, kPairBytes = 4;
  __m512 sums[kRowsAtOnce][2];
  for (auto& row : sums) row[0] = row[1] = _mm512_setzero_ps();
  const auto* a = static_cast<const std::byte*>(rows_of_a.data) + first / kHalf * rows_of_a.half_bytes +
                  first % kHalf * rows_of_a.row_bytes;
  for (int64_t i = 0; i < blocks; ++i) {
    for (int64_t pair = 0; pair < kHalf; ++pair) {
      const __m512bh left = Pairs(b + pair * kRowBytes), right = Pairs(b + kTileBytes + pair * kRowBytes);
#pragma GCC unroll 8
      for (int r = 0; r < kRowsAtOnce; ++r) {
        const auto* p = reinterpret_cast<const int*>(a + r * rows_of_a.row_bytes + pair * kPairBytes);
        const auto both = reinterpret_cast<__m512bh>(_mm512_set1_epi32(*p));
        sums[r][0] = _mm512_dpbf16_ps(sums[r][0], both, left);
        sums[r][1] = _mm512_dpbf16_ps(sums[r][1], both, right);
      }
    }
    a += rows_of_a.block_bytes;
    b += 2 * kTileBytes;
  }
  const __mmask16 left = First16(columns), right = First16(columns - kHalf);
  for (int64_t r = first; r < rows && r < first + kRowsAtOnce; ++r) {
    StoreSums(sums[r - first][0], left, r * result.stride, result);
    if (right != 0) StoreSums(sums[r - first][1], right, r * result.stride + kHalf, result);
  }
}

void Multiply(const GemmRows& a, const void* b, int64_t panel_bytes, int64_t blocks, int64_t rows, int64_t columns,
              const GemmResult& result) {
  const auto* panel = static_cast<const std::byte*>(b);
  for (int64_t column = 0; column < columns; column += kPanel, panel += panel_bytes) {
    const GemmResult corner = FromColumn(result, column);
    for (int64_t first = 0; first < rows; first += kRowsAtOnce) {
      MultiplyRows(a, panel, blocks, first, rows, columns - column, corner);
    }
  }
}

}  // namespace

namespace internal {
const GemmKernels& Avx512Bf16GemmKernels() {
  static constexpr GemmKernels kKernels = {.element_bytes = sizeof(uint16_t),
                                           .block_bytes = 2048,
                                           .pack_rows = &PackPairs<FromBf16, true>,
                                           .pack_columns = &PackPairs<FromBf16, false>,
                                           .reads_rows = true,
                                           .multiply = &Multiply,
                                           .begin = &Nothing,
                                           .end = &Nothing};
  return kKernels;
}
}  // namespace internal

}  // namespace lwq::qat
