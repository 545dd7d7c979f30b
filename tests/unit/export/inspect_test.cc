// SPDX-License-Identifier: Apache-2.0
// What is said of sound exports.
#include "common/export/inspect/inspect.h"

#include <filesystem>

#include "common/artifact/safetensors.h"
#include "gmock/gmock.h"
#include "tests/fixtures/whole_file.h"
#include "tests/unit/export/made_export.h"

namespace lwq::qat {
namespace {

namespace fs = std::filesystem;

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class InspectTest : public MadeExportTest {
 protected:
  Inspection Inspect(const std::string& name) {
    auto found = InspectExport(At(name), nullptr);
    LWQ_CHECK(found.ok(), found.status().ToString());
    return *std::move(found);
  }
};

TEST_F(InspectTest, EveryFormatIsRecognisedAndSound) {
  MakeModel({.num_hidden_layers = 2});
  MakeBlocks({4, 32});
  const std::map<ExportFormat, std::string> formats = {{ExportFormat::kGptqV2, "gptq_v2"},
                                                       {ExportFormat::kCompressedTensors, "compressed_tensors"},
                                                       {ExportFormat::kFakeQuant, "plain"},
                                                       {ExportFormat::kGguf, "gguf"},
                                                       {ExportFormat::kGgufQ41, "gguf"}};
  for (const auto& [format, name] : formats) {
    const std::string folder(WordOf(format));
    ASSERT_TRUE(Export(format, folder).ok()) << folder;
    const Inspection found = Inspect(folder);
    EXPECT_EQ(found.format, name);
    EXPECT_THAT(found.faults, IsEmpty()) << folder;
    EXPECT_THAT(found.blocks, ::testing::SizeIs(1)) << "both blocks are alike";
    EXPECT_EQ(found.head, "tied to the embedding");
    EXPECT_THAT(found.tokenizer, HasSubstr("1536 tokens"));
  }
}

TEST_F(InspectTest, BlocksThatAreStoredAlikeAreOneRangeAndLinearsThatDifferAreNamed) {
  MakeModel({.num_hidden_layers = 4});
  MakeBlocks([](int64_t k) { return k < 2 ? Width{2, 64} : Width{4, -1}; });
  WorldRandom random(5);
  blocks_[3] = RandomBlock(config_, {4, -1}, random, {{LinearKind::kDown, {8, 32}}});
  ASSERT_TRUE(Export(ExportFormat::kCompressedTensors, "a").ok());
  const Inspection found = Inspect("a");
  ASSERT_THAT(found.faults, IsEmpty());
  ASSERT_THAT(found.blocks, ::testing::SizeIs(3));
  EXPECT_EQ(found.blocks[0].last, 1);
  EXPECT_EQ(StorageText(found.blocks[0]), "2 bits, groups of 64");
  EXPECT_EQ(StorageText(found.blocks[1]), "4 bits, a group a row");
  EXPECT_EQ(StorageText(found.blocks[2]), "8 bits, groups of 32 (mlp.down_proj); 4 bits, a group a row (the others)");
}

TEST_F(InspectTest, StoredBitsAreThoseThatTheExportCounted) {
  MakeModel({.num_hidden_layers = 1});
  MakeBlocks({2, 64});
  ASSERT_TRUE(Export(ExportFormat::kGptqV2, "a").ok());
  const Inspection found = Inspect("a");
  EXPECT_DOUBLE_EQ(found.average_bits, 2);
  EXPECT_DOUBLE_EQ(found.stored_bits_per_weight, 2 + 18.0 / 64);
  EXPECT_EQ(found.bytes.at("codes") * 8, found.quantized_weights * 2);
  ASSERT_TRUE(Export(ExportFormat::kGguf, "gguf").ok());
  EXPECT_DOUBLE_EQ(Inspect("gguf").stored_bits_per_weight, 4.5);
}

TEST_F(InspectTest, AShardedExportIsHeldAgainstItsIndex) {
  MakeModel({.num_hidden_layers = 3});
  MakeBlocks({3, 32});
  ASSERT_TRUE(Export(ExportFormat::kGptqV2, "a", /*shard_bytes=*/100'000).ok());
  ASSERT_TRUE(fs::exists(At("a/model.safetensors.index.json")));
  EXPECT_THAT(Inspect("a").faults, IsEmpty());
}

TEST_F(InspectTest, AModelBeforeQuantizationIsPlainInItsDtype) {
  MakeModel({.num_hidden_layers = 1, .dtype = DType::kBF16});
  const Inspection found = Inspect("model");
  EXPECT_EQ(found.format, "plain");
  EXPECT_EQ(StorageText(found.blocks.at(0)), "BF16");
  EXPECT_EQ(found.quantized_weights, 0);
}

TEST_F(InspectTest, ASymmetricExportOfVersionOneIsSound) {
  MakeModel({.num_hidden_layers = 2});
  for (const int bits : {2, 3, 4, 8}) {
    MakeBlocks({bits, 32});
    MakeSymmetric();
    const std::string name = absl::StrCat("a", bits);
    ASSERT_TRUE(Export(ExportFormat::kGptq, name, int64_t{4} << 30, ZeroPoints::kSymmetric).ok());
    const Inspection found = Inspect(name);
    EXPECT_EQ(found.format, "gptq");
    EXPECT_THAT(found.faults, IsEmpty());
    EXPECT_EQ(StorageText(found.blocks.at(0)), absl::StrCat(bits, " bits, groups of 32"));
  }
}

TEST_F(InspectTest, VersionOneOfGptqIsRecognisedAndItsZeroPointsOfZeroAreFaults) {
  MakeModel({.num_hidden_layers = 1});
  MakeBlocks({4, 32});
  ASSERT_TRUE(Export(ExportFormat::kGptqV2, "a").ok());
  Json config = Json::parse(*ReadWholeFile(At("a/config.json")));
  config["quantization_config"]["checkpoint_format"] = "gptq";
  config["quantization_config"].erase("format");
  ASSERT_TRUE(WriteWholeFile(At("a/config.json"), config.dump()).ok());
  fs::remove(At("a/quantize_config.json"));
  const Inspection found = Inspect("a");
  EXPECT_EQ(found.format, "gptq");
  EXPECT_THAT(found.faults,
              Contains(HasSubstr("is stored as 15, which programs of GPTQ's version 1 take for 0 or for 16")));
}

// EfficientQAT's packing of 3 bits, after its quantized linear: 10 codes a word.
HostTensor TenCodesAWord(int64_t codes, int64_t streams) {
  std::vector<int32_t> words(static_cast<size_t>((codes + 9) / 10 * streams), 0x12492492 & 0x3fffffff);
  return MakeTensor(DType::kI32, {(codes + 9) / 10, streams}, words);
}

TEST_F(InspectTest, EfficientQatsOwnLayoutIsRecognisedByItsShapes) {
  MakeModel({.num_hidden_layers = 1});
  MakeBlocks({4, 32});
  ASSERT_TRUE(Export(ExportFormat::kGptqV2, "a").ok());
  const auto file = SafetensorsFile::Open(At("a/model.safetensors"));
  std::map<std::string, HostTensor> tensors;
  for (const auto& [name, entry] : file->header().tensors) {
    tensors[name] = *file->Get(name);
    const HostTensor& tensor = tensors[name];
    if (name.ends_with(".qweight")) tensors[name] = TenCodesAWord(tensor.shape[0] * 8, tensor.shape[1]);
    if (name.ends_with(".qzeros")) {
      HostTensor zeros = TenCodesAWord(tensor.shape[1] * 8, tensor.shape[0]);
      std::swap(zeros.shape[0], zeros.shape[1]);
      tensors[name] = zeros;
    }
  }
  const auto bytes = SerializeSafetensors(tensors, {});
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  ASSERT_TRUE(WriteWholeFile(At("a/model.safetensors"), *bytes).ok());
  Json config = Json::parse(*ReadWholeFile(At("a/config.json")));
  config.erase("quantization_config");
  ASSERT_TRUE(WriteWholeFile(At("a/config.json"), config.dump()).ok());
  fs::remove(At("a/quantize_config.json"));
  const Inspection found = Inspect("a");
  EXPECT_EQ(found.format, "efficientqat");
  EXPECT_THAT(found.faults, IsEmpty());
  EXPECT_EQ(StorageText(found.blocks.at(0)), "3 bits, groups of 32");
}

TEST_F(InspectTest, WhatIsNoModelIsRefusedInALine) {
  const auto code_of = [&](const std::string& name) { return InspectExport(At(name), nullptr).status().code(); };
  fs::create_directories(At("empty"));
  ASSERT_TRUE(WriteWholeFile(At("notes.txt"), "notes").ok());
  fs::create_directories(At("two"));
  ASSERT_TRUE(WriteWholeFile(At("two/a.gguf"), "").ok());
  ASSERT_TRUE(WriteWholeFile(At("two/b.gguf"), "").ok());
  EXPECT_EQ(code_of("absent"), absl::StatusCode::kNotFound);
  EXPECT_EQ(code_of("empty"), absl::StatusCode::kNotFound);
  EXPECT_EQ(code_of("notes.txt"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code_of("two"), absl::StatusCode::kInvalidArgument);
}

TEST_F(InspectTest, AnInspectionThatIsToStopEndsWithTheReason) {
  MakeModel({.num_hidden_layers = 2});
  EXPECT_EQ(InspectExport(At("model"), [] { return absl::CancelledError("stop"); }).status().code(),
            absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace lwq::qat
