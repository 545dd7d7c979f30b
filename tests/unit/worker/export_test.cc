// SPDX-License-Identifier: Apache-2.0
// Exports as a reader sees them: bit-identical blocks, equal bytes on repeat, clear refusals.
#include "common/export/export.h"

#include <filesystem>

#include "common/export/block_checkpoint.h"
#include "common/export/fake_quant/fake_quant_weight.h"
#include "common/export/file_tree_writer.h"
#include "common/export/model_blocks.h"
#include "common/object_store/memory_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fixtures/tiny_model.h"
#include "tests/fixtures/whole_file.h"
#include "tests/unit/worker/pack_testing.h"

namespace lwq::qat {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A source model and trained blocks in one store.
class ExportTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ =
        ::testing::TempDir() + "/export_test_" + ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void MakeModel(TinyModelOptions options = {}) {
    options.hidden_size = 64;
    options.intermediate_size = 96;
    options.num_hidden_layers = 3;
    options.vocab_size = 40;
    ASSERT_TRUE(WriteTinyModel(directory_, options).ok());
    ASSERT_TRUE(WriteWholeFile(directory_ + "/tokenizer_config.json", R"({"add_bos_token":true})").ok());
    ASSERT_TRUE(WriteWholeFile(directory_ + "/tokenizer.model", "not read here").ok());
    ASSERT_TRUE(WriteWholeFile(directory_ + "/README.md", "about the original").ok());
    Upload();
  }

  void Upload() {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      files[entry.path().filename().string()] = entry.path().string();
    }
    const auto artifact = UploadFiles(artifacts_, files, nullptr);
    ASSERT_TRUE(artifact.ok()) << artifact.status();
    model_ = *FileTree::Open(&artifacts_, *artifact);
    config_ = *ReadModelConfig(model_);
  }

  void Publish(std::vector<BlockState> blocks) {
    blocks_ = std::move(blocks);
    checkpoints_.clear();
    for (const BlockState& block : blocks_) checkpoints_.push_back(*PublishBlock(artifacts_, block));
  }

  void MakeUniformBlocks(int bits, int64_t group_size, bool exact_scales = true) {
    WorldRandom random(17);
    std::vector<BlockState> blocks;
    for (int k = 0; k < 3; ++k) blocks.push_back(RandomBlock(config_, {bits, group_size}, random, {}, exact_scales));
    Publish(std::move(blocks));
  }

  // Of which every zero point is 2^(bits − 1).
  void MakeSymmetricBlocks(int bits, int64_t group_size) {
    MakeUniformBlocks(bits, group_size);
    std::vector<BlockState> blocks = std::move(blocks_);
    for (BlockState& block : blocks) {
      for (auto& [kind, weight] : block.linears) {
        auto& linear = std::get<QuantizedLinear>(weight);
        const std::string zeros(linear.zeros.bytes.size(), static_cast<char>(1 << (bits - 1)));
        linear.zeros.bytes = Bytes::FromString(zeros);
      }
    }
    Publish(std::move(blocks));
  }

  StatusOr<ExportResult> Export(ExportFormat format, int64_t shard_bytes = int64_t{4} << 30,
                                ZeroPoints zero_points = ZeroPoints::kAny) {
    CheckpointBlocks blocks(&artifacts_, checkpoints_);
    const ExportOptions options = {.format = format, .shard_bytes = shard_bytes, .zero_points = zero_points};
    return ExportModel(model_, blocks, options, artifacts_, nullptr, cancel_);
  }
  StatusOr<ExportResult> ExportSymmetric(ExportFormat format) {
    return Export(format, int64_t{4} << 30, ZeroPoints::kSymmetric);
  }

  // Everything a reader of the exported directory can ask for is what went in.
  void ExpectReadsBack(const FileTree& exported) {
    const auto config = ReadModelConfig(exported);
    ASSERT_TRUE(config.ok()) << config.status();
    const auto tensors = OpenModelTree(&exported);
    ASSERT_TRUE(tensors.ok()) << tensors.status();
    ASSERT_TRUE(CheckModelTensors(*config, **tensors).ok());
    for (size_t k = 0; k < blocks_.size(); ++k) {
      const auto block = LoadBlock(**tensors, *config, static_cast<int64_t>(k));
      ASSERT_TRUE(block.ok()) << block.status();
      EXPECT_TRUE(SameBlock(*block, blocks_[k])) << "block " << k;
    }
    ExpectSameHead(*config, **tensors);
  }

  void ExpectSameHead(const LlamaConfig& config, TensorSource& tensors) {
    const auto source = OpenModelTree(&model_);
    const auto expected = LoadHead(**source, config_);
    const auto head = LoadHead(tensors, config);
    ASSERT_TRUE(expected.ok() && head.ok()) << head.status();
    EXPECT_TRUE(SameTensor(head->embedding, expected->embedding));
    EXPECT_TRUE(SameTensor(head->final_norm, expected->final_norm));
    EXPECT_TRUE(SameTensor(head->lm_head, expected->lm_head));
  }

  void ExpectFakeQuant(int bits);

  FileTree OpenExport(const ExportResult& result) { return *FileTree::Open(&artifacts_, result.files); }

  void ExpectRefused(ExportFormat format, absl::StatusCode code, const std::string& named) {
    const auto result = Export(format);
    EXPECT_EQ(result.status().code(), code) << result.status();
    EXPECT_THAT(std::string(MessageOf(result.status())), HasSubstr(named));
  }

  std::string directory_;
  MemoryStore store_;
  ArtifactStore artifacts_{&store_};
  FileTree model_;
  LlamaConfig config_;
  std::vector<BlockState> blocks_;
  std::vector<ArtifactRef> checkpoints_;
  CancelToken cancel_;
};

TEST_F(ExportTest, AGptqExportReadsBackBitForBitAtEveryWidthItHolds) {
  MakeModel();
  for (const int bits : {2, 3, 4, 8}) {
    for (const int64_t group_size : {-1, 32}) {
      MakeUniformBlocks(bits, group_size);
      const auto result = Export(ExportFormat::kGptqV2);
      ASSERT_TRUE(result.ok()) << result.status();
      EXPECT_EQ(result->metrics["scales_rounded"], 0);
      ExpectReadsBack(OpenExport(*result));
    }
  }
}

TEST_F(ExportTest, ACompressedTensorsExportReadsBackBitForBitAtEveryWidth) {
  MakeModel();
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    for (const int64_t group_size : {-1, 32}) {
      MakeUniformBlocks(bits, group_size);
      const auto result = Export(ExportFormat::kCompressedTensors);
      ASSERT_TRUE(result.ok()) << result.status();
      EXPECT_EQ(result->metrics["scales_rounded"], 0);
      ExpectReadsBack(OpenExport(*result));
    }
  }
}

TEST_F(ExportTest, SymmetricExportsSaySoAndReadBackBitForBitAtEveryWidthAndOddGroups) {
  MakeModel();
  for (const ExportFormat format : {ExportFormat::kGptqV2, ExportFormat::kGptq, ExportFormat::kCompressedTensors}) {
    for (const int bits : {2, 3, 4, 5, 6, 8}) {
      if (!FormatHolds(format, bits, ZeroPoints::kSymmetric)) continue;
      for (const int64_t group_size : {-1, 32, 16, 1}) {
        MakeSymmetricBlocks(bits, group_size);
        const auto result = ExportSymmetric(format);
        ASSERT_TRUE(result.ok()) << result.status();
        const FileTree exported = OpenExport(*result);
        ExpectReadsBack(exported);
        const std::string text(exported.ReadAll("config.json")->view());
        const std::string says = format != ExportFormat::kCompressedTensors ? "\"sym\": true" : "\"symmetric\": true";
        EXPECT_THAT(text, HasSubstr(says)) << WordOf(format) << " " << bits;
      }
    }
  }
}

TEST_F(ExportTest, ASymmetricExportInCompressedTensorsStoresNoZeroPoints) {
  MakeModel();
  MakeSymmetricBlocks(4, 32);
  const double with = (*Export(ExportFormat::kCompressedTensors)).metrics["stored_bits_per_weight"];
  const double without = (*ExportSymmetric(ExportFormat::kCompressedTensors)).metrics["stored_bits_per_weight"];
  EXPECT_EQ(without, 4 + 16.0 / 32);
  EXPECT_EQ(with, 4 + (16.0 + 4) / 32);
}

TEST_F(ExportTest, AZeroPointThatIsNotTheMiddleIsNoSymmetricExport) {
  MakeModel();
  MakeUniformBlocks(4, 32);
  for (const ExportFormat format : {ExportFormat::kGptqV2, ExportFormat::kGptq, ExportFormat::kCompressedTensors}) {
    const auto result = ExportSymmetric(format);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument) << result.status();
    EXPECT_THAT(std::string(MessageOf(result.status())),
                AllOf(HasSubstr("model.layers.0."), HasSubstr("the zero point of group "), HasSubstr(", not 8")));
  }
}

TEST_F(ExportTest, AnUntiedBfloat16ModelInShardsKeepsItsHeadByteForByte) {
  TinyModelOptions options;
  options.tie_word_embeddings = false;
  options.dtype = DType::kBF16;
  options.shards = 3;
  MakeModel(options);
  MakeUniformBlocks(4, 32);
  const auto result = Export(ExportFormat::kGptqV2);
  ASSERT_TRUE(result.ok()) << result.status();
  ExpectReadsBack(OpenExport(*result));
}

TEST_F(ExportTest, MixedWidthsGroupsAndFullPrecisionLinearsReadBackBitForBit) {
  MakeModel();
  WorldRandom random(3);
  std::vector<BlockState> blocks = {RandomBlock(config_, {2, 32}, random), RandomBlock(config_, {8, 32}, random),
                                    RandomBlock(config_, {2, 32}, random, {{LinearKind::kDown, {3, -1}}})};
  blocks[2].linears[LinearKind::kO] = MakeTensor(DType::kF16, {64, 64}, std::vector<uint16_t>(64 * 64, 0x3555));
  Publish(blocks);
  for (const ExportFormat format : {ExportFormat::kGptqV2, ExportFormat::kCompressedTensors}) {
    const auto result = Export(format);
    ASSERT_TRUE(result.ok()) << result.status();
    ExpectReadsBack(OpenExport(*result));
  }
}

TEST_F(ExportTest, ShardsHoldTheSameModelAndAreIndexed) {
  MakeModel();
  MakeUniformBlocks(4, 32);
  const auto whole = Export(ExportFormat::kGptqV2);
  const auto sharded = Export(ExportFormat::kGptqV2, 20'000);
  ASSERT_TRUE(whole.ok() && sharded.ok()) << sharded.status();
  const auto shards = sharded->metrics["shards"].get<int64_t>();
  EXPECT_GT(shards, 2);
  EXPECT_EQ(whole->metrics["tensor_bytes"], sharded->metrics["tensor_bytes"]);
  const FileTree tree = OpenExport(*sharded);
  EXPECT_TRUE(tree.Contains(absl::StrCat("model-0000", shards, "-of-0000", shards, ".safetensors")));
  EXPECT_FALSE(tree.Contains("model.safetensors"));
  const Json index = *ParseJson(tree.ReadAll("model.safetensors.index.json")->view(), "index");
  EXPECT_EQ(index["metadata"]["total_size"], sharded->metrics["tensor_bytes"]);
  for (const std::string& path : tree.paths()) {
    if (path.find(".safetensors") == std::string::npos || path.find(".json") != std::string::npos) continue;
    const auto file = SafetensorsFile::Parse(*tree.ReadAll(path), path);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(file->header().metadata.at("format"), "pt") << "transformers refuses files without it";
    EXPECT_EQ(file->header().data_begin_bytes % 8, 0);
  }
  ExpectReadsBack(tree);
}

// The fp16 weights of a fake-quantized export are the exact ones rounded, and the report says how far.
void ExportTest::ExpectFakeQuant(int bits) {
  MakeUniformBlocks(bits, 32);
  const auto result = Export(ExportFormat::kFakeQuant);
  ASSERT_TRUE(result.ok()) << result.status();
  const FileTree tree = OpenExport(*result);
  const LlamaConfig config = *ReadModelConfig(tree);
  EXPECT_TRUE(config.quantization_config.is_null());
  EXPECT_FALSE(tree.Contains("quantize_config.json"));
  const auto tensors = *OpenModelTree(&tree);
  ASSERT_TRUE(CheckModelTensors(config, *tensors).ok());
  double max_error = 0;
  for (int64_t k = 0; k < 3; ++k) {
    const auto block = LoadBlock(*tensors, config, k);
    ASSERT_TRUE(block.ok()) << block.status();
    for (const auto& [kind, weight] : blocks_[static_cast<size_t>(k)].linears) {
      const auto& linear = std::get<QuantizedLinear>(weight);
      const auto stored = ValuesOf<uint16_t>(std::get<HostTensor>(block->linears.at(kind)));
      const auto exact = ValuesOf<float>(DecodeToF32(linear));
      ASSERT_EQ(stored.size(), exact.size());
      for (size_t i = 0; i < exact.size(); ++i) {
        ASSERT_EQ(stored[i], HalfFromFloat(exact[i])) << LinearName(kind) << " element " << i;
        max_error = std::max(max_error, std::abs(static_cast<double>(FloatFromHalf(stored[i])) - exact[i]));
      }
    }
    EXPECT_TRUE(SameTensor(block->input_norm, blocks_[static_cast<size_t>(k)].input_norm));
  }
  EXPECT_EQ(result->metrics["max_weight_rounding"].get<double>(), max_error);
  EXPECT_GT(max_error, 0.0) << "products of fp16 scales and integers are not all fp16 numbers";
  EXPECT_EQ(result->metrics["stored_bits_per_weight"], 16.0);
  ExpectSameHead(config, *tensors);
}

TEST_F(ExportTest, AFakeQuantExportIsAPlainModelOfTheDecodedWeightsInFp16) {
  MakeModel();
  for (const int bits : {2, 4, 8}) ExpectFakeQuant(bits);
}

TEST_F(ExportTest, DecodedWeightsAreScaleTimesCodeMinusZero) {
  WorldRandom random(2);
  const QuantizedLinear linear = RandomLinear({4, 64}, 8, 32, random);
  const auto weights = ValuesOf<float>(DecodeToF32(linear));
  const auto codes = ValuesOf<uint8_t>(linear.codes);
  const auto zeros = ValuesOf<uint8_t>(linear.zeros);
  const auto scales = ValuesOf<float>(linear.scales);
  for (size_t i = 0; i < weights.size(); ++i) {
    const size_t group = i / 64 * 2 + i % 64 / 32;
    ASSERT_EQ(weights[i], scales[group] * static_cast<float>(codes[i] - zeros[group])) << i;
  }
}

TEST_F(ExportTest, FakeQuantHoldsFiveAndSixBitsAndGptqRefusesThemNamingWhatCan) {
  MakeModel();
  for (const int bits : {5, 6}) {
    MakeUniformBlocks(bits, 32);
    EXPECT_TRUE(Export(ExportFormat::kFakeQuant).ok());
    ExpectRefused(ExportFormat::kGptqV2, absl::StatusCode::kFailedPrecondition,
                  absl::StrCat("block 0 self_attn.q_proj: gptq_v2 cannot hold ", bits,
                               " bits; formats that can: compressed_tensors, fake_quant, gguf or gguf_q4_1"));
  }
}

TEST_F(ExportTest, RepeatedExportsAreOneArtifact) {
  MakeModel();
  MakeUniformBlocks(3, 32);
  for (const ExportFormat format :
       {ExportFormat::kGptqV2, ExportFormat::kCompressedTensors, ExportFormat::kFakeQuant}) {
    const auto first = Export(format);
    const auto second = Export(format);
    ASSERT_TRUE(first.ok() && second.ok());
    EXPECT_EQ(first->files.digest, second->files.digest);
    EXPECT_EQ(first->metrics, second->metrics);
  }
}

TEST_F(ExportTest, StoredBitsCountCodesScalesZeroPointsAndPaddingAsWritten) {
  MakeModel();
  MakeUniformBlocks(3, 32);
  const auto result = Export(ExportFormat::kGptqV2);
  ASSERT_TRUE(result.ok()) << result.status();
  int64_t weights = 0;
  int64_t bits = 0;
  for (const LinearKind kind : kAllLinears) {
    const LinearShape shape = ShapeOf(config_, kind);
    const int64_t groups = shape.in_features / 32;
    weights += shape.out_features * shape.in_features;
    bits += 32 * ((shape.in_features * 3 + 31) / 32) * shape.out_features;  // codes
    bits += 32 * ((shape.out_features * 3 + 31) / 32) * groups;             // zero points
    bits += 16 * groups * shape.out_features;                               // scales
  }
  EXPECT_EQ(result->metrics["stored_bits_per_weight"].get<double>(),
            static_cast<double>(bits) / static_cast<double>(weights));
  EXPECT_EQ(result->metrics["quantized_weights"], 3 * weights);
  EXPECT_EQ(result->metrics["average_bits"], 3.0);
  const FileTree tree = OpenExport(*result);
  int64_t file_bytes = 0;
  for (const std::string& path : tree.paths()) file_bytes += *tree.SizeBytes(path);
  EXPECT_EQ(result->metrics["file_bytes"], file_bytes);
}

TEST_F(ExportTest, ScalesThatAreNotFp16NumbersAreRoundedAndReported) {
  MakeModel();
  MakeUniformBlocks(2, 32, /*exact_scales=*/false);
  const auto result = Export(ExportFormat::kGptqV2);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->metrics["scales_rounded"].get<int64_t>(), 0);
  EXPECT_GT(result->metrics["max_scale_rounding"].get<double>(), 0.0);
  EXPECT_LE(result->metrics["max_scale_rounding"].get<double>(), 0x1p-11);
  const FileTree tree = OpenExport(*result);
  const auto tensors = *OpenModelTree(&tree);
  const auto block = LoadBlock(*tensors, *ReadModelConfig(tree), 0);
  ASSERT_TRUE(block.ok()) << block.status();
  const auto& stored = std::get<QuantizedLinear>(block->linears.at(LinearKind::kQ));
  const auto& trained = std::get<QuantizedLinear>(blocks_[0].linears.at(LinearKind::kQ));
  EXPECT_TRUE(SameTensor(stored.codes, trained.codes));
  EXPECT_TRUE(SameTensor(stored.zeros, trained.zeros));
  const auto scales = ValuesOf<float>(trained.scales);
  const auto rounded = ValuesOf<float>(stored.scales);
  for (size_t i = 0; i < scales.size(); ++i) ASSERT_EQ(rounded[i], FloatFromHalf(HalfFromFloat(scales[i])));
}

TEST_F(ExportTest, ATokenizerOfItsOwnIsCopiedToo) {
  MakeModel();
  MakeUniformBlocks(4, 32);
  const auto tokenizer_ref = UploadContents(artifacts_, {{"tokenizer.json", Bytes::FromString("{}")},
                                                         {"tokenizer_config.json", Bytes::FromString("not this one")}});
  ASSERT_TRUE(tokenizer_ref.ok());
  const auto tokenizer = FileTree::Open(&artifacts_, *tokenizer_ref);
  ASSERT_TRUE(tokenizer.ok());
  CheckpointBlocks blocks(&artifacts_, checkpoints_);
  const auto exported = ExportModel(model_, blocks, {.tokenizer = &*tokenizer}, artifacts_, nullptr, cancel_);
  ASSERT_TRUE(exported.ok()) << exported.status();
  const FileTree tree = *FileTree::Open(&artifacts_, exported->files);
  EXPECT_EQ(tree.ReadAll("tokenizer.json")->view(), "{}");
  EXPECT_EQ(tree.ReadAll("tokenizer_config.json")->view(), R"({"add_bos_token":true})") << "the model's own stays";
}

TEST_F(ExportTest, TokenizerAndSettingsAreCopiedAndTheRestIsNot) {
  MakeModel();
  MakeUniformBlocks(2, 32);
  const auto result = Export(ExportFormat::kGptqV2);
  ASSERT_TRUE(result.ok()) << result.status();
  const FileTree tree = OpenExport(*result);
  EXPECT_THAT(tree.paths(), ElementsAre("config.json", "model.safetensors", "quantize_config.json", "tokenizer.model",
                                        "tokenizer_config.json"));
  EXPECT_EQ(tree.ReadAll("tokenizer.model")->view(), "not read here");
  const Json config = *ParseJson(tree.ReadAll("config.json")->view(), "config.json");
  const Json quantize_config = *ParseJson(tree.ReadAll("quantize_config.json")->view(), "quantize_config.json");
  EXPECT_EQ(config["quantization_config"], quantize_config);
  EXPECT_EQ(config["torch_dtype"], "float16");
  EXPECT_EQ(config["rope_theta"], 10000.0);
}

TEST_F(ExportTest, CompanionsAreCopiedAsTheyAreButNeverInPlaceOfWhatIsWritten) {
  MakeModel();
  MakeUniformBlocks(4, 32);
  const auto companions = UploadContents(artifacts_, {{"README.md", Bytes::FromString("about the original")},
                                                      {"additional_chat_templates/rag.jinja", Bytes::FromString("rag")},
                                                      {"config.json", Bytes::FromString("{}")},
                                                      {"model.safetensors", Bytes::FromString("not these")},
                                                      {"tokenizer_config.json", Bytes::FromString("{}")}});
  const FileTree tree = *FileTree::Open(&artifacts_, *companions);
  CheckpointBlocks blocks(&artifacts_, checkpoints_);
  const auto result = ExportModel(model_, blocks, {.companions = &tree}, artifacts_, nullptr, cancel_);
  ASSERT_TRUE(result.ok()) << result.status();
  const FileTree exported = OpenExport(*result);
  EXPECT_EQ(exported.ReadAll("README.md")->view(), "about the original");
  EXPECT_EQ(exported.ReadAll("additional_chat_templates/rag.jinja")->view(), "rag");
  EXPECT_EQ(exported.ReadAll("tokenizer_config.json")->view(), R"({"add_bos_token":true})") << "the model's own";
  ExpectReadsBack(exported);
}

TEST_F(ExportTest, AnExportedModelCannotBeExportedAgain) {
  MakeModel();
  MakeUniformBlocks(2, 32);
  const auto result = Export(ExportFormat::kGptqV2);
  ASSERT_TRUE(result.ok()) << result.status();
  model_ = OpenExport(*result);
  for (const ExportFormat format : {ExportFormat::kGptqV2, ExportFormat::kFakeQuant}) {
    ExpectRefused(format, absl::StatusCode::kFailedPrecondition, "the model is quantized already");
  }
}

TEST_F(ExportTest, BlocksOfAnotherModelAreRefused) {
  MakeModel();
  LlamaConfig other = config_;
  other.intermediate_size = 128;
  WorldRandom random(1);
  Publish({RandomBlock(config_, {2, 32}, random), RandomBlock(other, {2, 32}, random),
           RandomBlock(config_, {2, 32}, random)});
  ExpectRefused(ExportFormat::kGptqV2, absl::StatusCode::kInvalidArgument, "block 1 mlp.gate_proj is [128, 64]");
  Publish({RandomBlock(config_, {2, 32}, random)});
  ExpectRefused(ExportFormat::kGptqV2, absl::StatusCode::kInvalidArgument, "export got 1 blocks of a model that has 3");
}

TEST_F(ExportTest, AMissingCheckpointIsNamedByItsBlock) {
  MakeModel();
  MakeUniformBlocks(2, 32);
  const Manifest manifest = *LoadManifest(artifacts_, checkpoints_[1]);
  ASSERT_TRUE(store_.Delete(BlobKey(manifest.parts[0].blob.digest)).ok());
  ExpectRefused(ExportFormat::kGptqV2, absl::StatusCode::kNotFound, "block 1: ");
}

TEST_F(ExportTest, WeightsBeyondFp16AreRefusedByFakeQuant) {
  MakeModel();
  MakeUniformBlocks(4, 32);
  auto& gate = std::get<QuantizedLinear>(blocks_[1].linears.at(LinearKind::kGate));
  gate.scales = WithElement(gate.scales, 0, 32768.0f);
  gate.zeros = WithElement<uint8_t>(gate.zeros, 0, 0);
  gate.codes = WithElement<uint8_t>(gate.codes, 0, 15);
  Publish(blocks_);
  ExpectRefused(ExportFormat::kFakeQuant, absl::StatusCode::kInvalidArgument, "model.layers.1.mlp.gate_proj");
  EXPECT_TRUE(Export(ExportFormat::kGptqV2).ok()) << "the packed form holds them";
}

TEST_F(ExportTest, ACancelledExportStops) {
  MakeModel();
  MakeUniformBlocks(2, 32);
  cancel_.cancelled = true;
  ExpectRefused(ExportFormat::kGptqV2, absl::StatusCode::kCancelled, "cancelled");
}

TEST_F(ExportTest, AStreamedTreeIsTheArtifactThatUploadingTheContentsGives) {
  std::string large(static_cast<size_t>(kPieceBytes) * 2 + 12345, '\0');
  for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 2654435761u >> 13);
  const std::string exact(static_cast<size_t>(kPieceBytes), 'x');
  FileTreeWriter writer(&artifacts_);
  ASSERT_TRUE(writer.Add("z/last", exact).ok());
  ASSERT_TRUE(writer.Begin("large").ok());
  for (size_t at = 0; at < large.size(); at += 777'777) {
    ASSERT_TRUE(writer.Write(std::string_view(large).substr(at, 777'777)).ok());
  }
  ASSERT_TRUE(writer.Add("empty", "").ok());
  EXPECT_EQ(writer.Begin("large").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(writer.total_bytes(), static_cast<int64_t>(large.size() + exact.size()));
  const auto streamed = writer.Finish();
  ASSERT_TRUE(streamed.ok()) << streamed.status();
  const auto uploaded = UploadContents(
      artifacts_, {{"large", Bytes::FromString(large)}, {"empty", Bytes()}, {"z/last", Bytes::FromString(exact)}});
  ASSERT_TRUE(uploaded.ok()) << uploaded.status();
  EXPECT_EQ(streamed->digest, uploaded->digest);
}

TEST_F(ExportTest, AFullStoreFailsTheExportNamingTheFile) {
  MakeModel();
  MakeUniformBlocks(8, 32);
  MemoryStore small(50'000);
  ArtifactStore target(&small);
  CheckpointBlocks blocks(&artifacts_, checkpoints_);
  const auto result = ExportModel(model_, blocks, {}, target, nullptr, cancel_);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kResourceExhausted) << result.status();
  EXPECT_THAT(std::string(MessageOf(result.status())), HasSubstr("model.safetensors"));
}

}  // namespace
}  // namespace lwq::qat
