// SPDX-License-Identifier: Apache-2.0
// GGUF exports as llama.cpp takes them: one file, the weights of the checkpoints, rows of q and k in its order, and
// everything that it would otherwise guess.
#include <cmath>
#include <filesystem>

#include "common/export/block_checkpoint.h"
#include "common/export/export.h"
#include "common/export/fake_quant/fake_quant_weight.h"
#include "common/export/gguf/gguf_file.h"
#include "common/export/gguf/gguf_metadata.h"
#include "common/export/gguf/gguf_names.h"
#include "common/export/model_blocks.h"
#include "common/export_format/gguf.h"
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
using ::testing::UnorderedElementsAre;

constexpr int64_t kBlocks = 2;

class GgufExportTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ =
        ::testing::TempDir() + "/gguf_export_test_" + ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void MakeModel(TinyModelOptions options = {}) {
    options.num_hidden_layers = kBlocks;
    options.tokenizer_directory = std::string(LWQ_SOURCE_DIR) + "/tests/fixtures/model";
    ASSERT_TRUE(WriteTinyModel(directory_, options).ok());
    ASSERT_TRUE(WriteWholeFile(directory_ + "/LICENSE", "as it is").ok());
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
  void MakeBlocks(const Width& width, bool middle_zero_points = false) {
    WorldRandom random(11);
    blocks_.clear();
    checkpoints_.clear();
    for (int64_t k = 0; k < kBlocks; ++k) {
      BlockState block = RandomBlock(config_, width, random);
      if (middle_zero_points) {
        for (auto& [kind, weight] : block.linears) {
          auto& linear = std::get<QuantizedLinear>(weight);
          auto zeros = ValuesOf<uint8_t>(linear.zeros);
          for (uint8_t& zero : zeros) zero = zero < 2 ? 1 : 2;
          linear.zeros = MakeTensor(DType::kU8, linear.zeros.shape, zeros);
        }
      }
      checkpoints_.push_back(*PublishBlock(artifacts_, block));
      blocks_.push_back(std::move(block));
    }
  }
  StatusOr<ExportResult> Export(ExportOptions options = {.format = ExportFormat::kGguf}) {
    CheckpointBlocks blocks(&artifacts_, checkpoints_);
    return ExportModel(model_, blocks, options, artifacts_, nullptr, cancel_);
  }
  FileTree Tree(const ExportResult& result) { return *FileTree::Open(&artifacts_, result.files); }
  GgufFile Open(const StatusOr<ExportResult>& result) {
    LWQ_CHECK(result.ok(), result.status().ToString());
    auto file = GgufFile::Parse(*Tree(*result).ReadAll("model.gguf"), "model.gguf");
    LWQ_CHECK(file.ok(), file.status().ToString());
    return *std::move(file);
  }

  // The row that llama.cpp has in place of row `row` of a head of `head_rows` rows: halves interleaved.
  static int64_t SourceRow(int64_t row, int64_t head_rows) {
    const int64_t head = row / head_rows, in_head = row % head_rows;
    return head * head_rows + (in_head % 2 == 0 ? in_head / 2 : head_rows / 2 + in_head / 2);
  }
  // Weights in the file against those of `expected`, whose rows of q and k are interleaved where `interleaved`.
  void ExpectRows(const GgufFile& file, const std::string& name, const std::vector<float>& expected, int64_t rows,
                  int64_t head_rows) {
    const auto stored = file.Weights(name);
    ASSERT_TRUE(stored.ok()) << stored.status();
    const auto weights = ValuesOf<float>(*stored);
    ASSERT_EQ(weights.size(), expected.size()) << name;
    const size_t columns = weights.size() / static_cast<size_t>(rows);
    for (int64_t row = 0; row < rows; ++row) {
      const auto from = static_cast<size_t>(head_rows == 0 ? row : SourceRow(row, head_rows));
      for (size_t i = 0; i < columns; ++i) {
        ASSERT_EQ(weights[static_cast<size_t>(row) * columns + i], expected[from * columns + i])
            << name << " row " << row;
      }
    }
  }
  void ExpectWeights(const GgufFile& file, bool interleaved = true) {
    const std::map<LinearKind, std::string> names = {{LinearKind::kQ, "attn_q"},      {LinearKind::kK, "attn_k"},
                                                     {LinearKind::kV, "attn_v"},      {LinearKind::kO, "attn_output"},
                                                     {LinearKind::kGate, "ffn_gate"}, {LinearKind::kUp, "ffn_up"},
                                                     {LinearKind::kDown, "ffn_down"}};
    for (int64_t k = 0; k < kBlocks; ++k) {
      const BlockState& block = blocks_[static_cast<size_t>(k)];
      for (const auto& [kind, name] : names) {
        const bool heads = interleaved && (kind == LinearKind::kQ || kind == LinearKind::kK);
        const std::string prefix = absl::StrCat("blk.", k, ".", name);
        ExpectRows(file, prefix + ".weight",
                   ValuesOf<float>(DecodeToF32(std::get<QuantizedLinear>(block.linears.at(kind)))),
                   ShapeOf(config_, kind).out_features, heads ? config_.head_dim : 0);
        const auto bias = block.biases.find(kind);
        if (bias == block.biases.end()) continue;
        ExpectRows(file, prefix + ".bias", ValuesOf<float>(bias->second), bias->second.shape[0],
                   heads ? config_.head_dim : 0);
      }
      ExpectRows(file, absl::StrCat("blk.", k, ".attn_norm.weight"), ValuesOf<float>(block.input_norm),
                 config_.hidden_size, 0);
      ExpectRows(file, absl::StrCat("blk.", k, ".ffn_norm.weight"), ValuesOf<float>(block.post_attention_norm),
                 config_.hidden_size, 0);
    }
  }
  template <typename T>
  static T At(const GgufFile& file, const std::string& key) {
    const auto found = file.metadata().find(key);
    LWQ_CHECK(found != file.metadata().end(), "no key ", key);
    return std::get<T>(found->second);
  }
  void ExpectRefused(const std::string& named, ExportOptions options = {.format = ExportFormat::kGguf},
                     absl::StatusCode code = absl::StatusCode::kFailedPrecondition) {
    const auto result = Export(options);
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

TEST_F(GgufExportTest, EveryWidthHasTheWeightsOfItsCheckpointsInTheTypeThatThePlanCounted) {
  MakeModel();
  const std::map<int, GgmlType> types = {
      {2, GgmlType::kQ4_0}, {3, GgmlType::kQ4_0}, {4, GgmlType::kQ5_0}, {5, GgmlType::kQ8_0}, {6, GgmlType::kQ8_0}};
  for (const auto& [bits, type] : types) {
    for (const int64_t group_size : {-1, 32}) {
      MakeBlocks({bits, group_size});
      const auto result = Export();
      const GgufFile file = Open(result);
      for (const GgufTensor& tensor : file.tensors()) {
        if (tensor.name.find("_norm") == std::string::npos && tensor.name.starts_with("blk.")) {
          EXPECT_EQ(tensor.type, type) << tensor.name;
        }
      }
      ExpectWeights(file);
      EXPECT_EQ(result->metrics["weights_rounded"], 0) << bits;
      EXPECT_TRUE(At<bool>(file, "lwq.exact"));
      const GgmlTypeTraits& traits = TraitsOf(type);
      EXPECT_EQ(result->metrics["stored_bits_per_weight"].get<double>(),
                8.0 * static_cast<double>(traits.block_bytes) / static_cast<double>(traits.block_weights));
    }
  }
}

TEST_F(GgufExportTest, TwoBitsAroundTheMiddleTakeTwoAndAQuarterBits) {
  MakeModel();
  MakeBlocks({2, 64}, /*middle_zero_points=*/true);
  const auto result = Export({.format = ExportFormat::kGguf, .zero_points = ZeroPoints::kMiddle});
  const GgufFile file = Open(result);
  ExpectWeights(file);
  EXPECT_EQ(result->metrics["stored_bits_per_weight"], 2.25);
  EXPECT_EQ(result->metrics["weights_rounded"], 0);
  // What the checkpoints hold decides nothing: without the key the same blocks are as large as any.
  EXPECT_EQ(Export()->metrics["stored_bits_per_weight"], 4.5);
}

TEST_F(GgufExportTest, AZeroPointThatIsNotInTheMiddleIsRefusedByNameWhereTheMiddleWasPromised) {
  MakeModel();
  MakeBlocks({2, 64});
  ExpectRefused("model.layers.0.self_attn.q_proj: group ",
                {.format = ExportFormat::kGguf, .zero_points = ZeroPoints::kMiddle},
                absl::StatusCode::kInvalidArgument);
}

TEST_F(GgufExportTest, TheSmallFourBitFormatIsSmallerAndSaysThatItRounds) {
  MakeModel();
  MakeBlocks({4, 32});
  const auto result = Export({.format = ExportFormat::kGgufQ41});
  const GgufFile file = Open(result);
  EXPECT_EQ(result->metrics["stored_bits_per_weight"], 5.0);
  EXPECT_FALSE(At<bool>(file, "lwq.exact"));
  EXPECT_GT(result->metrics["weights_rounded"].get<int64_t>(), 0);
  const auto weights = ValuesOf<float>(*file.Weights("blk.1.ffn_down.weight"));
  const auto expected =
      ValuesOf<float>(DecodeToF32(std::get<QuantizedLinear>(blocks_[1].linears.at(LinearKind::kDown))));
  double largest = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(weights[i]) - expected[i]));
  }
  EXPECT_LE(largest, result->metrics["max_weight_rounding"].get<double>());
  EXPECT_GT(largest, 0);
  MakeBlocks({3, 32});
  const auto exact = Export({.format = ExportFormat::kGgufQ41});
  EXPECT_TRUE(At<bool>(Open(exact), "lwq.exact")) << "other widths are as exact as in gguf";
}

TEST_F(GgufExportTest, EmbeddingAndHeadKeepTheirDtypeAndVectorsAreFp32) {
  TinyModelOptions options;
  options.tie_word_embeddings = false;
  options.dtype = DType::kBF16;
  MakeModel(options);
  MakeBlocks({4, 64});
  const GgufFile file = Open(Export());
  const auto source = *OpenModelTree(&model_);
  const auto head = LoadHead(*source, config_);
  EXPECT_TRUE(SameTensor(*file.Read("token_embd.weight"), head->embedding));
  EXPECT_TRUE(SameTensor(*file.Read("output.weight"), head->lm_head));
  EXPECT_EQ(file.Read("output_norm.weight")->dtype, DType::kF32);
  EXPECT_EQ(ValuesOf<float>(*file.Read("output_norm.weight")), ValuesOf<float>(*ToF32(head->final_norm, "norm")));
  TinyModelOptions tied;
  tied.tie_word_embeddings = true;
  MakeModel(tied);
  MakeBlocks({4, 64});
  EXPECT_FALSE(Open(Export()).Contains("output.weight"));
}

TEST_F(GgufExportTest, MetadataSayEverythingThatLlamaCppWouldGuess) {
  TinyModelOptions options;
  options.config_overrides = {{"rope_theta", 500000.0}, {"rms_norm_eps", 1e-5}};
  MakeModel(options);
  MakeBlocks({4, 64});
  const GgufFile file = Open(Export());
  EXPECT_EQ(At<std::string>(file, "general.architecture"), "llama");
  EXPECT_EQ(At<uint32_t>(file, "llama.context_length"), config_.max_position_embeddings);
  EXPECT_EQ(At<uint32_t>(file, "llama.embedding_length"), config_.hidden_size);
  EXPECT_EQ(At<uint32_t>(file, "llama.block_count"), kBlocks);
  EXPECT_EQ(At<uint32_t>(file, "llama.feed_forward_length"), config_.intermediate_size);
  EXPECT_EQ(At<uint32_t>(file, "llama.attention.head_count"), config_.num_attention_heads);
  EXPECT_EQ(At<uint32_t>(file, "llama.attention.head_count_kv"), config_.num_key_value_heads);
  EXPECT_EQ(At<float>(file, "llama.rope.freq_base"), 500000.0f);
  EXPECT_EQ(At<uint32_t>(file, "llama.rope.dimension_count"), config_.head_dim);
  EXPECT_EQ(At<float>(file, "llama.attention.layer_norm_rms_epsilon"), 1e-5f);
  EXPECT_EQ(At<std::string>(file, "tokenizer.ggml.model"), "llama");
  EXPECT_EQ(At<std::string>(file, "tokenizer.ggml.pre"), "default");
  EXPECT_EQ(At<uint32_t>(file, "tokenizer.ggml.bos_token_id"), 1u);
  EXPECT_EQ(At<uint32_t>(file, "tokenizer.ggml.eos_token_id"), 2u);
  EXPECT_TRUE(At<bool>(file, "tokenizer.ggml.add_bos_token"));
  EXPECT_TRUE(At<bool>(file, "tokenizer.ggml.add_space_prefix"));
  const auto tokens = std::get<std::vector<std::string>>(At<GgufArray>(file, "tokenizer.ggml.tokens"));
  EXPECT_EQ(tokens.size(), 1536u);
  EXPECT_EQ(tokens[261], "▁the");
  EXPECT_EQ(std::get<std::vector<float>>(At<GgufArray>(file, "tokenizer.ggml.scores"))[261], -2.0f);
  EXPECT_EQ(std::get<std::vector<int32_t>>(At<GgufArray>(file, "tokenizer.ggml.token_type"))[3], 6);
  EXPECT_FALSE(file.metadata().contains("tokenizer.chat_template"));
}

TEST_F(GgufExportTest, TheFolderHasTheFileTheLicenceAndCompanionsAndNothingElse) {
  MakeModel();
  MakeBlocks({4, 64});
  const auto companions_ref = UploadContents(artifacts_, {{"README.md", Bytes::FromString("about")},
                                                          {"chat_template.jinja", Bytes::FromString("{{ messages }}")},
                                                          {"other.gguf", Bytes::FromString("not ours")}});
  const auto companions = FileTree::Open(&artifacts_, *companions_ref);
  const auto result = Export({.format = ExportFormat::kGguf, .companions = &*companions});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(Tree(*result).paths(), UnorderedElementsAre("LICENSE", "README.md", "chat_template.jinja", "model.gguf"));
  EXPECT_EQ(At<std::string>(Open(result), "tokenizer.chat_template"), "{{ messages }}");
  EXPECT_EQ(result->metrics["shards"], 1);
}

TEST_F(GgufExportTest, TheChatTemplateOfTheTokenizersConfigIsTheDefaultOneOfSeveral) {
  MakeModel();
  MakeBlocks({4, 64});
  const auto with = [&](const Json& chat_template) {
    const Json config = {{"add_bos_token", true}, {"chat_template", chat_template}};
    EXPECT_TRUE(WriteWholeFile(directory_ + "/tokenizer_config.json", config.dump()).ok());
    Upload();
    return Open(Export());
  };
  EXPECT_EQ(At<std::string>(with("one"), "tokenizer.chat_template"), "one");
  EXPECT_EQ(At<std::string>(with(Json::array({{{"name", "tool_use"}, {"template", "two"}},
                                              {{"name", "default"}, {"template", "three"}}})),
                            "tokenizer.chat_template"),
            "three");
  EXPECT_FALSE(with(7).metadata().contains("tokenizer.chat_template"));
}

TEST_F(GgufExportTest, LlamasBiasesAreInterleavedWithTheirRowsAndQwensAreNot) {
  TinyModelOptions llama;
  llama.config_overrides = {{"attention_bias", true}};
  MakeModel(llama);
  MakeBlocks({3, 64});
  ExpectWeights(Open(Export()));
  TinyModelOptions qwen2;
  qwen2.architecture = "Qwen2ForCausalLM";
  MakeModel(qwen2);
  MakeBlocks({3, 64});
  const GgufFile file = Open(Export());
  EXPECT_EQ(At<std::string>(file, "general.architecture"), "qwen2");
  EXPECT_TRUE(file.Contains("blk.0.attn_k.bias"));
  ExpectWeights(file, /*interleaved=*/false);
  TinyModelOptions qwen3;
  qwen3.architecture = "Qwen3ForCausalLM";
  MakeModel(qwen3);
  MakeBlocks({3, 64});
  const GgufFile third = Open(Export());
  EXPECT_TRUE(third.Contains("blk.0.attn_q_norm.weight"));
  ExpectWeights(third, /*interleaved=*/false);
}

TEST_F(GgufExportTest, LinearScalingIsMetadataAndLlama3sFactorsAreATensor) {
  TinyModelOptions linear;
  linear.config_overrides = {{"rope_scaling", {{"rope_type", "linear"}, {"factor", 4.0}}}};
  MakeModel(linear);
  MakeBlocks({4, 64});
  const GgufFile with_factor = Open(Export());
  EXPECT_EQ(At<std::string>(with_factor, "llama.rope.scaling.type"), "linear");
  EXPECT_EQ(At<float>(with_factor, "llama.rope.scaling.factor"), 4.0f);
  EXPECT_FALSE(with_factor.Contains("rope_freqs.weight"));
  TinyModelOptions llama3;
  llama3.config_overrides = {{"rope_theta", 500000.0},
                             {"rope_scaling",
                              {{"rope_type", "llama3"},
                               {"factor", 8.0},
                               {"low_freq_factor", 1.0},
                               {"high_freq_factor", 4.0},
                               {"original_max_position_embeddings", 128}}}};
  MakeModel(llama3);
  MakeBlocks({4, 64});
  const GgufFile with_tensor = Open(Export());
  const auto factors = ValuesOf<float>(*with_tensor.Weights("rope_freqs.weight"));
  ASSERT_EQ(factors.size(), static_cast<size_t>(config_.head_dim / 2));
  EXPECT_EQ(factors.front(), 1.0f) << "the fastest pair turns within a quarter of the original length";
  EXPECT_EQ(factors.back(), 8.0f) << "the slowest one does not turn once within it";
  // Wavelength 2π · 500000^(1/8) = 32.4 of 128 positions: between them.
  EXPECT_NEAR(factors[1], 1 / ((1 - (128 / 32.4016 - 1) / 3) / 8 + (128 / 32.4016 - 1) / 3), 1e-4);
  ExpectWeights(with_tensor);
}

TEST_F(GgufExportTest, RepeatedExportsAreOneArtifact) {
  MakeModel();
  MakeBlocks({3, 64});
  const auto first = Export(), second = Export();
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->files.digest, second->files.digest);
}

TEST_F(GgufExportTest, WhatLlamaCppHasNotIsRefusedByName) {
  MakeModel();
  MakeBlocks({8, 32});
  ExpectRefused(
      "gguf cannot hold 8 bits that are not symmetric; formats that can: gptq_v2, compressed_tensors or fake_quant");
  MakeBlocks({3, 16});
  ExpectRefused("block 0 self_attn.q_proj: gguf holds groups that are multiples of 32, not of 16");
  TinyModelOptions dynamic;
  dynamic.config_overrides = {{"rope_scaling", {{"rope_type", "dynamic"}, {"factor", 2.0}}}};
  MakeModel(dynamic);
  MakeBlocks({4, 64});
  ExpectRefused("llama.cpp has no rope type dynamic");
}

TEST_F(GgufExportTest, AModelWithoutATokenizerIsRefused) {
  MakeModel();
  MakeBlocks({4, 64});
  std::filesystem::remove(directory_ + "/tokenizer.model");
  Upload();
  ExpectRefused("neither tokenizer.json nor tokenizer.model");
  const auto tokenizer_ref = UploadContents(
      artifacts_,
      {{"tokenizer.model", *Bytes::MapFile(std::string(LWQ_SOURCE_DIR) + "/tests/fixtures/model/tokenizer.model")}});
  const auto tokenizer = FileTree::Open(&artifacts_, *tokenizer_ref);
  EXPECT_EQ(
      At<std::string>(Open(Export({.format = ExportFormat::kGguf, .tokenizer = &*tokenizer})), "tokenizer.ggml.model"),
      "llama");
}

TEST(LlamaCppNameTest, NamesOutsideAndInsideBlocks) {
  EXPECT_EQ(LlamaCppName("model.embed_tokens.weight"), "token_embd.weight");
  EXPECT_EQ(LlamaCppName("model.norm.weight"), "output_norm.weight");
  EXPECT_EQ(LlamaCppName("lm_head.weight"), "output.weight");
  EXPECT_EQ(LlamaCppName("model.layers.11.mlp.down_proj.weight"), "blk.11.ffn_down.weight");
  EXPECT_EQ(LlamaCppName("model.layers.0.self_attn.q_proj.bias"), "blk.0.attn_q.bias");
  EXPECT_EQ(LlamaCppName("model.layers.2.post_attention_layernorm.weight"), "blk.2.ffn_norm.weight");
}

TEST(InterleaveHeadsTest, HalvesOfEachHeadAlternate) {
  const HostTensor rows = MakeTensor(DType::kU8, {8, 2},
                                     std::vector<uint8_t>{0, 0, 1, 1, 2, 2, 3, 3,  //
                                                          4, 4, 5, 5, 6, 6, 7, 7});
  const auto interleaved = ValuesOf<uint8_t>(InterleaveHeads(rows, 2));
  EXPECT_THAT(interleaved, ElementsAre(0, 0, 2, 2, 1, 1, 3, 3, 4, 4, 6, 6, 5, 5, 7, 7));
}

}  // namespace
}  // namespace lwq::qat
