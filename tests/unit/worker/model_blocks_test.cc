// SPDX-License-Identifier: Apache-2.0
// Reading blocks and head from plain and gptq_v2 models, and every way such a model can be wrong.
#include "common/export/model_blocks.h"

#include "common/export/gptq/gptq_linear.h"
#include "common/model/check_model.h"
#include "common/model/model_config.h"
#include "common/object_store/memory_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/worker/pack_testing.h"

namespace lwq::qat {
namespace {

using ::testing::HasSubstr;

HostTensor HalfTensor(const std::vector<int64_t>& shape, uint64_t seed) {
  WorldRandom random(seed);
  std::vector<uint16_t> values(static_cast<size_t>(*ElementCount(shape)));
  for (uint16_t& value : values) value = static_cast<uint16_t>(0x2000 + random.Below(0x1000));
  return MakeTensor(DType::kF16, shape, values);
}

MemoryTensors PlainModel(const LlamaConfig& config) {
  std::map<std::string, HostTensor> tensors;
  for (const auto& [name, shape] : ExpectedTensors(config)) tensors[name] = HalfTensor(shape, tensors.size() + 1);
  return MemoryTensors(std::move(tensors));
}

struct QuantizedModel {
  LlamaConfig config = SmallConfig();
  std::vector<BlockState> blocks;
  MemoryTensors tensors = PlainModel(SmallConfig());

  // Block 0 in 3 bits, groups of 32; block 1 in 8 bits except two linears: whole rows of 2 bits, and full precision.
  QuantizedModel() {
    WorldRandom random(21);
    blocks.push_back(RandomBlock(config, {3, 32}, random));
    blocks.push_back(RandomBlock(config, {8, 32}, random, {{LinearKind::kDown, {2, -1}}}));
    blocks[1].linears[LinearKind::kV] = HalfTensor({32, 64}, 99);
    std::vector<BlockFormat> formats;
    for (size_t k = 0; k < blocks.size(); ++k) Store(static_cast<int64_t>(k), blocks[k]);
    for (const BlockState& block : blocks) formats.push_back(FormatOf(block));
    config.quantization_config = *MakeGptqConfig(formats);
  }

  void Store(int64_t index, const BlockState& block) {
    for (const auto& [kind, weight] : block.linears) {
      const std::string name = absl::StrCat(BlockPrefix(index), LinearName(kind));
      tensors.Erase(name + ".weight");
      if (const auto* full = std::get_if<HostTensor>(&weight)) {
        tensors.Set(name + ".weight", *full);
        continue;
      }
      HalfRounding rounding;
      const GptqTensors packed = *PackGptq(std::get<QuantizedLinear>(weight), name, &rounding);
      tensors.Set(name + ".qweight", packed.qweight);
      tensors.Set(name + ".qzeros", packed.qzeros);
      tensors.Set(name + ".scales", packed.scales);
      tensors.Set(name + ".g_idx", packed.g_idx);
    }
    tensors.Set(absl::StrCat(BlockPrefix(index), kInputNorm), block.input_norm);
    tensors.Set(absl::StrCat(BlockPrefix(index), kPostAttentionNorm), block.post_attention_norm);
  }
};

const std::string kUp = "model.layers.0.mlp.up_proj";

// The check before work starts and the read itself must both refuse.
void ExpectBothRefuse(QuantizedModel& model, absl::StatusCode code, const std::string& named) {
  for (const Status& status :
       {CheckModelTensors(model.config, model.tensors), LoadBlock(model.tensors, model.config, 0).status()}) {
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(MessageOf(status)), HasSubstr(named));
  }
}

// Only the data is wrong, which a check of headers cannot see.
void ExpectReadRefuses(QuantizedModel& model, absl::StatusCode code, const std::string& named) {
  EXPECT_TRUE(CheckModelTensors(model.config, model.tensors).ok());
  const Status status = LoadBlock(model.tensors, model.config, 0).status();
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_THAT(std::string(MessageOf(status)), HasSubstr(named));
}

TEST(ModelBlocksTest, APlainModelsBlockIsItsTensorsAsTheyAre) {
  const LlamaConfig config = SmallConfig();
  MemoryTensors tensors = PlainModel(config);
  ASSERT_TRUE(CheckModelTensors(config, tensors).ok());
  const auto block = LoadBlock(tensors, config, 1);
  ASSERT_TRUE(block.ok()) << block.status();
  for (const LinearKind kind : kAllLinears) {
    EXPECT_TRUE(SameTensor(std::get<HostTensor>(block->linears.at(kind)),
                           tensors.At(absl::StrCat(BlockPrefix(1), LinearName(kind), ".weight"))));
  }
  EXPECT_TRUE(SameTensor(block->input_norm, tensors.At("model.layers.1.input_layernorm.weight")));
  EXPECT_TRUE(SameTensor(block->post_attention_norm, tensors.At("model.layers.1.post_attention_layernorm.weight")));
}

TEST(ModelBlocksTest, AGptqModelOfMixedWidthsComesBackBitForBit) {
  QuantizedModel model;
  ASSERT_TRUE(CheckModelTensors(model.config, model.tensors).ok());
  for (int64_t k = 0; k < 2; ++k) {
    const auto block = LoadBlock(model.tensors, model.config, k);
    ASSERT_TRUE(block.ok()) << block.status();
    EXPECT_TRUE(SameBlock(*block, model.blocks[static_cast<size_t>(k)])) << "block " << k;
  }
}

TEST(ModelBlocksTest, TheHeadIsTheEmbeddingWhenTiedAndItsOwnTensorWhenNot) {
  LlamaConfig config = SmallConfig();
  MemoryTensors tied = PlainModel(config);
  const auto shared = LoadHead(tied, config);
  ASSERT_TRUE(shared.ok()) << shared.status();
  EXPECT_EQ(shared->lm_head.bytes.data(), shared->embedding.bytes.data()) << "no second copy";
  config.tie_word_embeddings = false;
  EXPECT_EQ(LoadHead(tied, config).status().code(), absl::StatusCode::kInvalidArgument);
  MemoryTensors untied = PlainModel(config);
  const auto own = LoadHead(untied, config);
  ASSERT_TRUE(own.ok()) << own.status();
  EXPECT_TRUE(SameTensor(own->lm_head, untied.At("lm_head.weight")));
  EXPECT_TRUE(SameTensor(own->final_norm, untied.At("model.norm.weight")));
}

TEST(ModelBlocksTest, ABlockOutsideTheModelIsRefused) {
  MemoryTensors tensors = PlainModel(SmallConfig());
  for (const int64_t block : {-1, 2}) {
    EXPECT_EQ(LoadBlock(tensors, SmallConfig(), block).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(ModelBlocksTest, AMissingTensorIsNamed) {
  for (const std::string suffix : {".qweight", ".qzeros", ".scales", ".g_idx"}) {
    QuantizedModel model;
    model.tensors.Erase(kUp + suffix);
    ExpectBothRefuse(model, absl::StatusCode::kInvalidArgument, "no tensor '" + kUp + suffix);
  }
}

TEST(ModelBlocksTest, ATruncatedQweightIsNamedWithTheShapeItShouldHave) {
  QuantizedModel model;
  model.tensors.Set(kUp + ".qweight", MakeTensor(DType::kI32, {5, 96}, std::vector<int32_t>(480, 0)));
  ExpectBothRefuse(model, absl::StatusCode::kInvalidArgument,
                   kUp + ".qweight' has shape [5, 96]; its config.json asks for [6, 96]");
}

TEST(ModelBlocksTest, ScalesWithAnotherNumberOfGroupsAreNamed) {
  QuantizedModel model;
  model.tensors.Set(kUp + ".scales", HalfTensor({1, 96}, 4));
  ExpectBothRefuse(model, absl::StatusCode::kInvalidArgument,
                   kUp + ".scales' has shape [1, 96]; its config.json asks for [2, 96]");
}

TEST(ModelBlocksTest, AnotherGroupSizeInTheConfigThanInTheTensorsIsFound) {
  QuantizedModel model;
  model.config.quantization_config["dynamic"] = {{"model.layers.0.", {{"bits", 3}, {"group_size", 16}}}};
  ExpectBothRefuse(model, absl::StatusCode::kInvalidArgument, "asks for [4, ");
}

TEST(ModelBlocksTest, AGroupSizeThatDoesNotDivideTheInputIsNotSupported) {
  QuantizedModel model;
  model.config.quantization_config["dynamic"] = {{"model.layers.0.", {{"bits", 3}, {"group_size", 48}}}};
  ExpectBothRefuse(model, absl::StatusCode::kFailedPrecondition, "groups of 48 do not divide its 64 inputs");
}

TEST(ModelBlocksTest, WrongDtypesAreNamed) {
  QuantizedModel model;
  model.tensors.Set(kUp + ".qweight", MakeTensor(DType::kF32, {6, 96}, std::vector<float>(576, 0)));
  ExpectBothRefuse(model, absl::StatusCode::kInvalidArgument, kUp + ".qweight' is F32; it must be I32");
  QuantizedModel integers;
  integers.tensors.Set(kUp + ".scales", MakeTensor(DType::kI32, {2, 96}, std::vector<int32_t>(192, 0)));
  ExpectBothRefuse(integers, absl::StatusCode::kInvalidArgument, kUp + ".scales' is I32");
}

TEST(ModelBlocksTest, GroupsInActivationOrderAreNotSupported) {
  QuantizedModel model;
  model.tensors.Set(kUp + ".g_idx", WithElement<int32_t>(model.tensors.At(kUp + ".g_idx"), 5, 1));
  ExpectReadRefuses(model, absl::StatusCode::kFailedPrecondition, kUp + ".g_idx[5] is 1, expected 0");
}

TEST(ModelBlocksTest, AScaleThatIsNotANumberIsDataLoss) {
  QuantizedModel model;
  model.tensors.Set(kUp + ".scales", WithElement<uint16_t>(model.tensors.At(kUp + ".scales"), 7, 0x7e00));
  ExpectReadRefuses(model, absl::StatusCode::kDataLoss, kUp + ".scales");
}

TEST(ModelBlocksTest, AZeroBiasIsIgnoredAndAnyOtherRefused) {
  QuantizedModel model;
  model.tensors.Set(kUp + ".bias", MakeTensor(DType::kF16, {96}, std::vector<uint16_t>(96, 0)));
  EXPECT_TRUE(LoadBlock(model.tensors, model.config, 0).ok());
  model.tensors.Set(kUp + ".bias", MakeTensor(DType::kF16, {96}, std::vector<uint16_t>(96, 0x3c00)));
  ExpectReadRefuses(model, absl::StatusCode::kFailedPrecondition, kUp + ".bias is not zero");
}

TEST(ModelBlocksTest, AQuantizationMethodWeCannotReadIsRefusedByName) {
  QuantizedModel model;
  model.config.quantization_config = {{"quant_method", "bitsandbytes"}, {"bits", 4}, {"group_size", 32}};
  ExpectBothRefuse(model, absl::StatusCode::kFailedPrecondition, "quant_method 'bitsandbytes' is not supported");
}

TEST(ModelBlocksTest, ANormOfTheWrongShapeIsNamed) {
  QuantizedModel model;
  model.tensors.Set("model.layers.0.input_layernorm.weight", HalfTensor({32}, 4));
  const Status read = LoadBlock(model.tensors, model.config, 0).status();
  EXPECT_EQ(read.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(
      std::string(MessageOf(read)),
      HasSubstr("tensor 'model.layers.0.input_layernorm.weight' has shape [32]; its config.json asks for [64]"));
  EXPECT_EQ(CheckModelTensors(model.config, model.tensors).code(), absl::StatusCode::kInvalidArgument);
}

TEST(ModelBlocksTest, QuantizeConfigJsonServesWhereConfigJsonSaysNothing) {
  const std::string config = R"({"architectures":["LlamaForCausalLM"],"hidden_size":64,"intermediate_size":96,
    "num_hidden_layers":2,"num_attention_heads":4,"vocab_size":50,"max_position_embeddings":64,"rms_norm_eps":1e-5})";
  EXPECT_TRUE(ParseModelConfig(config, "")->quantization_config.is_null());
  EXPECT_EQ(ParseModelConfig(config, R"({"bits":3})")->quantization_config["bits"], 3);
  Json own = *ParseJson(config, "config.json");
  own["quantization_config"] = {{"bits", 8}};
  EXPECT_EQ(ParseModelConfig(own.dump(), R"({"bits":3})")->quantization_config["bits"], 8)
      << "config.json has the last word";
  EXPECT_EQ(ParseModelConfig(config, "[]").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ParseModelConfig(config, "{").status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace lwq::qat
