// SPDX-License-Identifier: Apache-2.0
// Bit streams: exact inverses, the 3-bit layout against a table of its own, refusals.
#include "common/export/bit_pack.h"

#include <cmath>
#include <limits>

#include "common/export/half.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "tests/unit/worker/pack_testing.h"

namespace lwq::qat {
namespace {

constexpr int kAllBits[] = {2, 3, 4, 5, 6, 8};

// The definition, one bit at a time: bit i of code j is bit (b·j + i) of the stream.
std::vector<uint32_t> PackBitByBit(const std::vector<uint8_t>& codes, int bits) {
  std::vector<uint32_t> words((codes.size() * static_cast<size_t>(bits) + 31) / 32, 0);
  for (size_t j = 0; j < codes.size(); ++j) {
    for (int i = 0; i < bits; ++i) {
      const size_t at = j * static_cast<size_t>(bits) + static_cast<size_t>(i);
      words[at / 32] |= static_cast<uint32_t>((codes[j] >> i) & 1) << (at % 32);
    }
  }
  return words;
}

// GPTQ's 3-bit layout as its table says: where the bits of code j lie in the words A, B, C of its 32 codes.
std::vector<uint32_t> PackThreeBitsByTable(const std::vector<uint8_t>& codes) {
  std::vector<uint32_t> words;
  for (size_t first = 0; first < codes.size(); first += 32) {
    uint32_t a = 0;
    uint32_t b = 0;
    uint32_t c = 0;
    for (uint32_t j = 0; j <= 9; ++j) a |= static_cast<uint32_t>(codes[first + j]) << (3 * j);
    a |= static_cast<uint32_t>(codes[first + 10] & 3) << 30;
    b |= static_cast<uint32_t>(codes[first + 10] >> 2) << 0;
    for (uint32_t j = 11; j <= 20; ++j) b |= static_cast<uint32_t>(codes[first + j]) << (1 + 3 * (j - 11));
    b |= static_cast<uint32_t>(codes[first + 21] & 1) << 31;
    c |= static_cast<uint32_t>(codes[first + 21] >> 1) << 0;
    for (uint32_t j = 22; j <= 31; ++j) c |= static_cast<uint32_t>(codes[first + j]) << (2 + 3 * (j - 22));
    words.insert(words.end(), {a, b, c});
  }
  return words;
}

RC_GTEST_PROP(BitPackProperty, PackingAndUnpackingAnyMatrixOfAnyWidthGivesItBack, (uint64_t seed)) {
  WorldRandom random(seed);
  const int bits = *rc::gen::elementOf(std::vector<int>(std::begin(kAllBits), std::end(kAllBits)));
  const int64_t rows = *rc::gen::inRange<int64_t>(1, 40);
  const int64_t columns = *rc::gen::inRange<int64_t>(1, 140);
  const HostTensor codes = RandomCodes(rows, columns, bits, random);

  const auto packed = PackRows(codes, bits);
  RC_ASSERT(packed.ok());
  RC_ASSERT(packed->shape == (std::vector<int64_t>{rows, (columns * bits + 31) / 32}));
  const auto unpacked = UnpackRows(*packed, bits, columns);
  RC_ASSERT(unpacked.ok() && SameTensor(*unpacked, codes));

  const auto transposed = PackRowsTransposed(codes, bits);
  RC_ASSERT(transposed.ok());
  RC_ASSERT(transposed->shape == (std::vector<int64_t>{(columns * bits + 31) / 32, rows}));
  const auto untransposed = UnpackRowsTransposed(*transposed, bits, columns);
  RC_ASSERT(untransposed.ok() && SameTensor(*untransposed, codes));
}

RC_GTEST_PROP(BitPackProperty, EveryRowIsTheDenseStreamOfItsCodesInBothOrders, (uint64_t seed)) {
  WorldRandom random(seed);
  const int bits = *rc::gen::elementOf(std::vector<int>(std::begin(kAllBits), std::end(kAllBits)));
  const int64_t rows = *rc::gen::inRange<int64_t>(1, 20);
  const int64_t columns = *rc::gen::inRange<int64_t>(1, 100);
  const HostTensor codes = RandomCodes(rows, columns, bits, random);
  const std::vector<uint8_t> values = ValuesOf<uint8_t>(codes);
  const auto packed = ValuesOf<uint32_t>(*PackRows(codes, bits));
  const auto transposed = ValuesOf<uint32_t>(*PackRowsTransposed(codes, bits));
  const auto words = static_cast<size_t>(PackedWords(columns, bits));
  for (size_t r = 0; r < static_cast<size_t>(rows); ++r) {
    const auto begin = values.begin() + static_cast<int64_t>(r) * columns;
    const std::vector<uint32_t> expected = PackBitByBit({begin, begin + columns}, bits);
    RC_ASSERT(expected.size() == words);
    for (size_t w = 0; w < words; ++w) {
      RC_ASSERT(packed[r * words + w] == expected[w]);
      RC_ASSERT(transposed[w * static_cast<size_t>(rows) + r] == expected[w]);
    }
  }
}

TEST(BitPackTest, ThreeBitWordsAreThoseOfTheLayoutTable) {
  WorldRandom random(3);
  const HostTensor codes = RandomCodes(7, 96, 3, random);
  const std::vector<uint8_t> values = ValuesOf<uint8_t>(codes);
  const auto packed = ValuesOf<uint32_t>(*PackRows(codes, 3));
  const auto transposed = ValuesOf<uint32_t>(*PackRowsTransposed(codes, 3));
  for (size_t r = 0; r < 7; ++r) {
    const std::vector<uint8_t> row(values.begin() + static_cast<int64_t>(r) * 96,
                                   values.begin() + static_cast<int64_t>(r + 1) * 96);
    const std::vector<uint32_t> expected = PackThreeBitsByTable(row);
    ASSERT_EQ(expected.size(), 9u);
    for (size_t w = 0; w < 9; ++w) {
      EXPECT_EQ(packed[r * 9 + w], expected[w]) << "row " << r << " word " << w;
      EXPECT_EQ(transposed[w * 7 + r], expected[w]) << "row " << r << " word " << w;
    }
  }
}

TEST(BitPackTest, EachThreeBitCodeTouchesOnlyTheBitsTheTableGivesIt) {
  for (size_t j = 0; j < 32; ++j) {
    std::vector<uint8_t> codes(32, 0);
    codes[j] = 7;
    const auto words = ValuesOf<uint32_t>(*PackRows(MakeTensor(DType::kU8, {1, 32}, codes), 3));
    EXPECT_EQ(words, PackThreeBitsByTable(codes)) << "code " << j;
  }
}

TEST(BitPackTest, PaddingIsZeroWhenWrittenAndIgnoredWhenRead) {
  const HostTensor codes = MakeTensor<uint8_t>(DType::kU8, {1, 3}, {3, 3, 3});
  const HostTensor packed = *PackRows(codes, 2);
  EXPECT_EQ(ValuesOf<uint32_t>(packed), std::vector<uint32_t>{0x3f});
  const HostTensor dirty = MakeTensor<uint32_t>(DType::kI32, {1, 1}, {0xffffffc0u | 0x3f});
  EXPECT_TRUE(SameTensor(*UnpackRows(dirty, 2, 3), codes));
}

TEST(BitPackTest, ACodeThatDoesNotFitIsRefusedInsteadOfOverwritingItsNeighbours) {
  const HostTensor codes = MakeTensor<uint8_t>(DType::kU8, {2, 2}, {0, 3, 1, 4});
  for (const auto& result : {PackRows(codes, 2), PackRowsTransposed(codes, 2)}) {
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(MessageOf(result.status()), "code 4 at row 1 does not fit 2 bits");
  }
}

TEST(BitPackTest, SevenBitsAndOtherWidthsAreRefused) {
  WorldRandom random(1);
  const HostTensor codes = RandomCodes(1, 4, 2, random);
  for (const int bits : {-1, 0, 1, 7, 9, 32}) {
    EXPECT_EQ(PackRows(codes, bits).status().code(), absl::StatusCode::kInvalidArgument) << bits;
    EXPECT_EQ(UnpackRows(codes, bits, 4).status().code(), absl::StatusCode::kInvalidArgument) << bits;
  }
}

TEST(BitPackTest, AStreamOfTheWrongLengthOrTypeIsRefused) {
  const HostTensor words = MakeTensor<int32_t>(DType::kI32, {2, 3}, std::vector<int32_t>(6, 0));
  EXPECT_TRUE(UnpackRows(words, 3, 32).ok());
  EXPECT_FALSE(UnpackRows(words, 3, 33).ok());
  EXPECT_FALSE(UnpackRows(words, 3, 21).ok());
  EXPECT_FALSE(UnpackRows(words, 3, -1).ok());
  EXPECT_FALSE(UnpackRows(words, 3, std::numeric_limits<int64_t>::max()).ok());
  EXPECT_FALSE(UnpackRowsTransposed(words, 3, 32).ok());
  EXPECT_FALSE(PackRows(words, 2).ok()) << "I32 is not codes";
  const HostTensor truncated{DType::kI32, {2, 3}, words.bytes.Slice(0, 20)};
  EXPECT_FALSE(UnpackRows(truncated, 3, 32).ok());
}

TEST(HalfTest, EveryFp16NumberSurvivesTheWayToFp32AndBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = FloatFromHalf(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(FloatFromHalf(HalfFromFloat(value))));
    } else {
      ASSERT_EQ(HalfFromFloat(value), half) << bits;
    }
  }
}

TEST(HalfTest, RoundingIsToNearestWithTiesToEven) {
  for (uint32_t bits = 0; bits < 0x7bff; ++bits) {  // neighbours of equal sign, both finite
    const auto low = static_cast<uint16_t>(bits);
    const auto high = static_cast<uint16_t>(bits + 1);
    const float middle = (FloatFromHalf(low) + FloatFromHalf(high)) / 2;  // exact in fp32
    ASSERT_EQ(HalfFromFloat(middle), (low & 1) == 0 ? low : high) << bits;
    ASSERT_EQ(HalfFromFloat(std::nextafterf(middle, 0.0f)), low) << bits;
    ASSERT_EQ(HalfFromFloat(std::nextafterf(middle, 1e9f)), high) << bits;
    ASSERT_EQ(HalfFromFloat(-middle), 0x8000u | HalfFromFloat(middle)) << bits;
  }
  EXPECT_EQ(HalfFromFloat(65519.996f), 0x7bffu);
  EXPECT_EQ(HalfFromFloat(65520.0f), 0x7c00u);
  EXPECT_EQ(HalfFromFloat(1e30f), 0x7c00u);
  EXPECT_EQ(HalfFromFloat(-std::numeric_limits<float>::infinity()), 0xfc00u);
}

}  // namespace
}  // namespace lwq::qat
