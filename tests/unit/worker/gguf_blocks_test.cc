// SPDX-License-Identifier: Apache-2.0
// ggml's blocks hold every code at every zero point as scale · (code − zero), and refuse what they cannot.
#include "common/export/gguf/ggml_blocks.h"

#include <cmath>
#include <map>

#include "common/export/fake_quant/fake_quant_weight.h"
#include "common/export_format/gguf.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/worker/pack_testing.h"

namespace lwq::qat {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kColumns = 128;

// One row for each scale and zero point: groups of 64 whose codes go through all there are, from another one on in
// every row.
QuantizedLinear EveryCode(int bits, const std::vector<int>& zeros, const std::vector<float>& scales) {
  const int values = 1 << bits;
  const auto rows = static_cast<int64_t>(zeros.size() * scales.size());
  std::vector<uint8_t> codes, row_zeros;
  std::vector<float> row_scales;
  for (const int zero : zeros) {
    for (const float scale : scales) {
      for (int64_t i = 0; i < kColumns; ++i) {
        codes.push_back(static_cast<uint8_t>((i + static_cast<int64_t>(row_zeros.size()) / 2) % values));
      }
      for (int group = 0; group < 2; ++group) {
        row_zeros.push_back(static_cast<uint8_t>(zero));
        row_scales.push_back(scale);
      }
    }
  }
  return {.bits = bits,
          .group_size = 64,
          .out_features = rows,
          .in_features = kColumns,
          .codes = MakeTensor(DType::kU8, {rows, kColumns}, codes),
          .scales = MakeTensor(DType::kF32, {rows, 2}, row_scales),
          .zeros = MakeTensor(DType::kU8, {rows, 2}, row_zeros)};
}

std::vector<int> UpTo(int count) {
  std::vector<int> numbers;
  for (int i = 0; i < count; ++i) numbers.push_back(i);
  return numbers;
}

// The smallest and the largest fp16 number, a subnormal one with all its bits, one that is a power of two, others.
const std::vector<float> kScales = {0x1p-24f, 65504.0f, 0x1.ff8p-15f, 1.0f, 0.0123138427734375f, 0x1.554p-6f};

std::vector<float> Unpacked(const QuantizedLinear& linear, GgmlType type) {
  HalfRounding rounding;
  const auto blocks = PackBlocks(linear, type, "w", &rounding);
  LWQ_CHECK(blocks.ok(), blocks.status().ToString());
  LWQ_CHECK(rounding.changed == 0, "scales of this test are fp16 numbers");
  const auto weights = UnpackBlocks(*blocks, type, linear.in_features, "w");
  LWQ_CHECK(weights.ok(), weights.status().ToString());
  return ValuesOf<float>(*weights);
}

void ExpectExact(const QuantizedLinear& linear, GgmlType type) {
  const std::vector<float> weights = Unpacked(linear, type);
  const auto expected = ValuesOf<float>(DecodeToF32(linear));
  ASSERT_EQ(weights.size(), expected.size());
  for (size_t i = 0; i < weights.size(); ++i) ASSERT_EQ(weights[i], expected[i]) << TraitsOf(type).name << " at " << i;
}

TEST(GgmlBlocksTest, EveryCodeAtEveryZeroPointComesBackInTheTypeOfItsWidth) {
  for (const int bits : {2, 3, 4, 5, 6}) {
    const QuantizedLinear linear = EveryCode(bits, UpTo(1 << bits), kScales);
    ExpectExact(linear, GgufTypeOf({linear.out_features, kColumns, bits, 64}, GgufFourBits::kExact));
  }
}

TEST(GgmlBlocksTest, TwoBitsAroundTheMiddleComeBackFromTheSmallestType) {
  const QuantizedLinear linear = EveryCode(2, {1, 2}, kScales);
  EXPECT_EQ(GgufTypeOf({linear.out_features, kColumns, 2, 64, ZeroPoints::kMiddle}, GgufFourBits::kExact),
            GgmlType::kQ2_0);
  ExpectExact(linear, GgmlType::kQ2_0);
}

TEST(GgmlBlocksTest, SymmetricCodesComeBackFromTheSmallestTypeOfTheirWidthInBothFormats) {
  const std::map<int, GgmlType> types = {{2, GgmlType::kQ2_0}, {3, GgmlType::kQ4_0}, {4, GgmlType::kQ4_0},
                                         {5, GgmlType::kQ8_0}, {6, GgmlType::kQ8_0}, {8, GgmlType::kQ8_0}};
  for (const auto& [bits, type] : types) {
    // Of 8 bits it takes more rows than one for all codes to appear.
    const QuantizedLinear linear = EveryCode(bits, std::vector<int>(50, 1 << (bits - 1)), kScales);
    for (const GgufFourBits four_bits : {GgufFourBits::kExact, GgufFourBits::kSmall}) {
      EXPECT_EQ(GgufTypeOf({linear.out_features, kColumns, bits, 64, ZeroPoints::kSymmetric}, four_bits), type) << bits;
    }
    ExpectExact(linear, type);
  }
}

TEST(GgmlBlocksTest, OffsetsOfTheSmallFourBitTypeAreRoundedToFp16AndNothingElse) {
  const std::vector<float> scales = {1.0f, 0.0123138427734375f, 0x1.554p-6f};
  const QuantizedLinear linear = EveryCode(4, UpTo(16), scales);
  const std::vector<float> weights = Unpacked(linear, GgmlType::kQ4_1);
  const auto expected = ValuesOf<float>(DecodeToF32(linear));
  size_t rounded = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const size_t row = i / kColumns;
    const float offset = scales[row % scales.size()] * static_cast<float>(row / scales.size());
    const bool is_half = FloatFromHalf(HalfFromFloat(offset)) == offset;
    ASSERT_LE(std::abs(weights[i] - expected[i]), is_half ? 0.0f : 0x1p-11f * offset) << i;
    if (!is_half) ++rounded;
  }
  EXPECT_GT(rounded, 0u) << "no offset of this test needs rounding";
}

// A row whose codes are all `code` but for the one at `place`.
std::string BlockWithOne(GgmlType type, int bits, int zero, int code, size_t place, int other) {
  std::vector<uint8_t> codes(64, static_cast<uint8_t>(code));
  codes[place] = static_cast<uint8_t>(other);
  const QuantizedLinear linear{
      .bits = bits,
      .group_size = 64,
      .out_features = 1,
      .in_features = 64,
      .codes = MakeTensor(DType::kU8, {1, 64}, codes),
      .scales = MakeTensor(DType::kF32, {1, 1}, std::vector<float>{1.0f}),
      .zeros = MakeTensor(DType::kU8, {1, 1}, std::vector<uint8_t>{static_cast<uint8_t>(zero)})};
  HalfRounding rounding;
  return std::string(PackBlocks(linear, type, "w", &rounding)->bytes.view());
}

// Layouts as ggml has them, written out by hand.
TEST(GgmlBlocksTest, BytesStandWhereGgmlHasThem) {
  using std::string_literals::operator""s;
  const std::string one = "\x00\x3c"s, minus_one = "\x00\xbc"s;
  EXPECT_EQ(BlockWithOne(GgmlType::kQ2_0, 2, 1, 0, 5, 3), one + "\0\x0c"s + std::string(14, '\0'));
  EXPECT_EQ(BlockWithOne(GgmlType::kQ2_0, 2, 2, 3, 5, 0), minus_one + "\0\x0c"s + std::string(14, '\0'));
  const auto first = [](const std::string& blocks, size_t bytes) { return blocks.substr(0, bytes); };
  const std::string eights(15, '\x88');
  EXPECT_EQ(first(BlockWithOne(GgmlType::kQ4_0, 2, 1, 1, 16, 3), 18), one + "\xa8"s + eights);
  EXPECT_EQ(first(BlockWithOne(GgmlType::kQ4_1, 4, 1, 0, 1, 15), 20),
            one + minus_one + "\0\x0f"s + std::string(14, '\0'));
  EXPECT_EQ(first(BlockWithOne(GgmlType::kQ5_0, 4, 1, 0, 17, 1), 22),
            one + "\0\0\x02\0"s + "\xff\x0f"s + std::string(14, '\xff'));
  EXPECT_EQ(first(BlockWithOne(GgmlType::kQ8_0, 5, 1, 1, 31, 0), 34), one + std::string(31, '\0') + "\xff"s);
}

TEST(GgmlBlocksTest, AWeightOfZeroIsZeroWhateverItsSign) {
  const QuantizedLinear linear = EveryCode(2, {2}, {0.5f});
  size_t zeros = 0;
  for (const float weight : Unpacked(linear, GgmlType::kQ2_0)) zeros += weight == 0.0f ? 1 : 0;
  EXPECT_EQ(zeros, static_cast<size_t>(kColumns / 4));
}

TEST(GgmlBlocksTest, ScalesThatAreNoFp16NumbersAreRoundedAndCounted) {
  const QuantizedLinear linear = EveryCode(3, {3}, {0.1f});
  HalfRounding rounding;
  const auto blocks = PackBlocks(linear, GgmlType::kQ4_0, "w", &rounding);
  ASSERT_TRUE(blocks.ok()) << blocks.status();
  EXPECT_EQ(rounding.changed, 2);
  EXPECT_LE(rounding.max_relative_error, 0x1p-11);
  const auto weights = ValuesOf<float>(*UnpackBlocks(*blocks, GgmlType::kQ4_0, kColumns, "w"));
  EXPECT_EQ(weights[4], FloatFromHalf(HalfFromFloat(0.1f)));
}

void ExpectRefused(const QuantizedLinear& linear, GgmlType type, const std::string& named) {
  HalfRounding rounding;
  const auto blocks = PackBlocks(linear, type, "block 3 mlp.down_proj", &rounding);
  EXPECT_EQ(blocks.status().code(), absl::StatusCode::kInvalidArgument) << blocks.status();
  EXPECT_THAT(std::string(MessageOf(blocks.status())), HasSubstr("block 3 mlp.down_proj"));
  EXPECT_THAT(std::string(MessageOf(blocks.status())), HasSubstr(named));
}

TEST(GgmlBlocksTest, WhatATypeCannotHoldIsRefusedByGroupAndReason) {
  ExpectRefused(EveryCode(2, {1, 0}, {1.0f}), GgmlType::kQ2_0,
                "group 2 does not fit Q2_0: its zero point is 0, not 1 or 2; train with middle_zero_points");
  ExpectRefused(EveryCode(2, {3}, {1.0f}), GgmlType::kQ2_0, "its zero point is 3");
  ExpectRefused(EveryCode(4, {8, 4}, {1.0f}), GgmlType::kQ4_0, "is 8, outside -8 to 7");
  ExpectRefused(EveryCode(4, {9}, {1.0f}), GgmlType::kQ4_0, "is -9, outside -8 to 7");
  ExpectRefused(EveryCode(8, {200}, {1.0f}), GgmlType::kQ8_0, "outside -128 to 127");
  ExpectRefused(EveryCode(6, {20}, {1.0f}), GgmlType::kQ5_0, "outside -16 to 15");
  ExpectRefused(EveryCode(4, {15}, {65504.0f}), GgmlType::kQ4_1, "beyond fp16");
  ExpectRefused(EveryCode(5, {1}, {1.0f}), GgmlType::kQ4_1, "a code above 15");
  ExpectRefused(EveryCode(4, {1}, {1e5f}), GgmlType::kQ5_0, "which fp16 cannot");
  ExpectRefused(EveryCode(4, {1}, {1.0f}), GgmlType::kF16, "F16 has no blocks");
}

TEST(GgmlBlocksTest, GroupsThatABlockWouldStraddleAreRefused) {
  WorldRandom random(5);
  ExpectRefused(RandomLinear({4, 96}, 3, 48, random), GgmlType::kQ4_0, "groups of 48, no multiple of the 32 weights");
  ExpectRefused(RandomLinear({4, 96}, 2, 32, random), GgmlType::kQ2_0, "groups of 32, no multiple of the 64 weights");
}

TEST(GgmlBlocksTest, UnpackingRefusesRowsThatAreNotWholeBlocks) {
  const HostTensor blocks = MakeTensor(DType::kU8, {2, 18}, std::vector<uint8_t>(36));
  EXPECT_TRUE(UnpackBlocks(blocks, GgmlType::kQ4_0, 32, "w").ok());
  for (const auto& [type, columns] :
       {std::pair(GgmlType::kQ4_0, int64_t{33}), std::pair(GgmlType::kQ4_0, int64_t{64}),
        std::pair(GgmlType::kQ5_0, int64_t{32}), std::pair(GgmlType::kQ4_0, int64_t{0}),
        std::pair(GgmlType::kQ4_0, int64_t{-32}), std::pair(GgmlType::kF32, int64_t{9})}) {
    EXPECT_EQ(UnpackBlocks(blocks, type, columns, "w").status().code(), absl::StatusCode::kInvalidArgument)
        << TraitsOf(type).name << " " << columns;
  }
}

}  // namespace
}  // namespace lwq::qat
