// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer/llama_cpp_vocabulary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/tokenizer/tokenizer_builders.h"

namespace lwq {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Type = LlamaCppVocabulary::Type;

constexpr VocabularyOfModel kRows = {.rows = 300, .bos_token_id = -1, .eos_token_id = -1};

// A byte-level tokenizer with an end of texts (id 258), cut as `pre_tokenizer` says.
Json ByteLevel(const Json& pre_tokenizer) {
  Json json = ByteLevelJson({{"a", "b"}, {" ", "ab"}});
  json["pre_tokenizer"] = pre_tokenizer;
  json["added_tokens"] = {{{"id", 258}, {"content", "<|end|>"}, {"special", true}, {"normalized", false}},
                          {{"id", 259}, {"content", "<|extra|>"}, {"special", false}, {"normalized", false}}};
  return json;
}
constexpr char kConfig[] = R"({"eos_token": "<|end|>"})";

Json Step(bool with_pattern) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", with_pattern}};
}
Json Split(const std::string& pattern) {
  return {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
}
Json Sequence(const Json& steps) {
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}
const Json kDigits = {{"type", "Digits"}, {"individual_digits", true}};

StatusOr<LlamaCppVocabulary> Of(const Json& json, const VocabularyOfModel& model = kRows,
                                std::string_view config = kConfig) {
  const std::string text = json.dump();
  return LlamaCppVocabularyOf({.tokenizer_json = text, .tokenizer_config_json = config}, model);
}

void ExpectRefused(const StatusOr<LlamaCppVocabulary>& vocabulary, const std::string& said,
                   absl::StatusCode code = absl::StatusCode::kFailedPrecondition) {
  EXPECT_EQ(vocabulary.status().code(), code) << vocabulary.status();
  EXPECT_THAT(std::string(MessageOf(vocabulary.status())), HasSubstr(said));
}

TEST(LlamaCppVocabulary, AByteLevelTokenizerHasTokensTypesAndMerges) {
  const auto vocabulary = Of(ByteLevel(Sequence({kDigits, Step(true)})));
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.status();
  EXPECT_EQ(vocabulary->model, "gpt2");
  EXPECT_EQ(vocabulary->pre, "smollm");
  ASSERT_EQ(vocabulary->tokens.size(), 300u);
  EXPECT_EQ(vocabulary->tokens[257], "Ġab");
  EXPECT_EQ(vocabulary->types[257], Type::kNormal);
  EXPECT_EQ(vocabulary->types[258], Type::kControl);
  EXPECT_EQ(vocabulary->types[259], Type::kUserDefined);
  EXPECT_EQ(vocabulary->tokens[260], "[PAD260]") << "the model has more embeddings than the tokenizer tokens";
  EXPECT_EQ(vocabulary->types[260], Type::kUnused);
  EXPECT_THAT(vocabulary->merges, ElementsAre("a b", "Ġ ab"));
  EXPECT_TRUE(vocabulary->scores.empty());
  EXPECT_EQ(vocabulary->eos_id, 258);
  EXPECT_EQ(vocabulary->bos_id, 258) << "llama.cpp would take 11";
  EXPECT_FALSE(vocabulary->add_bos);
}

TEST(LlamaCppVocabulary, ThePreTokenizerIsFoundByWhatItDoes) {
  EXPECT_EQ(Of(ByteLevel(Step(true)))->pre, "gpt-2");
  EXPECT_EQ(Of(ByteLevel(Sequence(Json::array({Step(true)}))))->pre, "gpt-2");
  Json llama3 = ByteLevel(Sequence({Split(kLlama3Pattern), Step(false)}));
  ExpectRefused(Of(llama3), "its ignore_merges is not set, unlike in what it calls 'llama-bpe'");
  llama3["model"]["ignore_merges"] = true;
  EXPECT_EQ(Of(llama3)->pre, "llama-bpe");
  std::string one_digit = kLlama3Pattern;
  one_digit.replace(one_digit.find("{1,3}"), 5, "");
  Json qwen2 = ByteLevel(Sequence({Split(one_digit), Step(false)}));
  EXPECT_EQ(Of(qwen2)->pre, "qwen2");
  qwen2["normalizer"] = {{"type", "NFC"}};
  EXPECT_EQ(Of(qwen2)->pre, "qwen2");
}

TEST(LlamaCppVocabulary, APreTokenizerThatIsNoneOfThoseKnownIsRefused) {
  for (const Json& steps : {Json::array({Split("\\p{L}+"), Step(false)}), Json::array({kDigits, Step(false)}),
                            Json::array({Step(true), kDigits})}) {
    ExpectRefused(Of(ByteLevel(Sequence(steps))), "is none of those known here: gpt-2, smollm, llama-bpe, qwen2");
  }
  Json prefixed = Step(true);
  prefixed["add_prefix_space"] = true;
  ExpectRefused(Of(ByteLevel(prefixed)), "(ByteLevel?)");
  Json removed = Split(kLlama3Pattern);
  removed["behavior"] = "Removed";
  ExpectRefused(Of(ByteLevel(Sequence({removed, Step(false)}))), "(Split?, ByteLevel)");
  Json normalized = ByteLevel(Sequence({kDigits, Step(true)}));
  normalized["normalizer"] = {{"type", "NFC"}};
  ExpectRefused(Of(normalized), "its normalizer is NFC, and what it calls 'smollm' has none");
}

TEST(LlamaCppVocabulary, WhatStandsInFrontOfTextsMustBeABosOrNothing) {
  Json json = ByteLevel(Step(true));
  const auto with_prefix = [&json](const Json& single) {
    json["post_processor"] = {
        {"type", "TemplateProcessing"},
        {"single", single},
        {"pair", Json::array()},
        {"special_tokens", {{"<|end|>", {{"id", "<|end|>"}, {"ids", {258}}, {"tokens", {"<|end|>"}}}}}}};
    return Of(json);
  };
  const Json token = {{"SpecialToken", {{"id", "<|end|>"}, {"type_id", 0}}}};
  const Json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const auto once = with_prefix({token, text});
  ASSERT_TRUE(once.ok()) << once.status();
  EXPECT_TRUE(once->add_bos);
  EXPECT_EQ(once->bos_id, 258);
  ExpectRefused(with_prefix({token, token, text}), "other tokens in front of texts than a BOS");
}

TEST(LlamaCppVocabulary, IdsThatTheTokenizerDoesNotNameAreTheModels) {
  const Json json = ByteLevel(Step(true));
  ExpectRefused(Of(json, kRows, "{}"), "names an end of texts");
  const auto vocabulary = Of(json, {.rows = 300, .bos_token_id = 5, .eos_token_id = 6}, "{}");
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.status();
  EXPECT_EQ(vocabulary->bos_id, 5);
  EXPECT_EQ(vocabulary->eos_id, 6);
}

TEST(LlamaCppVocabulary, TokensWithoutEmbeddingsAndTokensThatAreThereTwiceAreRefused) {
  const Json json = ByteLevel(Step(true));
  ExpectRefused(Of(json, {.rows = 259}), "260 tokens, the model embeddings of 259", absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(Of(json, {.rows = 260}).ok());
  Json twice = json;
  twice["added_tokens"].push_back({{"id", 260}, {"content", "[PAD261]"}, {"special", true}, {"normalized", false}});
  ExpectRefused(Of(twice), "the token '[PAD261]' twice");
}

SentencePieceModel Pieces() {
  SentencePieceModel model = SmallModel({"▁", "a", "▁a"}, true);
  model.remove_extra_whitespaces = false;
  return model;
}
StatusOr<LlamaCppVocabulary> Of(const SentencePieceModel& model, std::string_view config = "{}") {
  const std::string file = WriteSentencePieceModel(model);
  return LlamaCppVocabularyOf({.tokenizer_model = file, .tokenizer_config_json = config}, kRows);
}

TEST(LlamaCppVocabulary, ASentencePieceModelHasPiecesScoresAndTypes) {
  const auto vocabulary =
      Of(Pieces(), R"({"added_tokens_decoder": {"262": {"content": "<|im_end|>", "special": true}}})");
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.status();
  EXPECT_EQ(vocabulary->model, "llama");
  EXPECT_EQ(vocabulary->pre, "default");
  EXPECT_EQ(vocabulary->tokens[261], "▁a");
  EXPECT_EQ(vocabulary->scores[261], -2.0f);
  EXPECT_EQ(vocabulary->types[0], Type::kUnknown);
  EXPECT_EQ(vocabulary->types[1], Type::kControl);
  EXPECT_EQ(vocabulary->types[3], Type::kByte);
  EXPECT_EQ(vocabulary->types[261], Type::kNormal);
  EXPECT_EQ(vocabulary->tokens[262], "<|im_end|>");
  EXPECT_EQ(vocabulary->types[262], Type::kControl);
  EXPECT_EQ(vocabulary->scores[262], -1000.0f);
  EXPECT_EQ(vocabulary->types[263], Type::kUnused);
  EXPECT_EQ(vocabulary->unk_id, 0);
  EXPECT_EQ(vocabulary->bos_id, 1);
  EXPECT_EQ(vocabulary->eos_id, 2);
  EXPECT_TRUE(vocabulary->add_bos);
  EXPECT_TRUE(vocabulary->add_space_prefix);
  EXPECT_FALSE(Of(Pieces(), R"({"add_bos_token": false})")->add_bos);
}

TEST(LlamaCppVocabulary, SentencePieceModelsThatItComputesOtherwiseAreRefused) {
  SentencePieceModel model = Pieces();
  model.remove_extra_whitespaces = true;
  ExpectRefused(Of(model), "removes extra spaces");
  model = SmallModel({"▁", "a"}, /*byte_fallback=*/false);
  ExpectRefused(Of(model), "has no byte fallback");
}

TEST(LlamaCppVocabulary, AJsonFileWithByteFallbackNeedsItsModelBesideIt) {
  const std::string json = JsonOfSentencePiece(Pieces(), false).dump();
  const std::string file = WriteSentencePieceModel(Pieces());
  constexpr char kNames[] = R"({"bos_token": "<s>", "eos_token": "</s>"})";
  ExpectRefused(LlamaCppVocabularyOf({.tokenizer_json = json, .tokenizer_config_json = kNames}, kRows),
                "without tokenizer.model beside it there are no scores");
  const auto both =
      LlamaCppVocabularyOf({.tokenizer_model = file, .tokenizer_json = json, .tokenizer_config_json = kNames}, kRows);
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_EQ(both->model, "llama");
  EXPECT_FALSE(both->add_bos) << "beside a tokenizer.json only its post_processor puts a BOS in front";
  SentencePieceModel other = Pieces();
  other.pieces.back().text = "▁b";
  const std::string other_file = WriteSentencePieceModel(other);
  ExpectRefused(LlamaCppVocabularyOf(
                    {.tokenizer_model = other_file, .tokenizer_json = json, .tokenizer_config_json = kNames}, kRows),
                "take both from the same model", absl::StatusCode::kInvalidArgument);
}

TEST(LlamaCppVocabulary, DamagedFilesAreTheTokenizersErrors) {
  ExpectRefused(LlamaCppVocabularyOf({}, kRows), "neither tokenizer.json nor tokenizer.model",
                absl::StatusCode::kNotFound);
  ExpectRefused(LlamaCppVocabularyOf({.tokenizer_json = "{"}, kRows), "tokenizer.json",
                absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace lwq
