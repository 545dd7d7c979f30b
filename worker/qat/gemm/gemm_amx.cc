// The kernels for AMX: four tiles of 16 × 16 sums, two of A and two of B. Compiled with -mamx-tile -mamx-bf16 beside the
// flags of AVX-512.
#include <cstddef>

#include "worker/qat/gemm/avx512_pack.h"

namespace lwq::qat {
namespace {

constexpr int64_t kTileBytes = 1024;
constexpr int64_t kRowBytes = 64;

void BeginTiles() {
  struct alignas(64) TileConfig {
    uint8_t palette = 1;
    uint8_t start_row = 0;
    uint8_t reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};
  } config;
  for (int i = 0; i < 8; ++i) {
    config.row_bytes[i] = kRowBytes;
    config.rows[i] = 16;
  }
  // GCC's intrinsic says that it reads eight bytes: without this the rest need not be written before.
  asm volatile("" : : "r"(&config) : "memory");
  _tile_loadconfig(&config);
}
void EndTiles() {
  _tile_release();
}

// sums 0 1 / 2 3 += (rows 4, 5) · (columns 6, 7)
void MultiplyTiles(const std::byte* a, const std::byte* b) {
  _tile_loadd(4, a, kRowBytes);
  _tile_loadd(6, b, kRowBytes);
  _tile_dpbf16ps(0, 4, 6);
  _tile_loadd(7, b + kTileBytes, kRowBytes);
  _tile_dpbf16ps(1, 4, 7);
  _tile_loadd(5, a + kTileBytes, kRowBytes);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

void StoreTiles(int64_t rows, int64_t columns, const GemmResult& result) {
  if (rows == kPanel && columns == kPanel && result.kind == GemmResult::Kind::kF32 && result.addend == nullptr) {
    auto* out = static_cast<float*>(result.data);
    const int64_t row_bytes = result.stride * static_cast<int64_t>(sizeof(float));
    _tile_stored(0, out, row_bytes);
    _tile_stored(1, out + kHalf, row_bytes);
    _tile_stored(2, out + kHalf * result.stride, row_bytes);
    _tile_stored(3, out + kHalf * result.stride + kHalf, row_bytes);
    return;
  }
  alignas(64) float sums[kPanel * kPanel];
  _tile_stored(0, sums, kPanel * sizeof(float));
  _tile_stored(1, sums + kHalf, kPanel * sizeof(float));
  _tile_stored(2, sums + kHalf * kPanel, kPanel * sizeof(float));
  _tile_stored(3, sums + kHalf * kPanel + kHalf, kPanel * sizeof(float));
  if (columns == kPanel && result.kind == GemmResult::Kind::kBf16) {
    // 32 at once, by the instruction that flushes denormals.
    for (int64_t r = 0; r < rows; ++r) {
      const __m512bh both =
          _mm512_cvtne2ps_pbh(_mm512_load_ps(sums + r * kPanel + kHalf), _mm512_load_ps(sums + r * kPanel));
      _mm512_storeu_si512(static_cast<uint16_t*>(result.data) + r * result.stride, reinterpret_cast<__m512i>(both));
    }
    return;
  }
  const __mmask16 left = First16(columns), right = First16(columns - kHalf);
  for (int64_t r = 0; r < rows; ++r) {
    StoreSums(_mm512_load_ps(sums + r * kPanel), left, r * result.stride, result);
    if (right != 0) StoreSums(_mm512_load_ps(sums + r * kPanel + kHalf), right, r * result.stride + kHalf, result);
  }
}

void ZeroTiles() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

void MultiplyBf16(const void* a, const void* b, int64_t blocks, int64_t rows, int64_t columns,
                  const GemmResult& result) {
  const auto* a_block = static_cast<const std::byte*>(a);
  const auto* b_block = static_cast<const std::byte*>(b);
  ZeroTiles();
  for (int64_t i = 0; i < blocks; ++i) {
    MultiplyTiles(a_block, b_block);
    a_block += 2 * kTileBytes;
    b_block += 2 * kTileBytes;
  }
  StoreTiles(rows, columns, result);
}

constexpr int64_t kF32Parts = 3;
constexpr int64_t kPartBytes = 2 * kTileBytes;

const std::byte* Half(const std::byte* block, int64_t part, int64_t half) {
  return block + part * kPartBytes + half * kTileBytes;
}

// A block's five small products, then the large one, in the order that loads fewest tiles; a tile is loaded as soon as the
// products of what it held are under way. Each sum takes its products in the order of the comments.
void MultiplyPartTiles(const std::byte* a, const std::byte* b) {
  // a1 · b1
  _tile_loadd(4, Half(a, 1, 0), kRowBytes);
  _tile_loadd(6, Half(b, 1, 0), kRowBytes);
  _tile_dpbf16ps(0, 4, 6);
  _tile_loadd(7, Half(b, 1, 1), kRowBytes);
  _tile_dpbf16ps(1, 4, 7);
  _tile_loadd(5, Half(a, 1, 1), kRowBytes);
  _tile_dpbf16ps(2, 5, 6);
  _tile_loadd(6, Half(b, 0, 0), kRowBytes);
  _tile_dpbf16ps(3, 5, 7);
  _tile_loadd(7, Half(b, 0, 1), kRowBytes);
  // a1 · b0
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(1, 4, 7);
  _tile_loadd(4, Half(a, 2, 0), kRowBytes);
  _tile_dpbf16ps(3, 5, 7);
  _tile_loadd(5, Half(a, 2, 1), kRowBytes);
  // a2 · b0
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(1, 4, 7);
  _tile_loadd(4, Half(a, 0, 0), kRowBytes);
  _tile_dpbf16ps(2, 5, 6);
  _tile_loadd(6, Half(b, 2, 0), kRowBytes);
  _tile_dpbf16ps(3, 5, 7);
  _tile_loadd(5, Half(a, 0, 1), kRowBytes);
  _tile_loadd(7, Half(b, 2, 1), kRowBytes);
  // a0 · b2
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(2, 5, 6);
  _tile_loadd(6, Half(b, 1, 0), kRowBytes);
  _tile_dpbf16ps(1, 4, 7);
  _tile_dpbf16ps(3, 5, 7);
  _tile_loadd(7, Half(b, 1, 1), kRowBytes);
  // a0 · b1
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(2, 5, 6);
  _tile_loadd(6, Half(b, 0, 0), kRowBytes);
  _tile_dpbf16ps(1, 4, 7);
  _tile_dpbf16ps(3, 5, 7);
  _tile_loadd(7, Half(b, 0, 1), kRowBytes);
  // a0 · b0
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(1, 4, 7);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

void MultiplyF32(const void* a, const void* b, int64_t blocks, int64_t rows, int64_t columns,
                 const GemmResult& result) {
  const auto* a_block = static_cast<const std::byte*>(a);
  const auto* b_block = static_cast<const std::byte*>(b);
  ZeroTiles();
  for (int64_t i = 0; i < blocks; ++i) {
    MultiplyPartTiles(a_block, b_block);
    a_block += kF32Parts * kPartBytes;
    b_block += kF32Parts * kPartBytes;
  }
  StoreTiles(rows, columns, result);
}

}  // namespace

namespace internal {
const GemmKernels& AmxGemmKernels(bool bf16) {
  static constexpr GemmKernels kBf16 = {sizeof(uint16_t),           2 * kTileBytes, &PackPairs<FromBf16, true>,
                                        &PackPairs<FromBf16, false>, &MultiplyBf16,  &BeginTiles,
                                        &EndTiles};
  static constexpr GemmKernels kF32 = {sizeof(float),
                                       kF32Parts * kPartBytes,
                                       &PackPairs<FromF32<kF32Parts>, true>,
                                       &PackPairs<FromF32<kF32Parts>, false>,
                                       &MultiplyF32,
                                       &BeginTiles,
                                       &EndTiles};
  return bf16 ? kBf16 : kF32;
}
}  // namespace internal

}  // namespace lwq::qat
