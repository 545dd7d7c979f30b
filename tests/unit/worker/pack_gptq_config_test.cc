// SPDX-License-Identifier: Apache-2.0
// quantization_config: what we write reads back linear by linear, and what we cannot read is refused by name.
#include "common/model/gptq_config.h"

#include "common/export/gptq/gptq_export_config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "tests/unit/worker/pack_testing.h"
#include "tests/unit/worker/quantized_formats.h"

namespace lwq::qat {
namespace {

using ::testing::HasSubstr;

::testing::AssertionResult Describes(const Json& json, const std::vector<BlockFormat>& blocks) {
  const auto rules = ParseGptqConfig(json);
  if (!rules.ok()) return ::testing::AssertionFailure() << rules.status();
  return RulesDescribe(*rules, blocks, json);
}

Json Plain() {
  return *MakeGptqConfig({UniformFormat(4, 32)});
}

void ExpectRefused(const Json& json, absl::StatusCode code, const std::string& named) {
  auto config = ParseGptqConfig(json);
  Status status = config.status();
  if (config.ok()) status = config->Of("model.layers.0.self_attn.q_proj").status();
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_THAT(std::string(MessageOf(status)), HasSubstr(named));
}

TEST(GptqConfigTest, AUniformModelNeedsNoOverrides) {
  const Json json = *MakeGptqConfig({UniformFormat(2, 32), UniformFormat(2, 32)});
  EXPECT_EQ(json["bits"], 2);
  EXPECT_EQ(json["group_size"], 32);
  EXPECT_EQ(json["desc_act"], false);
  EXPECT_EQ(json["sym"], false);
  EXPECT_EQ(json["quant_method"], "gptq");
  EXPECT_EQ(json["checkpoint_format"], "gptq_v2");
  EXPECT_EQ(json["pack_dtype"], "int32");
  EXPECT_EQ(json["meta"]["quantizer"][0].get<std::string>().substr(0, 4), "lwq:");
  EXPECT_FALSE(json.contains("dynamic"));
}

TEST(GptqConfigTest, ASymmetricModelSaysSymAndStillHasTheMetaThatTellsItsVersion) {
  const std::vector<BlockFormat> blocks = {UniformFormat(4, 32), UniformFormat(4, 32)};
  Json json = *MakeGptqConfig(blocks, ZeroPoints::kSymmetric);
  EXPECT_EQ(json["sym"], true);
  EXPECT_TRUE(json["meta"].contains("quantizer"));
  EXPECT_TRUE(Describes(json, blocks));
  json["sym"] = false;
  EXPECT_EQ(json, *MakeGptqConfig(blocks)) << "and nothing else is different";
}

TEST(GptqConfigTest, WholeRowsAreMinusOneWhereverRowsDifferInLength) {
  const Json json = *MakeGptqConfig({UniformFormat(4, -1)});
  EXPECT_EQ(json["group_size"], -1);
  EXPECT_FALSE(json.contains("dynamic"));
}

TEST(GptqConfigTest, AGroupThatHappensToBeOneRowStaysANumber) {
  BlockFormat block = UniformFormat(4, 32);
  for (auto& [kind, linear] : block.linears) linear.group_size = kind == LinearKind::kDown ? 96 : 64;
  block.linears[LinearKind::kDown].in_features = 192;  // 96 is half a row there, 64 a whole one elsewhere
  const Json json = *MakeGptqConfig({block, block});
  EXPECT_EQ(json["group_size"], 64);
  EXPECT_TRUE(Describes(json, {block, block}));
}

TEST(GptqConfigTest, BlocksOfAnotherWidthAreOneRuleThatMatchesFusedModulesToo) {
  const std::vector<BlockFormat> blocks = {UniformFormat(8, 32), UniformFormat(2, 32), UniformFormat(2, 32),
                                           UniformFormat(8, 32), UniformFormat(2, 32)};
  const Json json = *MakeGptqConfig(blocks);
  EXPECT_EQ(json["bits"], 2);
  ASSERT_EQ(json["dynamic"].size(), 1u);
  EXPECT_EQ(json["dynamic"]["+:^model\\.layers\\.(0|3)\\..*"], (Json{{"bits", 8}, {"group_size", 32}}));
  EXPECT_TRUE(Describes(json, blocks));
  EXPECT_EQ(ParseGptqConfig(json)->Of("model.layers.3.self_attn.qkv_proj")->bits, 8);
  EXPECT_EQ(ParseGptqConfig(json)->Of("model.layers.30.self_attn.q_proj")->bits, 2);
}

RC_GTEST_PROP(GptqConfigProperty, AnyMixOfWidthsGroupsAndFullPrecisionLinearsReadsBack, (uint64_t seed)) {
  WorldRandom random(seed);
  const std::vector<BlockFormat> blocks = RandomFormats({2, 3, 4, 8}, random);
  RC_ASSERT(Describes(*MakeGptqConfig(blocks), blocks));
}

TEST(GptqConfigTest, VersionOneIsReadByItsNameAndWhereNoVersionIsNamed) {
  const std::vector<BlockFormat> blocks = {UniformFormat(8, 32), UniformFormat(4, 32)};
  Json json = *MakeGptqConfig(blocks, ZeroPoints::kSymmetric, ExportFormat::kGptq);
  EXPECT_EQ(json["checkpoint_format"], "gptq");
  EXPECT_EQ(json["format"], "gptq");
  EXPECT_FALSE(json.contains("meta")) << "AutoRound 0.16.1 refuses version 1 with it";
  const auto format_of = [](const Json& config) {
    return ParseGptqConfig(config)->Of("model.layers.0.self_attn.q_proj")->format;
  };
  EXPECT_EQ(format_of(json), ExportFormat::kGptq);
  json.erase("format");
  EXPECT_EQ(format_of(json), ExportFormat::kGptq);
  json.erase("checkpoint_format");
  EXPECT_EQ(format_of(json), ExportFormat::kGptq) << "as GPTQModel and AutoGPTQ wrote it before there was a second";
  EXPECT_EQ(format_of(Plain()), ExportFormat::kGptqV2);
}

TEST(GptqConfigTest, AModelWithNothingQuantizedIsRefused) {
  EXPECT_EQ(MakeGptqConfig({UniformFormat(0, 32)}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(GptqConfigTest, WhatIsNotSupportedIsRefusedByName) {
  const auto with = [](const std::string& key, const Json& value) {
    Json json = Plain();
    json[key] = value;
    return json;
  };
  constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;
  Json awq = Plain();
  awq["quant_method"] = awq["method"] = "awq";
  ExpectRefused(awq, kPrecondition, "quant_method 'awq' is not supported; supported: gptq, compressed-tensors");
  Json marlin = Plain();
  marlin["checkpoint_format"] = marlin["format"] = "marlin";
  ExpectRefused(marlin, kPrecondition, "checkpoint_format 'marlin' is not supported; supported: gptq, gptq_v2");
  Json known = Plain();
  known["checkpoint_format"] = known["format"] = "compressed_tensors";
  ExpectRefused(known, kPrecondition, "checkpoint_format 'compressed_tensors'");
  ExpectRefused(with("bits", 7), kPrecondition, "7 bits are not supported in GPTQ's layout; supported: 2, 3, 4, 8");
  ExpectRefused(with("bits", 5), kPrecondition, "5 bits");
  ExpectRefused(with("desc_act", true), kPrecondition, "desc_act");
  ExpectRefused(with("pack_dtype", "int64"), kPrecondition, "pack_dtype \"int64\"");
  ExpectRefused(with("lm_head", true), kPrecondition, "lm_head");
  ExpectRefused(with("dynamic", {{".*", {{"bits", 6}}}}), kPrecondition, "6 bits");
  ExpectRefused(with("dynamic", {{".*", {{"desc_act", true}}}}), kPrecondition, "desc_act");
}

TEST(GptqConfigTest, WrongTypesAndExpressionsAreInvalidArguments) {
  const auto with = [](const std::string& key, const Json& value) {
    Json json = Plain();
    json[key] = value;
    return json;
  };
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  ExpectRefused(Json::array(), kInvalid, "must be an object");
  ExpectRefused(with("bits", "four"), kInvalid, "bits must be an integer");
  ExpectRefused(with("bits", nullptr), kInvalid, "bits is missing");
  ExpectRefused(with("group_size", 0), kInvalid, "group_size is 0");
  ExpectRefused(with("group_size", -2), kInvalid, "group_size is -2");
  ExpectRefused(with("group_size", 1.5), kInvalid, "group_size must be an integer");
  ExpectRefused(with("desc_act", "no"), kInvalid, "desc_act must be true or false");
  ExpectRefused(with("quant_method", 3), kInvalid, "quant_method must be a string");
  ExpectRefused(with("format", "gptq"), kInvalid, "contradict");
  ExpectRefused(with("dynamic", Json::array()), kInvalid, "dynamic must be an object");
  ExpectRefused(with("dynamic", {{".*", 4}}), kInvalid, "dynamic rule '.*' must be an object");
  ExpectRefused(with("dynamic", {{"+:model.(layers", Json::object()}}), kInvalid, "is not a regular expression");
}

TEST(GptqConfigTest, AnExpressionThatNeverEndsIsStopped) {
  Json json = Plain();
  json["dynamic"] = {{"(([a-z._0-9]+)+)+[!?]", {{"bits", 8}}}};
  ExpectRefused(json, absl::StatusCode::kInvalidArgument, "too expensive to match");
}

TEST(GptqConfigTest, RulesThatContradictEachOtherAreRefusedBecauseTheirOrderIsNotKept) {
  Json json = Plain();
  json["dynamic"] = {{".*q_proj", {{"bits", 8}}}, {"model.layers.0.*", {{"bits", 2}}}};
  ExpectRefused(json, absl::StatusCode::kFailedPrecondition, "both match model.layers.0.self_attn.q_proj");
  json["dynamic"] = {{".*q_proj", {{"bits", 8}}}, {"model.layers.0.*", {{"bits", 8}}}};
  EXPECT_EQ(ParseGptqConfig(json)->Of("model.layers.0.self_attn.q_proj")->bits, 8) << "rules that agree are fine";
}

TEST(GptqConfigTest, RulesMatchAtTheBeginningOfANameOnlyAndKeepWhatTheyDoNotOverride) {
  Json json = Plain();
  json["dynamic"] = {
      {"layers", {{"bits", 8}}}, {"+:model\\.layers\\.1\\.", {{"group_size", -1}}}, {"-:.*o_proj", Json::object()}};
  const auto config = ParseGptqConfig(json);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(*config->Of("model.layers.0.self_attn.q_proj"), (LinearStorage{.bits = 4, .group_size = 32}));
  EXPECT_EQ(*config->Of("model.layers.1.self_attn.q_proj"), (LinearStorage{.bits = 4, .group_size = -1}));
  EXPECT_FALSE(config->Of("model.layers.0.self_attn.o_proj")->quantized);
}

}  // namespace
}  // namespace lwq::qat
