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

// Rows of part `a`, and columns of part `b`, of a block.
void LoadRows(const std::byte* a, int64_t part) {
  _tile_loadd(4, a + part * kPartBytes, kRowBytes);
  _tile_loadd(5, a + part * kPartBytes + kTileBytes, kRowBytes);
}
void LoadColumns(const std::byte* b, int64_t part) {
  _tile_loadd(6, b + part * kPartBytes, kRowBytes);
  _tile_loadd(7, b + part * kPartBytes + kTileBytes, kRowBytes);
}
void MultiplyLoaded() {
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(1, 4, 7);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

// A block's five small products, then the large one, in the order that loads fewest tiles.
void MultiplyF32(const void* a, const void* b, int64_t blocks, int64_t rows, int64_t columns,
                 const GemmResult& result) {
  const auto* a_block = static_cast<const std::byte*>(a);
  const auto* b_block = static_cast<const std::byte*>(b);
  ZeroTiles();
  for (int64_t i = 0; i < blocks; ++i) {
    LoadRows(a_block, 1);
    LoadColumns(b_block, 1);
    MultiplyLoaded();
    LoadColumns(b_block, 0);
    MultiplyLoaded();
    LoadRows(a_block, 2);
    MultiplyLoaded();
    LoadRows(a_block, 0);
    LoadColumns(b_block, 2);
    MultiplyLoaded();
    LoadColumns(b_block, 1);
    MultiplyLoaded();
    LoadColumns(b_block, 0);
    MultiplyLoaded();
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
