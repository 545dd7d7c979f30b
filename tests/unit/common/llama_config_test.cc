// SPDX-License-Identifier: Apache-2.0
#include "common/model/llama_config.h"

#include <cmath>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq {
namespace {

using ::testing::HasSubstr;

Json Llama2() {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"hidden_size", 4096},
          {"intermediate_size", 11008},
          {"num_hidden_layers", 32},
          {"num_attention_heads", 32},
          {"num_key_value_heads", 32},
          {"vocab_size", 32000},
          {"max_position_embeddings", 4096},
          {"rms_norm_eps", 1e-5},
          {"rope_scaling", nullptr},
          {"hidden_act", "silu"},
          {"torch_dtype", "float16"},
          {"bos_token_id", 1},
          {"eos_token_id", 2},
          {"tie_word_embeddings", false},
          {"attention_bias", false}};
}

Json Llama31() {
  Json config = Llama2();
  config.update({{"intermediate_size", 14336},
                 {"num_key_value_heads", 8},
                 {"vocab_size", 128256},
                 {"max_position_embeddings", 131072},
                 {"rope_theta", 500000.0},
                 {"torch_dtype", "bfloat16"},
                 {"bos_token_id", 128000},
                 {"eos_token_id", {128001, 128008, 128009}},
                 {"rope_scaling",
                  {{"factor", 8.0},
                   {"low_freq_factor", 1.0},
                   {"high_freq_factor", 4.0},
                   {"original_max_position_embeddings", 8192},
                   {"rope_type", "llama3"}}}});
  return config;
}

Json Mistral() {
  Json config = Llama2();
  config.update({{"architectures", {"MistralForCausalLM"}},
                 {"model_type", "mistral"},
                 {"intermediate_size", 14336},
                 {"num_key_value_heads", 8},
                 {"sliding_window", 4096},
                 {"max_position_embeddings", 32768}});
  config.erase("attention_bias");
  return config;
}

// Qwen2.5-7B.
Json Qwen2() {
  return {{"architectures", {"Qwen2ForCausalLM"}},
          {"model_type", "qwen2"},
          {"hidden_size", 3584},
          {"intermediate_size", 18944},
          {"num_hidden_layers", 28},
          {"num_attention_heads", 28},
          {"num_key_value_heads", 4},
          {"vocab_size", 152064},
          {"max_position_embeddings", 32768},
          {"max_window_layers", 28},
          {"sliding_window", 32768},
          {"use_sliding_window", false},
          {"rope_theta", 1000000.0},
          {"torch_dtype", "bfloat16"}};
}

// Qwen3-0.6B.
Json Qwen3() {
  return {{"architectures", {"Qwen3ForCausalLM"}},
          {"model_type", "qwen3"},
          {"attention_bias", false},
          {"head_dim", 128},
          {"hidden_size", 1024},
          {"intermediate_size", 3072},
          {"num_hidden_layers", 28},
          {"num_attention_heads", 16},
          {"num_key_value_heads", 8},
          {"vocab_size", 151936},
          {"rope_scaling", nullptr},
          {"sliding_window", nullptr},
          {"tie_word_embeddings", true}};
}

StatusOr<LlamaConfig> Parse(const Json& config) {
  return LlamaConfig::Parse(config.dump());
}

Json With(Json config, const std::string& key, Json value) {
  config[key] = std::move(value);
  return config;
}

Json Without(Json config, const std::string& key) {
  config.erase(key);
  return config;
}

TEST(LlamaConfigTest, Llama2IsRead) {
  const LlamaConfig config = Parse(Llama2()).value();
  EXPECT_EQ(config.architecture, "LlamaForCausalLM");
  EXPECT_EQ(config.hidden_size, 4096);
  EXPECT_EQ(config.head_dim, 128);
  EXPECT_EQ(config.max_position_embeddings, 4096);
  EXPECT_EQ(config.rms_norm_eps, 1e-5);
  EXPECT_EQ(config.rope_theta, 10000.0);
  EXPECT_EQ(config.rope_scaling.index(), 0u) << "no scaling";
  EXPECT_FALSE(config.sliding_window.has_value());
  EXPECT_FALSE(config.tie_word_embeddings);
  EXPECT_EQ(config.torch_dtype, "float16");
  EXPECT_TRUE(config.quantization_config.is_null());
}

TEST(LlamaConfigTest, Llama31IsReadWithItsRopeScalingUnderEitherName) {
  for (const std::string name : {"rope_type", "type"}) {
    Json json = Llama31();
    json["rope_scaling"].erase("rope_type");
    json["rope_scaling"][name] = "llama3";
    json["rope_scaling"]["factor"] = 32;
    const StatusOr<LlamaConfig> config = Parse(json);
    ASSERT_TRUE(config.ok()) << config.status();
    const auto* scaling = std::get_if<RopeLlama3>(&config->rope_scaling);
    ASSERT_NE(scaling, nullptr);
    EXPECT_EQ(scaling->factor, 32.0);
    EXPECT_EQ(scaling->low_freq_factor, 1.0);
    EXPECT_EQ(scaling->high_freq_factor, 4.0);
    EXPECT_EQ(scaling->original_max_position_embeddings, 8192);
    EXPECT_EQ(config->rope_theta, 500000.0);
    EXPECT_EQ(config->num_key_value_heads, 8);
    EXPECT_EQ(config->bos_token_id, 128000);
    EXPECT_EQ(config->eos_token_id, 128001);
  }
}

TEST(LlamaConfigTest, TheNewerRopeParametersAreRead) {
  Json json = Without(Without(Llama31(), "rope_scaling"), "rope_theta");
  json["rope_parameters"] = Llama31()["rope_scaling"];
  json["rope_parameters"]["rope_theta"] = 500000.0;
  const LlamaConfig config = Parse(json).value();
  EXPECT_TRUE(std::holds_alternative<RopeLlama3>(config.rope_scaling));
  EXPECT_EQ(config.rope_theta, 500000.0);
  json["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 1e6}};
  EXPECT_TRUE(std::holds_alternative<std::monostate>(Parse(json)->rope_scaling));
  EXPECT_EQ(Parse(json)->rope_theta, 1e6);
}

TEST(LlamaConfigTest, MistralsSlidingWindowIsANumberNullOrTheDefault) {
  EXPECT_EQ(Parse(Mistral())->sliding_window, 4096);
  EXPECT_EQ(Parse(With(Mistral(), "sliding_window", 1024))->sliding_window, 1024);
  EXPECT_EQ(Parse(With(Mistral(), "sliding_window", nullptr))->sliding_window, std::nullopt);
  EXPECT_EQ(Parse(Without(Mistral(), "sliding_window"))->sliding_window, 4096);
  EXPECT_EQ(Parse(With(Llama2(), "sliding_window", 1024))->sliding_window, std::nullopt) << "Llama has none";
}

std::vector<LinearKind> Biased(const LlamaConfig& config) {
  std::vector<LinearKind> kinds;
  for (const LinearKind kind : kAllLinears) {
    if (config.HasBias(kind)) kinds.push_back(kind);
  }
  return kinds;
}

TEST(LlamaConfigTest, BiasesAreThoseOfTheArchitecture) {
  const std::vector<LinearKind> none, qkv = {LinearKind::kQ, LinearKind::kK, LinearKind::kV},
                                      qkvo = {LinearKind::kQ, LinearKind::kK, LinearKind::kV, LinearKind::kO},
                                      mlp = {LinearKind::kGate, LinearKind::kUp, LinearKind::kDown};
  EXPECT_EQ(Biased(*Parse(Llama2())), none);
  EXPECT_EQ(Biased(*Parse(With(Llama2(), "attention_bias", true))), qkvo);
  EXPECT_EQ(Biased(*Parse(With(Llama2(), "mlp_bias", true))), mlp);
  EXPECT_EQ(Biased(*Parse(With(Mistral(), "attention_bias", true))), none) << "transformers' Mistral never has any";
  EXPECT_EQ(Biased(*Parse(Qwen2())), qkv);
  EXPECT_EQ(Biased(*Parse(With(Qwen2(), "attention_bias", true))), qkv);
  EXPECT_EQ(Biased(*Parse(Qwen3())), none);
  EXPECT_EQ(Biased(*Parse(With(Qwen3(), "attention_bias", true))), qkvo);
  const LlamaConfig biased = *Parse(With(With(Llama2(), "attention_bias", true), "mlp_bias", true));
  EXPECT_EQ(BlockParameters(biased), BlockParameters(*Parse(Llama2())) + 5 * 4096 + 2 * 11008);
  EXPECT_EQ(ExpectedTensors(biased).at("model.layers.7.mlp.up_proj.bias"), (std::vector<int64_t>{11008}));
}

TEST(LlamaConfigTest, Qwen3HasNormsOfQueriesAndKeysAndAHeadDimOfItsOwn) {
  const LlamaConfig config = *Parse(Qwen3());
  EXPECT_TRUE(config.query_key_norms);
  EXPECT_EQ(config.head_dim, 128) << "not hidden_size / num_attention_heads";
  EXPECT_EQ(ExpectedTensors(config).at("model.layers.27.self_attn.k_norm.weight"), (std::vector<int64_t>{128}));
  EXPECT_EQ(BlockParameters(config), BlockLinearParameters(config) + 2 * 1024 + 2 * 128);
  EXPECT_FALSE(Parse(Qwen2())->query_key_norms);
}

TEST(LlamaConfigTest, WhatQwenLeavesOutHasTransformersDefault) {
  Json json = Qwen2();
  for (const std::string key : {"num_key_value_heads", "max_position_embeddings", "bos_token_id", "eos_token_id",
                                "use_sliding_window", "sliding_window", "max_window_layers", "model_type"}) {
    json.erase(key);
  }
  const LlamaConfig config = *Parse(With(json, "num_attention_heads", 64));
  EXPECT_EQ(config.num_key_value_heads, 32);
  EXPECT_EQ(config.max_position_embeddings, 32768);
  EXPECT_EQ(config.bos_token_id, -1);
  EXPECT_EQ(config.sliding_window, std::nullopt);
  EXPECT_EQ(Parse(Without(Qwen3(), "head_dim"))->head_dim, 128);
  EXPECT_EQ(Parse(Without(Qwen3(), "architectures"))->architecture, "Qwen3ForCausalLM");
}

TEST(LlamaConfigTest, QwensSlidingWindowIsInAllBlocksOrInNone) {
  const auto window = [](Json changes) {
    Json json = Qwen2();
    json.update(changes);
    return Parse(json);
  };
  EXPECT_EQ(window({{"use_sliding_window", true}, {"max_window_layers", 28}})->sliding_window, std::nullopt);
  EXPECT_EQ(window({{"use_sliding_window", true}, {"max_window_layers", 0}})->sliding_window, 32768);
  EXPECT_EQ(window({{"use_sliding_window", false}, {"max_window_layers", 0}})->sliding_window, std::nullopt);
  EXPECT_EQ(
      window({{"use_sliding_window", true}, {"max_window_layers", 0}, {"sliding_window", nullptr}})->sliding_window,
      std::nullopt);
  const std::vector<std::string> full(28, "full_attention"), sliding(28, "sliding_attention");
  EXPECT_EQ(window({{"use_sliding_window", true}, {"max_window_layers", 0}, {"layer_types", full}})->sliding_window,
            std::nullopt);
  EXPECT_EQ(window({{"use_sliding_window", true}, {"layer_types", sliding}})->sliding_window, 32768);
  std::vector<std::string> mixed = full;
  mixed[3] = "sliding_attention";
  for (const Json& changes : {Json{{"use_sliding_window", true}, {"max_window_layers", 21}},
                              Json{{"use_sliding_window", true}, {"layer_types", mixed}}}) {
    const Status status = window(changes).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(MessageOf(status)), HasSubstr("supported: in all or in none"));
  }
}

TEST(LlamaConfigTest, TokenIdsThatNameNothingAreNone) {
  for (const Json& value : {Json(32000), Json(-1), Json("<s>"), Json(nullptr), Json::array(), Json{-1, 2}, Json(1.5)}) {
    EXPECT_EQ(Parse(With(Llama2(), "bos_token_id", value))->bos_token_id, -1) << value;
    EXPECT_EQ(Parse(With(Llama2(), "eos_token_id", value))->eos_token_id, -1) << value;
  }
  EXPECT_EQ(Parse(With(Llama2(), "eos_token_id", Json{7, 9}))->eos_token_id, 7);
}

TEST(LlamaConfigTest, WhatIsLeftOutHasTransformersDefault) {
  Json json = Llama2();
  for (const std::string key :
       {"model_type", "num_key_value_heads", "max_position_embeddings", "rms_norm_eps", "rope_scaling", "hidden_act",
        "torch_dtype", "bos_token_id", "eos_token_id", "tie_word_embeddings", "attention_bias"}) {
    json.erase(key);
  }
  const LlamaConfig config = Parse(json).value();
  EXPECT_EQ(config.num_key_value_heads, 32);
  EXPECT_EQ(config.max_position_embeddings, 2048);
  EXPECT_EQ(config.rms_norm_eps, 1e-6);
  EXPECT_EQ(config.bos_token_id, 1);
  EXPECT_EQ(config.eos_token_id, 2);
  EXPECT_EQ(config.torch_dtype, "");
  EXPECT_EQ(Parse(Without(Mistral(), "num_key_value_heads"))->num_key_value_heads, 8);
  EXPECT_EQ(Parse(Without(Llama2(), "architectures"))->architecture, "LlamaForCausalLM");
  EXPECT_EQ(Parse(Without(Mistral(), "architectures"))->architecture, "MistralForCausalLM");
  EXPECT_EQ(Parse(With(Llama2(), "bos_token_id", nullptr))->bos_token_id, -1);
}

TEST(LlamaConfigTest, HeadDimMayDifferFromHiddenOverHeads) {
  const LlamaConfig config = Parse(With(Mistral(), "head_dim", 160)).value();
  EXPECT_EQ(config.head_dim, 160);
  EXPECT_EQ(ShapeOf(config, LinearKind::kQ).out_features, 32 * 160);
  EXPECT_EQ(ShapeOf(config, LinearKind::kV).out_features, 8 * 160);
  EXPECT_EQ(ShapeOf(config, LinearKind::kO).in_features, 32 * 160);
  EXPECT_EQ(Parse(With(Llama2(), "head_dim", nullptr))->head_dim, 128);
  EXPECT_EQ(Parse(With(With(Llama2(), "hidden_size", 4100), "head_dim", 128))->head_dim, 128);
}

TEST(LlamaConfigTest, TheQuantizationConfigIsKept) {
  EXPECT_EQ(Parse(With(Llama2(), "quantization_config", {{"bits", 4}}))->quantization_config["bits"], 4);
}

struct RefusedCase {
  std::string name;
  Json config;
  absl::StatusCode code;
  std::string says;
};

std::vector<RefusedCase> RefusedCases() {
  const auto unsupported = absl::StatusCode::kFailedPrecondition;
  const auto impossible = absl::StatusCode::kInvalidArgument;
  Json rope = Llama31()["rope_scaling"];
  const auto rope_with = [&](const std::string& key, Json value) {
    return With(Llama31(), "rope_scaling", With(rope, key, std::move(value)));
  };
  return {
      {"another_architecture", With(Llama2(), "architectures", {"GPT2LMHeadModel"}), unsupported,
       "'GPT2LMHeadModel' is not supported; supported: LlamaForCausalLM"},
      {"a_mixture_of_experts", With(Mistral(), "architectures", {"MixtralForCausalLM"}), unsupported,
       "MixtralForCausalLM"},
      {"a_classifier", With(Llama2(), "architectures", {"LlamaForSequenceClassification"}), unsupported,
       "LlamaForSequenceClassification"},
      {"another_model_type", With(Llama2(), "model_type", "gemma"), unsupported, "model_type 'gemma'"},
      {"an_architecture_of_another_type", With(Llama2(), "model_type", "mistral"), unsupported, "model_type 'mistral'"},
      {"neither_architecture_nor_type", Without(Without(Llama2(), "architectures"), "model_type"), unsupported,
       "no 'architectures'"},
      {"two_architectures", With(Llama2(), "architectures", {"LlamaForCausalLM", "X"}), impossible, "list of one name"},
      {"an_architecture_that_is_text", With(Llama2(), "architectures", "LlamaForCausalLM"), impossible,
       "list of one name"},
      {"gelu", With(Llama2(), "hidden_act", "gelu"), unsupported, "hidden_act \"gelu\""},
      {"a_bias_that_is_a_number", With(Llama2(), "mlp_bias", 1), impossible, "'mlp_bias' must be true or false"},
      {"partial_rotary", With(Llama2(), "partial_rotary_factor", 0.5), unsupported, "partial_rotary_factor"},
      {"partial_rotary_inside", With(Llama2(), "rope_scaling", {{"partial_rotary_factor", 0.5}}), unsupported,
       "partial_rotary_factor"},
      {"longrope", With(Llama2(), "rope_scaling", {{"type", "longrope"}, {"long_factor", {1}}}), unsupported,
       "type 'longrope' is not supported; supported: default, linear, dynamic, llama3, yarn"},
      {"multimodal_rope", With(Qwen2(), "rope_scaling", {{"type", "mrope"}}), unsupported, "type 'mrope'"},
      {"rope_by_layer_type", With(Qwen3(), "rope_parameters", {{"full_attention", {{"rope_type", "default"}}}}),
       unsupported, "'full_attention'"},
      {"a_rope_type_of_null", With(Llama2(), "rope_scaling", {{"rope_type", nullptr}, {"factor", 2.0}}), impossible,
       "'rope_type' of rope_scaling must be a name"},
      {"linear_rope_without_a_factor", With(Llama2(), "rope_scaling", {{"type", "linear"}}), impossible,
       "'factor' is missing"},
      {"linear_rope_with_a_factor_of_text", With(Llama2(), "rope_scaling", {{"type", "linear"}, {"factor", "2"}}),
       impossible, "'factor'"},
      {"dynamic_rope_with_factor_below_1", With(Llama2(), "rope_scaling", {{"type", "dynamic"}, {"factor", 0.5}}),
       impossible, "below 1"},
      {"dynamic_rope_of_heads_of_2",
       With(With(Llama2(), "head_dim", 2), "rope_scaling", {{"type", "dynamic"}, {"factor", 2}}), impossible,
       "'head_dim' is 2"},
      {"yarn_rope_without_a_factor", With(Llama2(), "rope_scaling", {{"type", "yarn"}}), impossible,
       "'factor' is missing"},
      {"yarn_rope_with_a_base_of_1",
       With(With(Llama2(), "rope_theta", 1), "rope_scaling", {{"type", "yarn"}, {"factor", 2}}), impossible,
       "yarn needs one above 1"},
      {"yarn_rope_truncated_by_a_word",
       With(Llama2(), "rope_scaling", {{"type", "yarn"}, {"factor", 2}, {"truncate", "no"}}), impossible, "'truncate'"},
      {"yarn_rope_with_a_negative_attention_factor",
       With(Llama2(), "rope_scaling", {{"type", "yarn"}, {"factor", 2}, {"attention_factor", -1}}), impossible,
       "'attention_factor'"},
      {"a_mixture_of_qwen_experts", With(Qwen3(), "architectures", {"Qwen3MoeForCausalLM"}), unsupported,
       "Qwen3MoeForCausalLM"},
      {"gemma", With(Llama2(), "architectures", {"Gemma2ForCausalLM"}), unsupported,
       "supported: LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM"},
      {"too_few_layer_types", With(Qwen2(), "layer_types", {"full_attention"}), impossible, "a list of 28 names"},
      {"layers_of_another_kind", With(Qwen2(), "layer_types", std::vector<std::string>(28, "linear_attention")),
       unsupported, "\"linear_attention\""},
      {"sliding_layers_without_a_window",
       With(Qwen2(), "layer_types", std::vector<std::string>(28, "sliding_attention")), impossible,
       "there is no sliding window"},
      {"alternating_mistral_layers",
       With(With(Mistral(), "num_hidden_layers", 2), "layer_types", {"sliding_attention", "full_attention"}),
       unsupported, "sliding windows in 1 of 2 blocks"},
      {"rope_scaling_that_is_a_number", With(Llama2(), "rope_scaling", 2), impossible, "must be an object or null"},
      {"llama3_rope_without_a_factor", With(Llama31(), "rope_scaling", Without(rope, "factor")), impossible,
       "'factor' is missing"},
      {"llama3_rope_with_factor_0", rope_with("factor", 0), impossible, "'factor'"},
      {"llama3_rope_with_factor_below_1", rope_with("factor", 0.5), impossible, "below 1"},
      {"llama3_rope_with_crossed_frequencies", rope_with("high_freq_factor", 1.0), impossible, "'high_freq_factor'"},
      {"llama3_rope_with_a_negative_length", rope_with("original_max_position_embeddings", -1), impossible,
       "original_max"},
      {"an_int8_model", With(Llama2(), "torch_dtype", "int8"), unsupported, "torch_dtype 'int8'"},
      {"heads_that_do_not_divide", With(Llama2(), "num_key_value_heads", 5), impossible,
       "does not divide the 32 attention heads"},
      {"more_key_value_heads_than_heads", With(Llama2(), "num_key_value_heads", 64), impossible, "does not divide"},
      {"a_hidden_size_that_heads_do_not_divide", With(Llama2(), "hidden_size", 4100), impossible,
       "'hidden_size' is 4100"},
      {"an_odd_head_dim", With(Llama2(), "head_dim", 127), impossible, "'head_dim' is 127"},
      {"head_dim_times_heads_too_large", With(Llama2(), "head_dim", 1 << 20), impossible, "too large"},
      {"no_hidden_size", Without(Llama2(), "hidden_size"), impossible, "'hidden_size' is missing"},
      {"hidden_size_0", With(Llama2(), "hidden_size", 0), impossible, "'hidden_size' is 0"},
      {"a_negative_hidden_size", With(Llama2(), "hidden_size", -4096), impossible, "'hidden_size' is -4096"},
      {"a_hidden_size_that_is_text", With(Llama2(), "hidden_size", "4096"), impossible,
       "'hidden_size' must be an integer"},
      {"a_fractional_hidden_size", With(Llama2(), "hidden_size", 4096.5), impossible,
       "'hidden_size' must be an integer"},
      {"a_huge_intermediate_size", With(Llama2(), "intermediate_size", INT64_MAX), impossible, "'intermediate_size'"},
      {"a_billion_blocks", With(Llama2(), "num_hidden_layers", 1'000'000'000), impossible, "'num_hidden_layers'"},
      {"no_heads", With(Llama2(), "num_attention_heads", 0), impossible, "'num_attention_heads'"},
      {"a_huge_vocabulary", With(Llama2(), "vocab_size", INT64_MAX), impossible, "'vocab_size'"},
      {"a_negative_epsilon", With(Llama2(), "rms_norm_eps", -1e-5), impossible, "'rms_norm_eps'"},
      {"a_rope_theta_of_0", With(Llama2(), "rope_theta", 0), impossible, "'rope_theta'"},
      {"a_sliding_window_of_0", With(Mistral(), "sliding_window", 0), impossible, "'sliding_window'"},
      {"a_sliding_window_that_is_text", With(Mistral(), "sliding_window", "4k"), impossible, "'sliding_window'"},
      {"tied_by_a_word", With(Llama2(), "tie_word_embeddings", "yes"), impossible, "'tie_word_embeddings'"},
      {"a_quantization_config_that_is_text", With(Llama2(), "quantization_config", "gptq"), impossible,
       "'quantization_config'"},
      {"a_list", Json::array(), impossible, "not a JSON object"},
  };
}

class RefusedConfigTest : public ::testing::TestWithParam<RefusedCase> {};

TEST_P(RefusedConfigTest, IsRefusedByNameInOneLine) {
  const Status status = Parse(GetParam().config).status();
  EXPECT_EQ(status.code(), GetParam().code) << status;
  EXPECT_THAT(std::string(MessageOf(status)), ::testing::AllOf(HasSubstr("config.json"), HasSubstr(GetParam().says)));
  EXPECT_EQ(std::string(MessageOf(status)).find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Configs, RefusedConfigTest, ::testing::ValuesIn(RefusedCases()),
                         [](const ::testing::TestParamInfo<RefusedCase>& refused) { return refused.param.name; });

TEST(LlamaConfigTest, TextThatIsNotJsonIsRefused) {
  for (const std::string_view text : {"", "{", "null", "\xff"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(LlamaConfig::Parse(text).status()));
  }
}

TEST(LlamaConfigTest, ParametersAreThoseOfLlama2_7B) {
  const LlamaConfig config = Parse(Llama2()).value();
  EXPECT_EQ(BlockLinearParameters(config), 4 * 4096 * 4096 + 3 * 4096 * 11008);
  EXPECT_EQ(BlockParameters(config), BlockLinearParameters(config) + 2 * 4096);
  int64_t total = 0;
  for (const auto& [name, shape] : ExpectedTensors(config)) {
    int64_t elements = 1;
    for (const int64_t size : shape) elements *= size;
    total += elements;
  }
  EXPECT_EQ(total, 6'738'415'616) << "the published count of Llama-2-7B";
}

TEST(LlamaConfigTest, ExpectedTensorsHaveTheHuggingFaceNames) {
  const auto tensors = ExpectedTensors(Parse(Mistral()).value());
  EXPECT_EQ(tensors.size(), 3u + 32u * 9u);
  EXPECT_EQ(tensors.at("model.layers.31.self_attn.k_proj.weight"), (std::vector<int64_t>{1024, 4096}));
  EXPECT_EQ(tensors.at("model.layers.0.mlp.down_proj.weight"), (std::vector<int64_t>{4096, 14336}));
  EXPECT_EQ(tensors.at("model.layers.0.input_layernorm.weight"), (std::vector<int64_t>{4096}));
  EXPECT_EQ(tensors.at("lm_head.weight"), (std::vector<int64_t>{32000, 4096}));
  EXPECT_EQ(ExpectedTensors(Parse(With(Mistral(), "tie_word_embeddings", true)).value()).count("lm_head.weight"), 0u);
  std::set<std::string_view> names;
  for (const LinearKind kind : kAllLinears) names.insert(LinearName(kind));
  EXPECT_EQ(names.size(), 7u);
  EXPECT_EQ(BlockPrefix(12), "model.layers.12.");
}

}  // namespace
}  // namespace lwq
