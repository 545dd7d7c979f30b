// SPDX-License-Identifier: Apache-2.0
// Exports turned into other formats: the same weights, the same bytes on the way back, reasons where there is no way.
#include "common/export/convert.h"

#include <filesystem>
#include <numeric>

#include "common/export/fake_quant/fake_quant_weight.h"
#include "common/export/gguf/gguf_file.h"
#include "gmock/gmock.h"
#include "tests/fixtures/whole_file.h"
#include "tests/unit/export/made_export.h"

namespace lwq::qat {
namespace {

using ::testing::HasSubstr;

class ConvertTest : public MadeExportTest {
 protected:
  void ExpectBlocks(const std::string& name) {
    const std::vector<BlockState> read = BlocksOf(name);
    ASSERT_EQ(read.size(), blocks_.size());
    for (size_t k = 0; k < read.size(); ++k) EXPECT_TRUE(SameBlock(read[k], blocks_[k])) << name << " block " << k;
  }
  void ExpectRefused(const StatusOr<Json>& converted, const std::string& reason) {
    EXPECT_EQ(converted.status().code(), absl::StatusCode::kFailedPrecondition) << converted.status();
    EXPECT_THAT(std::string(MessageOf(converted.status())), HasSubstr(reason));
  }
};

TEST_F(ConvertTest, TheWayThereKeepsEveryCodeAndTheWayBackGivesTheSameBytes) {
  MakeModel({.num_hidden_layers = 3});
  const std::vector<int> widths = {2, 3, 4, 8};
  int name = 0;
  for (const int64_t group_size : {-1, 32, 64}) {
    MakeBlocks([&](int64_t k) { return Width{widths[static_cast<size_t>(k + name) % 4], group_size}; });
    const std::string a = absl::StrCat("a", name), b = absl::StrCat("b", name), back = absl::StrCat("c", name);
    ++name;
    ASSERT_TRUE(Export(ExportFormat::kGptqV2, a).ok());
    const auto converted = Convert(a, ExportFormat::kCompressedTensors, b);
    ASSERT_TRUE(converted.ok()) << converted.status();
    EXPECT_EQ((*converted)["scales_rounded"], 0);
    ExpectBlocks(b);
    ASSERT_TRUE(Convert(b, ExportFormat::kGptqV2, back).ok());
    EXPECT_TRUE(FilesOf(back) == FilesOf(a)) << "group size " << group_size;
  }
}

TEST_F(ConvertTest, SymmetricModelsGoIntoEveryPackedFormatAndBackToTheSameBytes) {
  MakeModel({.num_hidden_layers = 2});
  constexpr ExportFormat kPacked[] = {ExportFormat::kGptqV2, ExportFormat::kGptq, ExportFormat::kCompressedTensors};
  for (const int bits : {2, 3, 4, 8}) {
    MakeBlocks({bits, 32});
    MakeSymmetric();
    for (const ExportFormat from : kPacked) {
      const std::string a = absl::StrCat(WordOf(from), bits);
      ASSERT_TRUE(Export(from, a, int64_t{4} << 30, ZeroPoints::kSymmetric).ok());
      ExpectBlocks(a);
    }
    for (const ExportFormat from : kPacked) {
      for (const ExportFormat to : kPacked) {
        if (from == to) continue;
        const std::string b = absl::StrCat(WordOf(to), "_of_", WordOf(from), bits);
        ASSERT_TRUE(Convert(absl::StrCat(WordOf(from), bits), to, b).ok());
        EXPECT_TRUE(FilesOf(b) == FilesOf(absl::StrCat(WordOf(to), bits))) << b;
      }
    }
  }
}

TEST_F(ConvertTest, VersionOneOfOthersIsReadWhereNoZeroPointIsZero) {
  MakeModel({.num_hidden_layers = 1});
  MakeBlocks({4, 32});
  for (auto& [kind, weight] : blocks_[0].linears) {
    auto& linear = std::get<QuantizedLinear>(weight);
    auto zeros = ValuesOf<uint8_t>(linear.zeros);
    for (uint8_t& zero : zeros) zero = static_cast<uint8_t>(zero == 0 ? 1 : zero);
    linear.zeros = MakeTensor(DType::kU8, linear.zeros.shape, zeros);
  }
  const std::vector<BlockState> as_trained = blocks_;
  // Less one, and said to be so: what a program of version 1 writes.
  for (auto& [kind, weight] : blocks_[0].linears) {
    auto& linear = std::get<QuantizedLinear>(weight);
    auto zeros = ValuesOf<uint8_t>(linear.zeros);
    for (uint8_t& zero : zeros) zero = static_cast<uint8_t>(zero - 1);
    linear.zeros = MakeTensor(DType::kU8, linear.zeros.shape, zeros);
  }
  ASSERT_TRUE(Export(ExportFormat::kGptqV2, "a").ok());
  Json config = Json::parse(FilesOf("a").at("config.json"));
  for (const char* key : {"checkpoint_format", "format", "meta"}) config["quantization_config"].erase(key);
  ASSERT_TRUE(WriteWholeFile(At("a/config.json"), config.dump()).ok());
  std::filesystem::remove(At("a/quantize_config.json"));
  blocks_ = as_trained;
  ExpectBlocks("a");
  ASSERT_TRUE(Convert("a", ExportFormat::kGptqV2, "b").ok());
  ExpectBlocks("b");
  ExpectRefused(Convert("b", ExportFormat::kGptq, "out"), "gptq cannot hold 4 bits that are not symmetric");
}

// Shapes that are no multiples of a word, whole-row and odd groups, the extremes of codes, zero points and scales.
class OddModels {
 public:
  explicit OddModels(uint64_t seed) : random_(seed) {}

  TinyModelOptions Options() {
    const int64_t heads = random_.Pick<int64_t>({1, 2, 3});
    const int64_t head_dim = random_.Pick<int64_t>({2, 6, 10, 14});
    TinyModelOptions options;
    options.num_attention_heads = heads;
    options.num_key_value_heads = heads % 2 == 0 && random_.Chance(50) ? heads / 2 : heads;
    options.hidden_size = heads * head_dim;
    options.intermediate_size = random_.Pick<int64_t>({6, 14, 22, 46});
    options.num_hidden_layers = 2;
    options.vocab_size = 1536;
    options.tie_word_embeddings = random_.Chance(50);
    return options;
  }
  int64_t GroupSize(const LlamaConfig& config) {
    return random_.Chance(40) ? -1 : std::gcd(config.hidden_size, config.intermediate_size);
  }
  int Bits(const std::vector<int>& widths) { return random_.Pick(widths); }

  // Scales from the smallest to the largest number of fp16, zero points at both ends.
  void MakeExtreme(BlockState& block) {
    for (auto& [kind, weight] : block.linears) {
      auto& linear = std::get<QuantizedLinear>(weight);
      auto scales = ValuesOf<float>(linear.scales);
      for (float& scale : scales) scale = random_.Pick<float>({0x1p-24f, 0x1.ff8p-15f, 0x1p-14f, 1.0f, 65504.0f});
      linear.scales = MakeTensor(DType::kF32, linear.scales.shape, scales);
      const auto largest = static_cast<uint8_t>((1 << linear.bits) - 1);
      auto zeros = ValuesOf<uint8_t>(linear.zeros);
      for (uint8_t& zero : zeros) zero = random_.Chance(50) ? 0 : largest;
      linear.zeros = MakeTensor(DType::kU8, linear.zeros.shape, zeros);
    }
  }

 private:
  WorldRandom random_;
};

TEST_F(ConvertTest, OddShapesAndExtremeNumbersComeBackFromEveryFormatAndThroughEveryOther) {
  for (uint64_t seed = 1; seed <= 24; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    OddModels odd(seed);
    MakeModel(odd.Options());
    const int64_t group_size = odd.GroupSize(config_);
    MakeBlocks([&](int64_t) { return Width{odd.Bits({2, 3, 4, 8}), group_size}; }, seed);
    for (BlockState& block : blocks_) odd.MakeExtreme(block);
    const std::string a = absl::StrCat("a", seed), b = absl::StrCat("b", seed), back = absl::StrCat("c", seed);
    ASSERT_TRUE(Export(ExportFormat::kGptqV2, a).ok());
    ExpectBlocks(a);
    ASSERT_TRUE(Export(ExportFormat::kCompressedTensors, b).ok());
    ExpectBlocks(b);
    ASSERT_TRUE(Convert(b, ExportFormat::kGptqV2, back).ok());
    EXPECT_TRUE(FilesOf(back) == FilesOf(a));
  }
}

TEST_F(ConvertTest, FiveAndSixBitsOfOddShapesComeBackFromTheFormatThatHoldsThem) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    OddModels odd(seed);
    MakeModel(odd.Options());
    const int64_t group_size = odd.GroupSize(config_);
    MakeBlocks([&](int64_t) { return Width{odd.Bits({5, 6}), group_size}; }, seed);
    for (BlockState& block : blocks_) odd.MakeExtreme(block);
    const std::string name = absl::StrCat("a", seed);
    ASSERT_TRUE(Export(ExportFormat::kCompressedTensors, name).ok());
    ExpectBlocks(name);
    ExpectRefused(Convert(name, ExportFormat::kGptqV2, "refused"), "gptq_v2 cannot hold");
  }
}

TEST_F(ConvertTest, APlainModelOfAnExportHoldsItsDecodedWeightsAndSaysNothingOfCodes) {
  MakeModel({.num_hidden_layers = 1});
  MakeBlocks({3, 32});
  ASSERT_TRUE(Export(ExportFormat::kGptqV2, "a").ok());
  const auto converted = Convert("a", ExportFormat::kFakeQuant, "plain");
  ASSERT_TRUE(converted.ok()) << converted.status();
  EXPECT_FALSE(Json::parse(FilesOf("plain")["config.json"]).contains("quantization_config"));
  EXPECT_FALSE(FilesOf("plain").contains("quantize_config.json"));
  const auto& linear = std::get<QuantizedLinear>(blocks_[0].linears.at(LinearKind::kDown));
  DecodeRounding rounding;
  const std::vector<BlockState> plain = BlocksOf("plain");
  const auto& read = std::get<HostTensor>(plain[0].linears.at(LinearKind::kDown));
  const auto expected = DecodeToF16(linear, "down", &rounding);
  ASSERT_TRUE(expected.ok()) << expected.status();
  EXPECT_TRUE(SameTensor(read, *expected));
  ExpectRefused(Convert("plain", ExportFormat::kGptqV2, "back"), "not quantized");
}

TEST_F(ConvertTest, AGgufFileOfAnExportHoldsItsWeights) {
  MakeModel({.num_hidden_layers = 2});
  MakeBlocks([](int64_t k) { return Width{k == 0 ? 3 : 4, 32}; });
  ASSERT_TRUE(Export(ExportFormat::kCompressedTensors, "a").ok());
  const auto converted = Convert("a", ExportFormat::kGguf, "gguf");
  ASSERT_TRUE(converted.ok()) << converted.status();
  EXPECT_EQ((*converted)["weights_rounded"], 0);
  const auto file = GgufFile::Parse(Bytes::FromString(FilesOf("gguf")["model.gguf"]), "model.gguf");
  ASSERT_TRUE(file.ok()) << file.status();
  for (size_t k = 0; k < 2; ++k) {
    const auto stored = file->Weights(absl::StrCat("blk.", k, ".ffn_up.weight"));
    ASSERT_TRUE(stored.ok()) << stored.status();
    const auto expected = DecodeToF32(std::get<QuantizedLinear>(blocks_[k].linears.at(LinearKind::kUp)));
    EXPECT_EQ(ValuesOf<float>(*stored), ValuesOf<float>(expected));  // 0 and −0 are equal
  }
  ASSERT_TRUE(Export(ExportFormat::kGguf, "direct").ok());
  EXPECT_TRUE(FilesOf("gguf")["model.gguf"] == FilesOf("direct")["model.gguf"]) << "as if it had been exported so";
}

TEST_F(ConvertTest, TwoBitsWithZeroPointsOfOneAndTwoGoIntoTheSmallTypeByThemselves) {
  MakeModel({.num_hidden_layers = 1});
  MakeBlocks({2, 64});
  CentreZeroPoints();
  ASSERT_TRUE(Export(ExportFormat::kGptqV2, "a").ok());
  const auto converted = Convert("a", ExportFormat::kGguf, "gguf");
  ASSERT_TRUE(converted.ok()) << converted.status();
  EXPECT_DOUBLE_EQ((*converted)["stored_bits_per_weight"], 2.25);
}

TEST_F(ConvertTest, WhatCannotBeIsRefusedWithTheReasonAndLeavesNothing) {
  MakeModel({.num_hidden_layers = 1});
  MakeBlocks({8, 32});
  ASSERT_TRUE(Export(ExportFormat::kGptqV2, "a").ok());
  ExpectRefused(Convert("a", ExportFormat::kGptqV2, "out"), "in gptq_v2 already");
  ExpectRefused(Convert("a", ExportFormat::kGguf, "out"), "gguf cannot hold 8 bits");
  ExpectRefused(Convert("model", ExportFormat::kGguf, "out"), "not quantized");
  MakeModel({.hidden_size = 40,
             .intermediate_size = 60,
             .num_hidden_layers = 1,
             .num_attention_heads = 2,
             .num_key_value_heads = 2});
  MakeBlocks({4, 20});
  ASSERT_TRUE(Export(ExportFormat::kGptqV2, "b").ok());
  ExpectRefused(Convert("b", ExportFormat::kGguf, "out"), "groups that are multiples of 32, not of 20");
  EXPECT_FALSE(std::filesystem::exists(At("out")));
}

}  // namespace
}  // namespace lwq::qat
