#include "common/tokenizer/load_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/tokenizer/tokenizer_builders.h"

namespace lwq {
namespace {

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
  EXPECT_FALSE(Load({.tokenizer_json = JsonFile()})->add_bos());
  const auto llama =
      Load({.tokenizer_json = JsonFile(),
            .tokenizer_config_json = R"({"tokenizer_class": "LlamaTokenizerFast", "bos_token": {"content": "<s>"}})"});
  EXPECT_TRUE(llama->add_bos());
  EXPECT_EQ(llama->bos_id(), 1);
  EXPECT_FALSE(Load({.tokenizer_json = JsonFile(), .tokenizer_config_json = R"({"tokenizer_class": "LlamaTokenizer"})"})
                   ->add_bos());
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

TEST(LoadTokenizer, ErrorsNameTheFile) {
  const auto message = [](const TokenizerFiles& files) { return std::string(LoadTokenizer(files).status().message()); };
  EXPECT_THAT(message({.tokenizer_model = "garbage"}), HasSubstr("tokenizer.model"));
  EXPECT_THAT(message({.tokenizer_json = "garbage"}), HasSubstr("tokenizer.json"));
  EXPECT_THAT(message({.tokenizer_model = ModelFile(), .tokenizer_config_json = "{"}),
              HasSubstr("tokenizer_config.json"));
  EXPECT_THAT(message({.tokenizer_model = ModelFile(), .tokenizer_config_json = "[]"}),
              HasSubstr("tokenizer_config.json"));
  EXPECT_THAT(message({.tokenizer_model = ModelFile(), .tokenizer_config_json = R"({"add_bos_token": 1})"}),
              HasSubstr("add_bos_token"));
  EXPECT_THAT(message({.tokenizer_model = ModelFile(), .tokenizer_config_json = R"({"bos_token": {}})"}),
              HasSubstr("bos_token"));
  SentencePieceModel model = SmallModel({"a"}, true);
  model.precompiled_charsmap = "abc";
  const std::string damaged = WriteSentencePieceModel(model);
  EXPECT_THAT(message({.tokenizer_model = damaged}), HasSubstr("tokenizer.model: precompiled_charsmap"));
}

}  // namespace
}  // namespace lwq
