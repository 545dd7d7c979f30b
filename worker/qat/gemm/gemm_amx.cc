// SPDX-License-Identifier: Apache-2.0
// The kernels for AMX: four tiles of 16 × 16 sums, two of A and two of B. Compiled with -mamx-tile -mamx-bf16 beside
// the flags of AVX-512.
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

// Where sums go that lie in memory already: converting them is spread over the next panel's products, which leave the
// vector units free.
class PendingStore {
 public:
  PendingStore() = default;
  PendingStore(const float* sums, int64_t rows, int64_t columns, const GemmResult& result)
      : sums_(sums), rows_(rows), columns_(columns), result_(result) {}

  void Store(int64_t rows) {
    const int64_t end = rows < rows_ - next_ ? next_ + rows : rows_;
    for (; next_ < end; ++next_) StoreRow(next_);
  }
  void StoreRest() { Store(rows_); }
  bool is_done() const { return next_ == rows_; }

 private:
  void StoreRow(int64_t r) const {
    const __m512 left = _mm512_load_ps(sums_ + r * kPanel), right = _mm512_load_ps(sums_ + r * kPanel + kHalf);
    const int64_t offset = r * result_.stride;
    if (columns_ >= kPanel && result_.kind == GemmResult::Kind::kBf16) {
      // 32 at once, by the instruction that flushes denormals.
      _mm512_storeu_si512(static_cast<uint16_t*>(result_.data) + offset,
                          reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(right, left)));
      return;
    }
    StoreSums(left, First16(columns_), offset, result_);
    const __mmask16 mask = First16(columns_ - kHalf);
    if (mask != 0) StoreSums(right, mask, offset + kHalf, result_);
  }

  const float* sums_ = nullptr;
  int64_t rows_ = 0, columns_ = 0, next_ = 0;
  GemmResult result_;
};

void StoreTiles(float* out, int64_t stride) {
  const int64_t row_bytes = stride * static_cast<int64_t>(sizeof(float));
  _tile_stored(0, out, row_bytes);
  _tile_stored(1, out + kHalf, row_bytes);
  _tile_stored(2, out + kHalf * stride, row_bytes);
  _tile_stored(3, out + kHalf * stride + kHalf, row_bytes);
}

// Tells the first cache of rows that will be stored: waiting for them holds up the products behind.
void PrefetchRows(const GemmResult& result, int64_t first, int64_t last) {
  for (int64_t r = first; r < last && r < kPanel; ++r) {
    const auto* row = static_cast<const float*>(result.data) + r * result.stride;
    _mm_prefetch(row, _MM_HINT_T0);
    _mm_prefetch(row + kHalf, _MM_HINT_T0);
  }
}

void ZeroTiles() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

// Products of a block of rows with one of columns: sums 0 1 / 2 3 += (rows 4, 5) · (columns 6, 7). Rows stay in the
// first cache from panel to panel; columns, read once, are not to displace them there.
struct Bf16Blocks {
  static constexpr bool kPrefetches = false;  // its loads need the time
  static constexpr int64_t kBytes = 2 * kTileBytes;
  static void Multiply(const GemmRows& rows, const std::byte* a, const std::byte* b) {
    _tile_loadd(4, a, rows.row_bytes);
    _tile_stream_loadd(6, b, kRowBytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_stream_loadd(7, b + kTileBytes, kRowBytes);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, a + rows.half_bytes, rows.row_bytes);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
};

constexpr int kF32Parts = 3;
constexpr int64_t kPartBytes = 2 * kTileBytes;

// Each number as the sum of three bf16 ones, by the instructions that round to bf16, which flush what the products take
// for 0.
struct FromF32Rounded {
  static constexpr int kParts = kF32Parts;
  using Element = float;

  static void Along(const float* p, int64_t depth, __m512i* out, int j) {
    __m512 first = _mm512_maskz_loadu_ps(First16(depth), p);
    __m512 second = _mm512_maskz_loadu_ps(First16(depth - 16), p + 16);
    for (int part = 0; part < kParts; ++part) {
      const auto both = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(second, first));
      out[part * 16 + j] = both;
      first = _mm512_sub_ps(first, Widened(_mm512_castsi512_si256(both)));
      second = _mm512_sub_ps(second, Widened(_mm512_extracti64x4_epi64(both, 1)));
    }
  }
  static void Across(const float* p, int64_t stride, int64_t items, int64_t depth, __m512i* out, int j) {
    __m512 first = _mm512_maskz_loadu_ps(depth > 0 ? First16(items) : 0, p);
    __m512 second = _mm512_maskz_loadu_ps(depth > 1 ? First16(items) : 0, p + stride);
    for (int part = 0; part < kParts; ++part) {
      const __m512 upper_first = Rounded(first), upper_second = Rounded(second);
      out[part * 16 + j] = PairsAcross(_mm512_castps_si512(upper_first), _mm512_castps_si512(upper_second));
      first = _mm512_sub_ps(first, upper_first);
      second = _mm512_sub_ps(second, upper_second);
    }
  }

 private:
  static __m512 Widened(__m256i bf16) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bf16), 16));
  }
  static __m512 Rounded(__m512 x) { return Widened(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x))); }
};

const std::byte* Half(const std::byte* block, int64_t part, int64_t half) {
  return block + part * kPartBytes + half * kTileBytes;
}

// A block's five small products, then the large one, in the order that loads fewest tiles; a tile is loaded as soon as
// the products of what it held are under way. Each sum takes its products in the order of the comments.
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

struct F32Blocks {
  static constexpr bool kPrefetches = true;
  static constexpr int64_t kBytes = kF32Parts * kPartBytes;
  static void Multiply(const GemmRows&, const std::byte* a, const std::byte* b) { MultiplyPartTiles(a, b); }
};

template <typename Blocks>
void MultiplyPanels(const GemmRows& a, const void* b, int64_t panel_bytes, int64_t blocks, int64_t rows,
                    int64_t columns, const GemmResult& result) {
  alignas(64) float sums[2][kPanel * kPanel];
  int used = 0;
  PendingStore pending;
  const int64_t share = (kPanel + blocks - 1) / blocks;
  const bool is_plain = rows == kPanel && result.kind == GemmResult::Kind::kF32 && result.addend == nullptr;
  const auto* panel = static_cast<const std::byte*>(b);
  for (int64_t column = 0; column < columns; column += kPanel, panel += panel_bytes) {
    const auto* a_block = static_cast<const std::byte*>(a.data);
    const std::byte* b_block = panel;
    const auto multiply_next = [&] {
      Blocks::Multiply(a, a_block, b_block);
      a_block += a.block_bytes;
      b_block += Blocks::kBytes;
    };
    ZeroTiles();
    int64_t block = 0;
    for (; block < blocks && !pending.is_done(); ++block) {
      multiply_next();
      pending.Store(share);
    }
    const GemmResult corner = FromColumn(result, column);
    const bool is_stored = is_plain && columns - column >= kPanel;
    if (Blocks::kPrefetches && is_stored) {
      for (; block < blocks; ++block) {
        PrefetchRows(corner, block * share, (block + 1) * share);
        multiply_next();
      }
    }
    for (; block < blocks; ++block) multiply_next();
    if (is_stored) {
      StoreTiles(static_cast<float*>(corner.data), corner.stride);
      continue;
    }
    StoreTiles(sums[used], kPanel);
    pending = PendingStore(sums[used], rows, columns - column, corner);
    used = 1 - used;
  }
  pending.StoreRest();
}

template <typename Source, typename Blocks, bool kReadsRows>
constexpr GemmKernels MakeAmxKernels() {
  return {.element_bytes = sizeof(typename Source::Element),
          .block_bytes = Blocks::kBytes,
          .pack_rows = &PackPairs<Source, true>,
          .pack_columns = &PackPairs<Source, false>,
          .reads_rows = kReadsRows,
          .multiply = &MultiplyPanels<Blocks>,
          .begin = &BeginTiles,
          .end = &EndTiles};
}

}  // namespace

namespace internal {
const GemmKernels& AmxGemmKernels(bool bf16) {
  static constexpr GemmKernels kBf16 = MakeAmxKernels<FromBf16, Bf16Blocks, true>();
  static constexpr GemmKernels kF32 = MakeAmxKernels<FromF32Rounded, F32Blocks, false>();
  return bf16 ? kBf16 : kF32;
}
}  // namespace internal

}  // namespace lwq::qat
