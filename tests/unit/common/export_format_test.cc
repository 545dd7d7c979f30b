// SPDX-License-Identifier: Apache-2.0
#include "common/export_format/export_format.h"

#include <string>

#include "common/export_format/gptq_v2.h"
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
  EXPECT_EQ(FormatsThatHold(5), "compressed_tensors, fake_quant or none");
  EXPECT_EQ(FormatsThatHold(5, /*files=*/true), "compressed_tensors or fake_quant");
  EXPECT_EQ(FormatsThatHold(7), "");
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
  EXPECT_EQ(bytes(ExportFormat::kCompressedTensors, true), (32 * 4 + 2 * 2) * 4 + 2 * 32 * 2);
  EXPECT_EQ(bytes(ExportFormat::kCompressedTensors, false), 2 * 8);
  EXPECT_EQ(bytes(ExportFormat::kNone, true), bytes(ExportFormat::kGptqV2, true));
  EXPECT_EQ(bytes(ExportFormat::kNone, false), 0);
  EXPECT_EQ(bytes(ExportFormat::kFakeQuant, true), 32 * 64 * 2);
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
  for (const ExportFormat format : AllChoices<ExportFormat>()) {
    EXPECT_FALSE(TraitsOf(format).remarks({{4}, {128}, true}).empty()) << WordOf(format);
  }
}

}  // namespace
}  // namespace lwq
