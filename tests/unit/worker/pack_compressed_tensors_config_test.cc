// SPDX-License-Identifier: Apache-2.0
// compressed-tensors' quantization_config: what we write reads back linear by linear, and what we cannot read is
// refused by name.
#include "common/model/compressed_tensors_config.h"

#include <functional>

#include "common/export/compressed_tensors/compressed_tensors_export_config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "tests/unit/worker/pack_testing.h"
#include "tests/unit/worker/quantized_formats.h"

namespace lwq::qat {
namespace {

using ::testing::HasSubstr;

constexpr auto kNotSupported = absl::StatusCode::kFailedPrecondition;
constexpr auto kImpossible = absl::StatusCode::kInvalidArgument;

::testing::AssertionResult PackedDescribes(const Json& json, const std::vector<BlockFormat>& blocks) {
  const auto rules = ParseCompressedTensorsConfig(json);
  if (!rules.ok()) return ::testing::AssertionFailure() << rules.status();
  return RulesDescribe(*rules, blocks, json);
}

Json PlainPacked() {
  return *MakeCompressedTensorsConfig({UniformFormat(4, 32)});
}

void ExpectPackedRefused(const std::function<void(Json&)>& change, absl::StatusCode code, const std::string& named) {
  Json json = PlainPacked();
  change(json);
  const auto rules = ParseCompressedTensorsConfig(json);
  const Status status = rules.ok() ? rules->Of("model.layers.0.self_attn.q_proj").status() : rules.status();
  EXPECT_EQ(status.code(), code) << json.dump() << status;
  EXPECT_THAT(std::string(MessageOf(status)), HasSubstr(named));
}

TEST(CompressedTensorsConfigTest, AUniformModelIsOneGroupOfAllLinears) {
  const Json json = *MakeCompressedTensorsConfig({UniformFormat(2, 32), UniformFormat(2, 32)});
  EXPECT_EQ(json["config_groups"].size(), 1U);
  EXPECT_EQ(json["config_groups"]["group_0"]["targets"], Json::array({"Linear"}));
  EXPECT_EQ(json["ignore"], Json::array({"lm_head"}));
  EXPECT_TRUE(PackedDescribes(json, {UniformFormat(2, 32), UniformFormat(2, 32)}));
}

TEST(CompressedTensorsConfigTest, WholeRowsAreChannelsWhereverRowsDifferInLength) {
  const Json json = *MakeCompressedTensorsConfig({UniformFormat(4, -1)});
  EXPECT_EQ(json["config_groups"]["group_0"]["weights"]["strategy"], "channel");
  EXPECT_FALSE(json["config_groups"]["group_0"]["weights"].contains("group_size"));
  EXPECT_TRUE(PackedDescribes(json, {UniformFormat(4, -1)}));
}

TEST(CompressedTensorsConfigTest, AGroupThatHappensToBeOneRowIsWrittenAsTheOthersAre) {
  const Json json = *MakeCompressedTensorsConfig({UniformFormat(4, 64)});  // 64 inputs but for down_proj
  EXPECT_EQ(json["config_groups"].size(), 1U) << json.dump();
  EXPECT_TRUE(PackedDescribes(json, {UniformFormat(4, 64)}));
}

TEST(CompressedTensorsConfigTest, BlocksOfAnotherWidthAreATargetThatMatchesFusedModulesToo) {
  std::vector<BlockFormat> blocks(31, UniformFormat(2, 32));
  blocks[0] = blocks[3] = UniformFormat(8, 32);
  const Json json = *MakeCompressedTensorsConfig(blocks);
  EXPECT_TRUE(PackedDescribes(json, blocks));
  const auto rules = ParseCompressedTensorsConfig(json);
  ASSERT_TRUE(rules.ok()) << rules.status();
  EXPECT_EQ(rules->Of("model.layers.3.self_attn.qkv_proj")->bits, 8);
  EXPECT_EQ(rules->Of("model.layers.30.self_attn.q_proj")->bits, 2);
  EXPECT_FALSE(rules->Of("model.layers.3.input_layernorm")->quantized);
}

RC_GTEST_PROP(CompressedTensorsConfigProperty, AnyMixOfWidthsGroupsAndFullPrecisionLinearsReadsBack, (uint64_t seed)) {
  WorldRandom random(seed);
  const std::vector<BlockFormat> blocks = RandomFormats({2, 3, 4, 5, 6, 8}, random);
  RC_ASSERT(PackedDescribes(*MakeCompressedTensorsConfig(blocks), blocks));
}

TEST(CompressedTensorsConfigTest, AModelWithNothingQuantizedIsRefused) {
  EXPECT_EQ(MakeCompressedTensorsConfig({UniformFormat(0, 32)}).status().code(), kImpossible);
}

TEST(CompressedTensorsConfigTest, ATargetByNameWinsOverEveryLinearAndIgnoreOverBoth) {
  Json json = PlainPacked();
  json["config_groups"]["other"] = json["config_groups"]["group_0"];
  json["config_groups"]["other"]["weights"]["num_bits"] = 8;
  json["config_groups"]["other"]["targets"] = {"model.layers.0.mlp.up_proj", "re:.*layers\\.1\\..*"};
  json["ignore"] = {"lm_head", "re:.*layers\\.1\\.mlp\\..*"};
  const auto rules = ParseCompressedTensorsConfig(json);
  ASSERT_TRUE(rules.ok()) << rules.status();
  EXPECT_EQ(rules->Of("model.layers.0.self_attn.q_proj")->bits, 4);
  EXPECT_EQ(rules->Of("model.layers.0.mlp.up_proj")->bits, 8);
  EXPECT_EQ(rules->Of("model.layers.0.mlp.up_proj_2")->bits, 4) << "a name is no prefix";
  EXPECT_EQ(rules->Of("model.layers.1.self_attn.q_proj")->bits, 8);
  EXPECT_FALSE(rules->Of("model.layers.1.mlp.up_proj")->quantized);
  EXPECT_FALSE(rules->Of("lm_head")->quantized);
}

TEST(CompressedTensorsConfigTest, SymmetricIsTheDefaultAsThere) {
  Json json = PlainPacked();
  json["config_groups"]["group_0"]["weights"].erase("symmetric");
  EXPECT_TRUE(ParseCompressedTensorsConfig(json)->Of("model.layers.0.mlp.up_proj")->symmetric);
}

TEST(CompressedTensorsConfigTest, WhatIsNotSupportedIsRefusedByName) {
  const auto group = [](Json& json) -> Json& { return json["config_groups"]["group_0"]; };
  ExpectPackedRefused(
      [](Json& json) {
        json["kv_cache_scheme"] = {{"num_bits", 8}};
      },
      kNotSupported, "kv_cache_scheme");
  ExpectPackedRefused(
      [](Json& json) {
        json["transform_config"] = {{"config_groups", 1}};
      },
      kNotSupported, "transform");
  ExpectPackedRefused(
      [](Json& json) {
        json["sparsity_config"] = {{"format", "sparse-24"}};
      },
      kNotSupported, "sparsity");
  ExpectPackedRefused([&](Json& json) { group(json)["format"] = "int-quantized"; }, kNotSupported, "'int-quantized'");
  ExpectPackedRefused(
      [&](Json& json) {
        group(json)["input_activations"] = {{"num_bits", 8}};
      },
      kNotSupported, "group_0.input_activations: quantization of activations is not supported");
  ExpectPackedRefused([&](Json& json) { group(json)["weights"]["type"] = "float"; }, kNotSupported, "type 'float'");
  ExpectPackedRefused([&](Json& json) { group(json)["weights"]["num_bits"] = 7; }, kNotSupported, "num_bits 7");
  ExpectPackedRefused([&](Json& json) { group(json)["weights"]["strategy"] = "block"; }, kNotSupported, "'block'");
  ExpectPackedRefused([&](Json& json) { group(json)["weights"]["actorder"] = "group"; }, kNotSupported, "actorder");
  ExpectPackedRefused(
      [&](Json& json) {
        json["config_groups"]["other"] = group(json);
        json["config_groups"]["other"]["weights"]["num_bits"] = 8;
      },
      kNotSupported, "two groups target Linear");
}

TEST(CompressedTensorsConfigTest, AnUnusedSparsityIsNone) {
  Json json = PlainPacked();
  json["sparsity_config"] = {{"format", "dense"}, {"global_sparsity", 0.1}};
  EXPECT_TRUE(ParseCompressedTensorsConfig(json).ok());
}

TEST(CompressedTensorsConfigTest, WrongTypesAndExpressionsAreInvalidArguments) {
  const auto group = [](Json& json) -> Json& { return json["config_groups"]["group_0"]; };
  ExpectPackedRefused([](Json& json) { json = Json::array(); }, kImpossible, "must be an object");
  ExpectPackedRefused([](Json& json) { json["config_groups"] = Json::object(); }, kImpossible, "config_groups");
  ExpectPackedRefused([&](Json& json) { group(json) = 3; }, kImpossible, "group_0 must be an object");
  ExpectPackedRefused([&](Json& json) { group(json)["weights"] = nullptr; }, kImpossible, "weights must be an object");
  ExpectPackedRefused([&](Json& json) { group(json)["targets"] = "Linear"; }, kImpossible, "targets must be a list");
  ExpectPackedRefused([&](Json& json) { group(json)["targets"] = Json::array({"re:("}); }, kImpossible,
                      "is not a regular expression");
  ExpectPackedRefused([&](Json& json) { group(json)["weights"]["group_size"] = 0; }, kImpossible, "group_size is 0");
  ExpectPackedRefused([&](Json& json) { group(json)["weights"]["group_size"] = "64"; }, kImpossible,
                      "must be a whole number");
  ExpectPackedRefused([&](Json& json) { group(json)["weights"]["symmetric"] = 1; }, kImpossible, "true or false");
  ExpectPackedRefused([](Json& json) { json["ignore"] = Json::array({1}); }, kImpossible, "ignore must hold names");
}

}  // namespace
}  // namespace lwq::qat
