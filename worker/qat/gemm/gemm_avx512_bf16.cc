// The kernels for AVX512_BF16: bf16 operands in the layout of AMX's tiles. Compiled with -mavx512bf16 beside the flags of
// AVX-512.
#include <cstddef>

#include "worker/qat/gemm/avx512_pack.h"

namespace lwq::qat {
namespace {

constexpr int kRowsAtOnce = 8;

void Nothing() {}

__m512bh Pairs(const void* p) {
  return reinterpret_cast<__m512bh>(_mm512_load_si512(p));
}

// Eight rows: two registers of sums each.
void MultiplyRows(const std::byte* a, const std::byte* b, int64_t blocks, int64_t first, int64_t rows, int64_t columns,
                  const GemmResult& result) {
  constexpr int64_t kTileBytes = 1024, kRowBytes = 64, kPairBytes = 4;
  __m512 sums[kRowsAtOnce][2];
  for (auto& row : sums) row[0] = row[1] = _mm512_setzero_ps();
  a += first / kHalf * kTileBytes + first % kHalf * kRowBytes;
  for (int64_t i = 0; i < blocks; ++i) {
    for (int64_t pair = 0; pair < kHalf; ++pair) {
      const __m512bh left = Pairs(b + pair * kRowBytes), right = Pairs(b + kTileBytes + pair * kRowBytes);
#pragma GCC unroll 8
      for (int r = 0; r < kRowsAtOnce; ++r) {
        const auto* p = reinterpret_cast<const int*>(a + r * kRowBytes + pair * kPairBytes);
        const auto both = reinterpret_cast<__m512bh>(_mm512_set1_epi32(*p));
        sums[r][0] = _mm512_dpbf16_ps(sums[r][0], both, left);
        sums[r][1] = _mm512_dpbf16_ps(sums[r][1], both, right);
      }
    }
    a += 2 * kTileBytes;
    b += 2 * kTileBytes;
  }
  const __mmask16 left = First16(columns), right = First16(columns - kHalf);
  for (int64_t r = first; r < rows && r < first + kRowsAtOnce; ++r) {
    StoreSums(sums[r - first][0], left, r * result.stride, result);
    if (right != 0) StoreSums(sums[r - first][1], right, r * result.stride + kHalf, result);
  }
}

void Multiply(const void* a, const void* b, int64_t blocks, int64_t rows, int64_t columns, const GemmResult& result) {
  for (int64_t first = 0; first < rows; first += kRowsAtOnce) {
    MultiplyRows(static_cast<const std::byte*>(a), static_cast<const std::byte*>(b), blocks, first, rows, columns,
                 result);
  }
}

}  // namespace

namespace internal {
const GemmKernels& Avx512Bf16GemmKernels() {
  static constexpr GemmKernels kKernels = {
      sizeof(uint16_t), 2048, &PackPairs<FromBf16, true>, &PackPairs<FromBf16, false>, &Multiply, &Nothing, &Nothing};
  return kKernels;
}
}  // namespace internal

}  // namespace lwq::qat
