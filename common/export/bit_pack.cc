// SPDX-License-Identifier: Apache-2.0
#include "common/export/bit_pack.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>
#include <utility>

namespace lwq::qat {
namespace {

static_assert(std::endian::native == std::endian::little, "words are stored as this machine holds them");

constexpr int64_t kUnitCodes = 32;  // 32 codes of b bits are b words
constexpr int64_t kTileRows = 16;   // 16 words of 4 bytes: a cache line of a transposed row is written at once

constexpr uint64_t kBytePairs = 0x00ff00ff00ff00ffull;
constexpr uint64_t kShortPairs = 0x0000ffff0000ffffull;
constexpr uint64_t kWordPair = 0x00000000ffffffffull;

// Eight codes, one a byte → 8·kBits contiguous bits: fields of 8, then 16, then 32 bits move together.
template <int kBits>
uint64_t Compress8(uint64_t codes) {
  codes = (codes & kBytePairs) | ((codes & ~kBytePairs) >> (8 - kBits));
  codes = (codes & kShortPairs) | ((codes & ~kShortPairs) >> (16 - 2 * kBits));
  return (codes & kWordPair) | ((codes & ~kWordPair) >> (32 - 4 * kBits));
}

template <int kBits>
uint64_t Expand8(uint64_t stream) {
  constexpr uint64_t kFour = (uint64_t{1} << (4 * kBits)) - 1;
  constexpr uint64_t kTwo = ((uint64_t{1} << (2 * kBits)) - 1) * 0x0000000100000001ull;
  constexpr uint64_t kOne = ((uint64_t{1} << kBits) - 1) * 0x0001000100010001ull;
  stream = (stream & kFour) | ((stream & (kFour << (4 * kBits))) << (32 - 4 * kBits));
  stream = (stream & kTwo) | ((stream & (kTwo << (2 * kBits))) << (16 - 2 * kBits));
  return (stream & kOne) | ((stream & (kOne << kBits)) << (8 - kBits));
}

// A unit: 32 codes ↔ kBits words. Eight codes are kBits whole bytes, so the stream is written byte-wise.
template <int kBits>
void PackUnit(const std::byte* codes, std::byte* words) {
  for (ptrdiff_t part = 0; part < 4; ++part) {
    uint64_t eight;
    std::memcpy(&eight, codes + 8 * part, 8);
    eight = Compress8<kBits>(eight);
    std::memcpy(words + kBits * part, &eight, kBits);
  }
}

template <int kBits>
void UnpackUnit(const std::byte* words, std::byte* codes) {
  for (ptrdiff_t part = 0; part < 4; ++part) {
    uint64_t eight = 0;
    std::memcpy(&eight, words + kBits * part, kBits);
    eight = Expand8<kBits>(eight);
    std::memcpy(codes + 8 * part, &eight, 8);
  }
}

// Where the words of a row's unit lie: word w of row r at (r · row_words + w · word_stride) words.
struct Geometry {
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t words = 0;        // a row's
  int64_t row_stride = 0;   // in words
  int64_t word_stride = 0;  // in words
};

// Calls `unit(first code, codes, first word, words)` for every unit of a row.
template <int kBits, typename Unit>
void ForEachUnit(const Geometry& g, const Unit& unit) {
  for (int64_t code = 0, word = 0; code < g.columns; code += kUnitCodes, word += kBits) {
    unit(code, std::min(kUnitCodes, g.columns - code), word, std::min<int64_t>(kBits, g.words - word));
  }
}

template <int kBits>
void PackTile(const Geometry& g, int64_t first_row, int64_t tile_rows, const std::byte* codes, std::byte* out) {
  std::array<uint32_t, kTileRows * kBits> tile;
  ForEachUnit<kBits>(g, [&](int64_t code, int64_t code_count, int64_t word, int64_t word_count) {
    for (int64_t r = 0; r < tile_rows; ++r) {
      const std::byte* source = codes + (first_row + r) * g.columns + code;
      std::array<std::byte, kUnitCodes> padded;
      if (code_count < kUnitCodes) {
        padded.fill(std::byte{0});
        std::memcpy(padded.data(), source, static_cast<size_t>(code_count));
        source = padded.data();
      }
      std::array<uint32_t, kBits> words;
      PackUnit<kBits>(source, reinterpret_cast<std::byte*>(words.data()));
      for (int w = 0; w < kBits; ++w) tile[static_cast<size_t>(w * tile_rows + r)] = words[static_cast<size_t>(w)];
    }
    for (int64_t w = 0; w < word_count; ++w) {
      const int64_t at = first_row * g.row_stride + (word + w) * g.word_stride;
      const uint32_t* line = tile.data() + w * tile_rows;
      std::memcpy(out + at * 4, line, static_cast<size_t>(tile_rows) * 4);
    }
  });
}

template <int kBits>
void UnpackTile(const Geometry& g, int64_t first_row, int64_t tile_rows, const std::byte* in, std::byte* codes) {
  std::array<uint32_t, kTileRows * kBits> tile{};
  ForEachUnit<kBits>(g, [&](int64_t code, int64_t code_count, int64_t word, int64_t word_count) {
    for (int64_t w = 0; w < word_count; ++w) {
      const int64_t at = first_row * g.row_stride + (word + w) * g.word_stride;
      std::memcpy(tile.data() + w * tile_rows, in + at * 4, static_cast<size_t>(tile_rows) * 4);
    }
    for (int64_t r = 0; r < tile_rows; ++r) {
      std::array<uint32_t, kBits> words{};
      for (int64_t w = 0; w < word_count; ++w) {
        words[static_cast<size_t>(w)] = tile[static_cast<size_t>(w * tile_rows + r)];
      }
      std::array<std::byte, kUnitCodes> unit;
      UnpackUnit<kBits>(reinterpret_cast<const std::byte*>(words.data()), unit.data());
      std::memcpy(codes + (first_row + r) * g.columns + code, unit.data(), static_cast<size_t>(code_count));
    }
  });
}

// Rows with contiguous words are tiles of one row; transposed ones go 16 rows at a time.
int64_t TileRows(const Geometry& g) {
  return g.word_stride == 1 ? 1 : kTileRows;
}

template <int kBits>
void PackAll(const Geometry& g, const std::byte* codes, std::byte* out) {
  const int64_t step = TileRows(g);
  for (int64_t row = 0; row < g.rows; row += step) PackTile<kBits>(g, row, std::min(step, g.rows - row), codes, out);
}

template <int kBits>
void UnpackAll(const Geometry& g, const std::byte* in, std::byte* codes) {
  const int64_t step = TileRows(g);
  for (int64_t row = 0; row < g.rows; row += step) UnpackTile<kBits>(g, row, std::min(step, g.rows - row), in, codes);
}

// Calls the instantiation for `bits`, which the caller has checked.
template <typename Body>
void WithBits(int bits, const Body& body) {
  switch (bits) {
    case 2:
      return body(std::integral_constant<int, 2>());
    case 3:
      return body(std::integral_constant<int, 3>());
    case 4:
      return body(std::integral_constant<int, 4>());
    case 5:
      return body(std::integral_constant<int, 5>());
    case 6:
      return body(std::integral_constant<int, 6>());
    case 8:
      return body(std::integral_constant<int, 8>());
  }
  LWQ_CHECK(false, "unchecked bits ", bits);
}

Status CheckBits(int bits) {
  if (IsSupportedBits(bits)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("cannot pack ", bits, "-bit codes; use 2, 3, 4, 5, 6 or 8 bits"));
}

Status CheckMatrix(const HostTensor& tensor, DType dtype, std::string_view what) {
  if (tensor.dtype != dtype || tensor.shape.size() != 2) {
    return absl::InvalidArgumentError(absl::StrCat(what, " must be a matrix of ", DTypeName(dtype), ", got ",
                                                   DTypeName(tensor.dtype), " with ", tensor.shape.size(),
                                                   " dimensions"));
  }
  LWQ_ASSIGN_OR_RETURN(const int64_t elements, ElementCount(tensor.shape));
  if (tensor.bytes.size() == static_cast<size_t>(elements * DTypeBytes(dtype))) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " [", tensor.shape[0], ", ", tensor.shape[1], "] holds ", tensor.bytes.size(), " bytes"));
}

Status CheckCodes(const HostTensor& codes, int bits) {
  LWQ_RETURN_IF_ERROR(CheckBits(bits));
  LWQ_RETURN_IF_ERROR(CheckMatrix(codes, DType::kU8, "codes"));
  const auto* data = reinterpret_cast<const uint8_t*>(codes.bytes.data());
  unsigned all = 0;
  for (size_t i = 0; i < codes.bytes.size(); ++i) all |= data[i];
  if (all >> bits == 0) return absl::OkStatus();
  const auto* bad = std::find_if(data, data + codes.bytes.size(), [bits](uint8_t code) { return code >> bits != 0; });
  return absl::InvalidArgumentError(absl::StrCat("code ", static_cast<int>(*bad), " at row ",
                                                 (bad - data) / codes.shape[1], " does not fit ", bits, " bits"));
}

Geometry RowGeometry(int64_t rows, int64_t columns, int bits, bool transposed) {
  const int64_t words = PackedWords(columns, bits);
  return Geometry{.rows = rows,
                  .columns = columns,
                  .words = words,
                  .row_stride = transposed ? 1 : words,
                  .word_stride = transposed ? rows : 1};
}

StatusOr<HostTensor> Pack(const HostTensor& codes, int bits, bool transposed) {
  LWQ_RETURN_IF_ERROR(CheckCodes(codes, bits));
  const Geometry g = RowGeometry(codes.shape[0], codes.shape[1], bits, transposed);
  std::string out(static_cast<size_t>(g.rows * g.words) * 4, '\0');
  auto* data = reinterpret_cast<std::byte*>(out.data());
  WithBits(bits, [&](auto constant) { PackAll<decltype(constant)::value>(g, codes.bytes.data(), data); });
  std::vector<int64_t> shape =
      transposed ? std::vector<int64_t>{g.words, g.rows} : std::vector<int64_t>{g.rows, g.words};
  return HostTensor{DType::kI32, std::move(shape), Bytes::FromString(std::move(out))};
}

StatusOr<HostTensor> Unpack(const HostTensor& words, int bits, int64_t columns, bool transposed) {
  LWQ_RETURN_IF_ERROR(CheckBits(bits));
  LWQ_RETURN_IF_ERROR(CheckMatrix(words, DType::kI32, "packed words"));
  const int64_t rows = words.shape[transposed ? 1 : 0];
  const int64_t row_words = words.shape[transposed ? 0 : 1];
  if (columns < 0 || columns / 32 > row_words || row_words != PackedWords(columns, bits)) {
    return absl::InvalidArgumentError(
        absl::StrCat(row_words, " words cannot be the stream of ", columns, " codes of ", bits, " bits"));
  }
  const Geometry g = RowGeometry(rows, columns, bits, transposed);
  std::string out(static_cast<size_t>(rows * columns), '\0');
  auto* data = reinterpret_cast<std::byte*>(out.data());
  WithBits(bits, [&](auto constant) { UnpackAll<decltype(constant)::value>(g, words.bytes.data(), data); });
  return HostTensor{DType::kU8, {rows, columns}, Bytes::FromString(std::move(out))};
}

}  // namespace

bool IsSupportedBits(int bits) {
  return (bits >= 2 && bits <= 6) || bits == 8;
}

int64_t PackedWords(int64_t codes, int bits) {
  return (codes * bits + 31) / 32;
}

StatusOr<HostTensor> PackRows(const HostTensor& codes, int bits) {
  return Pack(codes, bits, false);
}

StatusOr<HostTensor> UnpackRows(const HostTensor& words, int bits, int64_t columns) {
  return Unpack(words, bits, columns, false);
}

StatusOr<HostTensor> PackRowsTransposed(const HostTensor& codes, int bits) {
  return Pack(codes, bits, true);
}

StatusOr<HostTensor> UnpackRowsTransposed(const HostTensor& words, int bits, int64_t columns) {
  return Unpack(words, bits, columns, true);
}

}  // namespace lwq::qat
