// SPDX-License-Identifier: Apache-2.0
#include "common/model/llama_cpp_model.h"

#include "common/json/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq {
namespace {

using ::testing::HasSubstr;

StatusOr<LlamaCppModel> Of(const std::string& architecture, const Json& changes = Json::object()) {
  Json config = {{"architectures", Json::array({architecture})},
                 {"hidden_size", 64},
                 {"intermediate_size", 128},
                 {"num_hidden_layers", 2},
                 {"num_attention_heads", 4},
                 {"num_key_value_heads", 2},
                 {"head_dim", 16},
                 {"vocab_size", 100},
                 {"max_position_embeddings", 256},
                 {"sliding_window", nullptr}};
  config.update(changes);
  const auto parsed = LlamaConfig::Parse(config.dump());
  LWQ_CHECK(parsed.ok(), parsed.status().ToString());
  return LlamaCppModelOf(*parsed);
}

void ExpectRefused(const StatusOr<LlamaCppModel>& model, const std::string& said) {
  EXPECT_EQ(model.status().code(), absl::StatusCode::kFailedPrecondition) << model.status();
  EXPECT_THAT(std::string(MessageOf(model.status())), HasSubstr(said));
}

TEST(LlamaCppModelTest, EveryArchitectureHasItsNameAndItsOrderOfRows) {
  EXPECT_EQ(Of("LlamaForCausalLM")->architecture, "llama");
  EXPECT_EQ(Of("MistralForCausalLM")->architecture, "llama");
  EXPECT_EQ(Of("Qwen2ForCausalLM")->architecture, "qwen2");
  EXPECT_EQ(Of("Qwen3ForCausalLM")->architecture, "qwen3");
  EXPECT_TRUE(Of("LlamaForCausalLM")->interleaved_heads);
  EXPECT_FALSE(Of("Qwen2ForCausalLM")->interleaved_heads);
}

TEST(LlamaCppModelTest, BiasesThatTheArchitecturesCodeDoesNotReadAreRefused) {
  EXPECT_TRUE(Of("LlamaForCausalLM", {{"attention_bias", true}, {"mlp_bias", true}}).ok());
  EXPECT_FALSE(Of("Qwen3ForCausalLM", {{"attention_bias", true}}).ok());
  ExpectRefused(Of("Qwen3ForCausalLM", {{"attention_bias", true}}), "no such biases in its architecture qwen3");
}

TEST(LlamaCppModelTest, ScalingsOfRotationsAreHeldOrRefusedByName) {
  const auto scaled = [](const Json& scaling) { return Of("LlamaForCausalLM", {{"rope_scaling", scaling}}); };
  EXPECT_TRUE(scaled({{"rope_type", "linear"}, {"factor", 2.0}}).ok());
  EXPECT_TRUE(scaled({{"rope_type", "llama3"},
                      {"factor", 8.0},
                      {"low_freq_factor", 1.0},
                      {"high_freq_factor", 4.0},
                      {"original_max_position_embeddings", 128}})
                  .ok());
  ExpectRefused(scaled({{"rope_type", "dynamic"}, {"factor", 2.0}}), "no rope type dynamic");
  ExpectRefused(scaled({{"rope_type", "yarn"}, {"factor", 2.0}, {"original_max_position_embeddings", 128}}), "yarn");
}

TEST(LlamaCppModelTest, AWindowShorterThanTheContextIsRefusedAndALongerOneDoesNothing) {
  EXPECT_TRUE(Of("MistralForCausalLM", {{"sliding_window", 256}}).ok());
  ExpectRefused(Of("MistralForCausalLM", {{"sliding_window", 255}}), "one of 255 positions");
}

}  // namespace
}  // namespace lwq
