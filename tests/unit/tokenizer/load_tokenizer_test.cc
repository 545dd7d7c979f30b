// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer/load_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/tokenizer/tokenizer_builders.h"

namespace lwq {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string& ModelFile() {
  static const std::string kFile = WriteSentencePieceModel(SmallModel({"▁", "a"}, true));
  return kFile;
}

const std::string& JsonFile() {
  static const std::string kFile = [] {
    Json json = JsonOfSentencePiece(SmallModel({"▁", "a", "<bos>"}, true), false);
    json["added_tokens"] = {{{"id", 1}, {"content", "<s>"}, {"special", true}, {"normalized", false}}};
    return json.dump();
  }();
  return kFile;
}

std::unique_ptr<Tokenizer> Load(const TokenizerFiles& files, TokenizerFormat format = TokenizerFormat::kAuto) {
  auto tokenizer = LoadTokenizer(files, format);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

TEST(LoadTokenizer, TokenizerJsonIsPreferredAndACallerCanInsist) {
  const TokenizerFiles both = {.tokenizer_model = ModelFile(), .tokenizer_json = JsonFile()};
  EXPECT_EQ(Load(both)->vocab_size(), 262);
  EXPECT_EQ(Load(both, TokenizerFormat::kJson)->vocab_size(), 262);
  EXPECT_EQ(Load(both, TokenizerFormat::kSentencePiece)->vocab_size(), 261);
  EXPECT_EQ(Load({.tokenizer_model = ModelFile()})->vocab_size(), 261);
  // What the two make of the text of a special token is where they differ.
  EXPECT_EQ(Load(both)->Encode("<s>")->size(), 1u);
  EXPECT_EQ(Load(both, TokenizerFormat::kSentencePiece)->Encode("<s>")->size(), 4u);
}

TEST(LoadTokenizer, EveryTokenizerStopsWhenItIsToldTo) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text.append(" a");
  const TokenizerFiles both = {.tokenizer_model = ModelFile(), .tokenizer_json = JsonFile()};
  for (const TokenizerFormat format : {TokenizerFormat::kJson, TokenizerFormat::kSentencePiece}) {
    int asked = 0;
    const auto stop_at_second = [&asked] { return ++asked == 2 ? absl::CancelledError("stop") : absl::OkStatus(); };
    EXPECT_TRUE(absl::IsCancelled(Load(both, format)->Encode(text, stop_at_second).status()));
    EXPECT_EQ(asked, 2);
    EXPECT_TRUE(absl::IsCancelled(
        TokenizeStream(*Load(both, format), {"a"}, false, [] { return absl::CancelledError("stop"); }).status()));
  }
}

TEST(LoadTokenizer, AMissingFileIsNotFound) {
  EXPECT_EQ(LoadTokenizer({}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(LoadTokenizer({.tokenizer_json = JsonFile()}, TokenizerFormat::kSentencePiece).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(LoadTokenizer({.tokenizer_model = ModelFile()}, TokenizerFormat::kJson).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(LoadTokenizer, TheConfigDecidesAboutBos) {
  EXPECT_TRUE(Load({.tokenizer_model = ModelFile()})->add_bos());
  EXPECT_TRUE(Load({.tokenizer_model = ModelFile(), .tokenizer_config_json = R"({"add_bos_token": null})"})->add_bos());
  EXPECT_FALSE(
      Load({.tokenizer_model = ModelFile(), .tokenizer_config_json = R"({"add_bos_token": false})"})->add_bos());
}

TEST(LoadTokenizer, BesideATokenizerJsonOnlyItsPostProcessorPutsABosInFront) {
  const std::string without = JsonFile();
  Json json = *ParseJson(without, "tokenizer.json");
  json["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
      {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {1}}, {"tokens", {"<s>"}}}}}}};
  const std::string with = json.dump();
  for (const char* tokenizer_class :
       {"LlamaTokenizer", "LlamaTokenizerFast", "PreTrainedTokenizerFast", "GPT2Tokenizer", "Qwen2Tokenizer"}) {
    for (const char* flag :
         {"", R"(, "add_bos_token": true)", R"(, "add_bos_token": false)", R"(, "add_bos_token": null)"}) {
      const std::string config =
          absl::StrCat(R"({"bos_token": {"content": "<s>"}, "tokenizer_class": ")", tokenizer_class, "\"", flag, "}");
      SCOPED_TRACE(config);
      const auto bare = Load({.tokenizer_json = without, .tokenizer_config_json = config});
      EXPECT_FALSE(bare->add_bos());
      EXPECT_EQ(bare->bos_id(), 1);
      EXPECT_THAT(Load({.tokenizer_json = with, .tokenizer_config_json = config})->prefix_ids(), ElementsAre(1));
    }
  }
}

TEST(LoadTokenizer, TextBesideATokenizerModelIsCutAtAddedTokensFirst) {
  const std::string model = WriteSentencePieceModel(SmallModel({"▁", "a", "b", "▁a"}, true));  // ids 259 to 262
  const auto plain = Load({.tokenizer_model = model});
  EXPECT_THAT(Pieces(*plain, "a <s>a</s> a<unk>"), ElementsAre("▁a", "▁", "<s>", "a", "</s>", "▁a", "<unk>"));
  const TokenizerFiles files = {.tokenizer_model = model, .added_tokens_json = R"({"<new>": 263, "<|im|>": 264})"};
  EXPECT_THAT(Pieces(*Load(files), "a<new>a <|im|>b"), ElementsAre("▁a", "<new>", "a", "▁", "<|im|>", "b"));
  EXPECT_THAT(Pieces(*Load(files), "<new>a"), ElementsAre("<new>", "a"));
  EXPECT_EQ(Load(files)->vocab_size(), 265);
  EXPECT_EQ(*Load(files)->Decode(std::vector<int32_t>{260, 263, 260}), "a<new>a");
}

TEST(LoadTokenizer, TheAddedTokensDecoderSaysHowItsTokensAreMatched) {
  const std::string model = WriteSentencePieceModel(SmallModel({"▁", "a", "b", "▁a"}, true));
  const std::string decoder = R"("added_tokens_decoder": {"1": {"content": "<s>", "special": true},
    "263": {"content": "<new>", "lstrip": true, "rstrip": true, "special": true}})";
  const std::string config = absl::StrCat("{", decoder, "}");
  const std::string legacy = absl::StrCat(R"({"legacy": true, )", decoder, "}");
  EXPECT_THAT(Pieces(*Load({.tokenizer_model = model, .tokenizer_config_json = config}), "a <new> a<s>a"),
              ElementsAre("▁a", "<new>", "a", "<s>", "a"));
  EXPECT_THAT(Pieces(*Load({.tokenizer_model = model, .tokenizer_config_json = legacy}), "a <new> a<s>a"),
              ElementsAre("▁a", "<new>", "▁a", "<s>", "▁a"));
}

TEST(LoadTokenizer, SentencePieceAloneSpellsSpecialTokensOut) {
  const auto alone =
      Load({.tokenizer_model = ModelFile(), .added_tokens_json = R"({"<new>": 400})"}, TokenizerFormat::kSentencePiece);
  EXPECT_THAT(Pieces(*alone, "<s>"), Contains("<0x3C>"));
  EXPECT_THAT(Pieces(*alone, "<new>"), Contains("<0x3C>"));
}

TEST(LoadTokenizer, AddedTokensThatContradictTheModelAreRefused) {
  const auto message = [](const TokenizerFiles& files) { return std::string(LoadTokenizer(files).status().message()); };
  EXPECT_THAT(message({.tokenizer_model = ModelFile(), .added_tokens_json = R"({"<s>": 2})"}), HasSubstr("'<s>'"));
  EXPECT_THAT(message({.tokenizer_model = ModelFile(), .added_tokens_json = R"({"<x>": 900, "<y>": 900})"}),
              HasSubstr("share id 900"));
  EXPECT_THAT(message({.tokenizer_model = ModelFile(), .added_tokens_json = R"({"<x>": -1})"}), HasSubstr("'<x>'"));
  EXPECT_THAT(message({.tokenizer_model = ModelFile(), .added_tokens_json = "[]"}), HasSubstr("added_tokens.json"));
}

TEST(LoadTokenizer, ATokenizerJsonTakesTheAddedTokensThatItLacks) {
  const TokenizerFiles files = {.tokenizer_json = JsonFile(), .added_tokens_json = R"({"<new>": 900, "<s>": 1})"};
  EXPECT_THAT(*Load(files)->Encode("<new>"), ElementsAre(900));
}

TEST(LoadTokenizer, AModelWithoutBosPieceAsksForNone) {
  SentencePieceModel model = SmallModel({"a"}, true);
  model.bos_piece = "<absent>";
  const std::string file = WriteSentencePieceModel(model);
  EXPECT_EQ(Load({.tokenizer_model = file})->bos_id(), std::nullopt);
  EXPECT_FALSE(Load({.tokenizer_model = file})->add_bos());
}

TEST(LoadTokenizer, TheConfigNamesBosAndEos) {
  const auto tokenizer =
      Load({.tokenizer_model = ModelFile(), .tokenizer_config_json = R"({"bos_token": "a", "eos_token": "<unk>"})"});
  EXPECT_EQ(tokenizer->bos_id(), 260);
  EXPECT_EQ(tokenizer->eos_id(), 0);
  EXPECT_EQ(Load({.tokenizer_model = ModelFile(), .tokenizer_config_json = R"({"bos_token": "<absent>"})"})->bos_id(),
            1);
}

TEST(LoadTokenizer, SpecialTokensThatNothingUsesAreNoFault) {
  for (const char* config : {R"({"bos_token": "<absent>", "eos_token": "<absent>"})",
                             R"({"bos_token": {}, "eos_token": 5})", R"({"bos_token": ["<s>"], "add_bos_token": 1})"}) {
    SCOPED_TRACE(config);
    EXPECT_EQ(Load({.tokenizer_json = JsonFile(), .tokenizer_config_json = config})->bos_id(), std::nullopt);
    EXPECT_EQ(Load({.tokenizer_model = ModelFile(), .tokenizer_config_json = config})->bos_id(), 1);
  }
}

TEST(LoadTokenizer, ErrorsNameTheFile) {
  const auto message = [](const TokenizerFiles& files) { return std::string(LoadTokenizer(files).status().message()); };
  EXPECT_THAT(message({.tokenizer_model = "garbage"}), HasSubstr("tokenizer.model"));
  EXPECT_THAT(message({.tokenizer_json = "garbage"}), HasSubstr("tokenizer.json"));
  EXPECT_THAT(message({.tokenizer_model = ModelFile(), .tokenizer_config_json = "{"}),
              HasSubstr("tokenizer_config.json"));
  EXPECT_THAT(message({.tokenizer_model = ModelFile(), .tokenizer_config_json = "[]"}),
              HasSubstr("tokenizer_config.json"));
  SentencePieceModel model = SmallModel({"a"}, true);
  model.precompiled_charsmap = "abc";
  const std::string damaged = WriteSentencePieceModel(model);
  EXPECT_THAT(message({.tokenizer_model = damaged}), HasSubstr("tokenizer.model: precompiled_charsmap"));
}

}  // namespace
}  // namespace lwq
