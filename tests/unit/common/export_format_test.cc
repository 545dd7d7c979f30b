// SPDX-License-Identifier: Apache-2.0
#include "common/export_format/export_format.h"

#include <string>

#include "common/export_format/gguf.h"
#include "common/export_format/gptq.h"
#include "common/recipe/recipe_rules.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq {
namespace {

using ::testing::HasSubstr;

TEST(ExportFormatTest, GptqV2HasNoFiveAndSixBitsAndTheOthersHaveEveryWidth) {
  for (const int bits : recipe::kWeightBits) {
    EXPECT_EQ(FormatHolds(ExportFormat::kGptqV2, bits), bits != 5 && bits != 6) << bits;
    EXPECT_TRUE(FormatHolds(ExportFormat::kCompressedTensors, bits)) << bits;
    EXPECT_TRUE(FormatHolds(ExportFormat::kFakeQuant, bits)) << bits;
    EXPECT_TRUE(FormatHolds(ExportFormat::kNone, bits)) << bits;
  }
  EXPECT_EQ(FormatsThatHold(5), "compressed_tensors, fake_quant, gguf, gguf_q4_1 or none");
  EXPECT_EQ(FormatsThatHold(5, /*files=*/true), "compressed_tensors, fake_quant, gguf or gguf_q4_1");
  EXPECT_EQ(FormatsThatHold(7), "");
  for (const int bits : recipe::kWeightBits) {
    EXPECT_FALSE(FormatHolds(ExportFormat::kGptq, bits)) << bits;
    EXPECT_EQ(FormatHolds(ExportFormat::kGptq, bits, ZeroPoints::kSymmetric), GptqHoldsBits(bits)) << bits;
  }
  EXPECT_EQ(WidthsText(ExportFormat::kGptq, ZeroPoints::kSymmetric), "2, 3, 4 or 8");
  EXPECT_EQ(WidthsText(ExportFormat::kGptqV2), "2, 3, 4 or 8");
}

TEST(ExportFormatTest, GgufHasTheSmallestTypeOfBlocksThatHoldsEveryCodeOfItsWidth) {
  const auto type = [](int bits, int64_t group_size, bool middle, GgufFourBits four_bits) {
    return GgufTypeOf({.out_features = 32,
                       .in_features = 256,
                       .bits = bits,
                       .group_size = group_size,
                       .zero_points = middle ? ZeroPoints::kMiddle : ZeroPoints::kAny},
                      four_bits);
  };
  for (const GgufFourBits four_bits : {GgufFourBits::kExact, GgufFourBits::kSmall}) {
    EXPECT_EQ(type(2, 64, true, four_bits), GgmlType::kQ2_0);
    EXPECT_EQ(type(2, 32, true, four_bits), GgmlType::kQ4_0) << "a block of 64 would straddle groups";
    EXPECT_EQ(type(2, 64, false, four_bits), GgmlType::kQ4_0);
    EXPECT_EQ(type(3, 64, true, four_bits), GgmlType::kQ4_0);
    EXPECT_EQ(type(5, 64, true, four_bits), GgmlType::kQ8_0);
    EXPECT_EQ(type(6, 64, false, four_bits), GgmlType::kQ8_0);
  }
  EXPECT_EQ(type(4, 64, false, GgufFourBits::kExact), GgmlType::kQ5_0);
  EXPECT_EQ(type(4, 64, false, GgufFourBits::kSmall), GgmlType::kQ4_1);
  EXPECT_FALSE(FormatHolds(ExportFormat::kGguf, 8));
}

TEST(ExportFormatTest, RemarksOnGgufNameTypesAndReaders) {
  const auto remarks = [](ExportFormat format, const ServedModel& model) {
    std::string text;
    for (const std::string& line : TraitsOf(format).remarks(model)) text += line + "\n";
    return text;
  };
  const std::string plain = remarks(ExportFormat::kGguf, {{2, 4}, {64}, true});
  EXPECT_THAT(plain, HasSubstr("2 bits in Q4_0 (4.5 bits a weight), 4 bits in Q5_0 (5.5 bits a weight)"));
  EXPECT_THAT(plain, HasSubstr("with middle_zero_points"));
  ServedModel middle = {{2}, {64}, true};
  middle.zero_points = ZeroPoints::kMiddle;
  EXPECT_THAT(remarks(ExportFormat::kGguf, middle), HasSubstr("2 bits in Q2_0 (2.25 bits a weight)"));
  EXPECT_THAT(remarks(ExportFormat::kGguf, middle), HasSubstr("type 42"));
  EXPECT_THAT(remarks(ExportFormat::kGgufQ41, {{4}, {64}, true}), HasSubstr("off by at most 2^-11"));
}

TEST(ExportFormatTest, GptqV2PacksCodesAlongInputsAndZeroPointsAlongOutputs) {
  const GptqShapes shapes = GptqShapesOf({.out_features = 5, .in_features = 11, .bits = 3, .group_size = 4});
  EXPECT_EQ(shapes.qweight, (std::vector<int64_t>{2, 5}));
  EXPECT_EQ(shapes.qzeros, (std::vector<int64_t>{3, 1}));
  EXPECT_EQ(shapes.scales, (std::vector<int64_t>{3, 5}));
  EXPECT_EQ(shapes.g_idx, (std::vector<int64_t>{11}));
}

TEST(ExportFormatTest, EveryFormatCountsItsOwnTensors) {
  const QuantizedShape shape = {.out_features = 32, .in_features = 64, .bits = 2, .group_size = 32};
  const auto bytes = [&](ExportFormat format, bool stored_bits) {
    int64_t sum = 0;
    for (const ExportTensor& tensor : TraitsOf(format).tensors(shape)) {
      if (tensor.stored_bits == stored_bits) sum += tensor.bytes();
    }
    return sum;
  };
  EXPECT_EQ(bytes(ExportFormat::kGptqV2, true), (4 * 32 + 2 * 2) * 4 + 2 * 32 * 2);
  EXPECT_EQ(bytes(ExportFormat::kGptqV2, false), 64 * 4);
  EXPECT_EQ(bytes(ExportFormat::kGptq, true), bytes(ExportFormat::kGptqV2, true));
  EXPECT_EQ(bytes(ExportFormat::kCompressedTensors, true), (32 * 4 + 2 * 2) * 4 + 2 * 32 * 2);
  EXPECT_EQ(bytes(ExportFormat::kCompressedTensors, false), 2 * 8);
  EXPECT_EQ(bytes(ExportFormat::kNone, true), bytes(ExportFormat::kGptqV2, true));
  EXPECT_EQ(bytes(ExportFormat::kNone, false), 0);
  EXPECT_EQ(bytes(ExportFormat::kFakeQuant, true), 32 * 64 * 2);
  EXPECT_EQ(bytes(ExportFormat::kGguf, true), 32 * 2 * 18);
  EXPECT_EQ(bytes(ExportFormat::kGguf, false), 0);
}

TEST(ExportFormatTest, RemarksSayWhatKernelsCannotTake) {
  const auto remarks = [](const ServedModel& model) {
    std::string text;
    for (const std::string& line : TraitsOf(ExportFormat::kGptqV2).remarks(model)) text += line + "\n";
    return text;
  };
  EXPECT_THAT(remarks({{2}, {64}, true}), Not(HasSubstr("Triton")));
  EXPECT_THAT(remarks({{2, 3}, {64}, true}), HasSubstr("Triton kernels hold 2, 4 and 8 bits, not 3"));
  EXPECT_THAT(remarks({{2, 3}, {64}, true}), HasSubstr("blocks differ in bits or groups"));
  EXPECT_THAT(remarks({{2}, {48}, true}), HasSubstr("group_size 48 is outside"));
  EXPECT_THAT(remarks({{2}, {64}, false}), HasSubstr("not a multiple of 32 wide"));
  EXPECT_EQ(remarks({{4}, {128}, true}), "");
}

}  // namespace
}  // namespace lwq
