// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer/json_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "common/tokenizer/byte_level.h"
#include "tests/unit/tokenizer/tokenizer_builders.h"

namespace lwq {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::unique_ptr<Tokenizer> Make(const Json& json, const JsonTokenizerOptions& options = {}) {
  auto tokenizer = MakeJsonTokenizer(json.dump(), "tokenizer.json", options);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

Json Added(int id, std::string_view content, bool normalized = false, bool lstrip = false, bool rstrip = false) {
  return {{"id", id},         {"content", std::string(content)}, {"single_word", false}, {"lstrip", lstrip},
          {"rstrip", rstrip}, {"normalized", normalized},        {"special", true}};
}

Json Llama3Like() {
  Json json = ByteLevelJson({{"h", "e"}, {"l", "l"}, {"he", "ll"}, {"hell", "o"}, {" ", "w"}, {"1", "2"}, {"12", "3"}});
  json["added_tokens"] = {Added(300, "<|begin_of_text|>"), Added(301, "<|end_of_text|>")};
  json["post_processor"] = {
      {"type", "Sequence"},
      {"processors",
       {{{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", false}, {"use_regex", true}},
        {{"type", "TemplateProcessing"},
         {"single",
          {{{"SpecialToken", {{"id", "<|begin_of_text|>"}, {"type_id", 0}}}},
           {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
         {"pair", Json::array()},
         {"special_tokens", Json::object()}}}}};
  return json;
}

TEST(ByteLevelTokenizer, MergesByRankInsideThePatternsWords) {
  const auto tokenizer = Make(Llama3Like());
  EXPECT_THAT(Pieces(*tokenizer, "hello world"), ElementsAre("hello", "Ġw", "o", "r", "l", "d"));
  EXPECT_THAT(*tokenizer->Encode("hell"), ElementsAre(258));
  EXPECT_THAT(Pieces(*tokenizer, "h ello"), ElementsAre("h", "Ġ", "e", "ll", "o"));
  EXPECT_THAT(Pieces(*tokenizer, "1231 12"), ElementsAre("123", "1", "Ġ", "12"));
  EXPECT_THAT(Pieces(*tokenizer, "é"), ElementsAre("Ã", "©"));
}

TEST(ByteLevelTokenizer, TheLowestRankMergesFirstNotTheLeftmost) {
  const auto tokenizer = Make(ByteLevelJson({{"b", "c"}, {"a", "b"}}));
  EXPECT_THAT(Pieces(*tokenizer, "abc"), ElementsAre("a", "bc"));
  EXPECT_THAT(Pieces(*tokenizer, "ab"), ElementsAre("ab"));
}

TEST(ByteLevelTokenizer, OnlyListedPairsMergeEvenWhenTheResultIsAToken) {
  // "abc" is a token, made of "ab" and "c"; "a" and "bc" may not make it.
  const auto tokenizer = Make(ByteLevelJson({{"b", "c"}, {"a", "b"}, {"ab", "c"}}));
  EXPECT_THAT(Pieces(*tokenizer, "abc"), ElementsAre("a", "bc"));
}

TEST(ByteLevelTokenizer, IgnoreMergesTakesWholeWordsOfTheVocabulary) {
  Json json = ByteLevelJson({{"b", "c"}, {"a", "b"}, {"ab", "c"}});
  json["model"]["ignore_merges"] = true;
  const auto tokenizer = Make(json);
  EXPECT_THAT(Pieces(*tokenizer, "abc"), ElementsAre("abc"));
  EXPECT_THAT(Pieces(*tokenizer, "abcabc"), ElementsAre("a", "bc", "a", "bc"));
}

TEST(ByteLevelTokenizer, MergesMayBePairsOrStrings) {
  Json json = ByteLevelJson({{"a", "b"}, {" ", "x"}});
  json["model"]["merges"] = Json::array({Json::array({"a", "b"}), Json::array({"Ġ", "x"})});
  const auto tokenizer = Make(json);
  EXPECT_THAT(Pieces(*tokenizer, "ab x"), ElementsAre("ab", "Ġx"));
}

TEST(ByteLevelTokenizer, DecodesBytesAndSkipsSpecialTokens) {
  const auto tokenizer = Make(Llama3Like());
  const std::string text = "hello wörld \u2028 你好\n\t123";
  EXPECT_EQ(*tokenizer->Decode(*tokenizer->Encode(text)), text);
  EXPECT_EQ(*tokenizer->Decode(std::vector<int32_t>{300, 'a', 301, 0xC3}), "a\uFFFD");
  EXPECT_EQ(tokenizer->Decode(std::vector<int32_t>{299}).status().code(), absl::StatusCode::kOutOfRange);
}

TEST(ByteLevelTokenizer, BosComesFromThePostProcessor) {
  const auto tokenizer = Make(Llama3Like(), {.eos_token = "<|end_of_text|>"});
  EXPECT_EQ(tokenizer->bos_id(), 300);
  EXPECT_EQ(tokenizer->eos_id(), 301);
  EXPECT_TRUE(tokenizer->add_bos());
  EXPECT_EQ(tokenizer->vocab_size(), 302);
  EXPECT_THAT(*TokenizeStream(*tokenizer, {"a", "b"}, true), ElementsAre(300, 'a', '\n', '\n', 'b'));
  EXPECT_THAT(*TokenizeStream(*tokenizer, {"a"}, false), ElementsAre('a'));
}

TEST(ByteLevelTokenizer, WithoutAPostProcessorThereIsNoBos) {
  const auto tokenizer = Make(ByteLevelJson({}));
  EXPECT_FALSE(tokenizer->add_bos());
  EXPECT_EQ(tokenizer->bos_id(), std::nullopt);
  const auto stream = TokenizeStream(*tokenizer, {"a"}, true);
  EXPECT_EQ(stream.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(stream.status().message(), HasSubstr("BOS"));
}

TEST(JsonTokenizer, AddedTokensAreFoundInTextLongestFirst) {
  Json json = Llama3Like();
  json["added_tokens"].push_back(Added(302, "<|begin_of_text|>>"));
  const auto tokenizer = Make(json);
  EXPECT_THAT(*tokenizer->Encode("a<|begin_of_text|>hello"), ElementsAre('a', 300, 259));
  EXPECT_THAT(*tokenizer->Encode("<|begin_of_text|>>a"), ElementsAre(302, 'a'));
  EXPECT_THAT(*tokenizer->Encode("<|begin_of_text"), ::testing::Not(::testing::Contains(300)));
}

TEST(JsonTokenizer, AddedTokensTakeWhiteSpaceAlongWhereTheyStrip) {
  Json json = ByteLevelJson({});
  json["added_tokens"] = {Added(300, "<l>", false, true, false), Added(301, "<r>", false, false, true)};
  const auto tokenizer = Make(json);
  EXPECT_THAT(*tokenizer->Encode("a \u00A0<l> b"), ElementsAre('a', 300, ' ', 'b'));
  EXPECT_THAT(*tokenizer->Encode("a <r> \n b"), ElementsAre('a', ' ', 301, 'b'));
  EXPECT_THAT(*tokenizer->Encode("<r> <l>"), ElementsAre(301, 300));
}

TEST(JsonTokenizer, NormalizedAddedTokensAreMatchedInNormalizedText) {
  Json json = JsonOfSentencePiece(SmallModel({"▁", "a", "<", "s", ">"}, true), false);
  json["added_tokens"] = {Added(1, "<s>", true)};
  const auto normalized = Make(json);
  // Normalized, the token reads "▁<s>": found after a space, plain text inside a word.
  EXPECT_THAT(Pieces(*normalized, "a <s>"), ElementsAre("▁", "a", "<s>"));
  EXPECT_THAT(Pieces(*normalized, "a<s>"), ElementsAre("▁", "a", "<", "s", ">"));
  json["added_tokens"] = {Added(1, "<s>", false)};
  EXPECT_THAT(Pieces(*Make(json), "a<s>a"), ElementsAre("▁", "a", "<s>", "▁", "a"));
}

TEST(JsonTokenizer, MetaspaceFirstPrependsOnlyAtTheVeryStart) {
  Json json = JsonOfSentencePiece(SmallModel({"▁", "a"}, true), true);
  json["added_tokens"] = {Added(1, "<s>", false)};
  const auto tokenizer = Make(json);
  EXPECT_THAT(Pieces(*tokenizer, "a<s>a"), ElementsAre("▁", "a", "<s>", "a"));
  EXPECT_THAT(Pieces(*tokenizer, "<s>a"), ElementsAre("<s>", "a"));
}

TEST(JsonTokenizer, WithoutByteFallbackUnknownCharactersFuseOnlyWhereAsked) {
  Json json = JsonOfSentencePiece(SmallModel({"▁", "a"}, false), true);
  EXPECT_THAT(Pieces(*Make(json), "axyza"), ElementsAre("▁", "a", "<unk>", "a"));
  json["model"]["fuse_unk"] = false;
  EXPECT_THAT(Pieces(*Make(json), "axya"), ElementsAre("▁", "a", "<unk>", "<unk>", "a"));
}

TEST(JsonTokenizer, InvalidUtf8IsReadAsReplacementCharacters) {
  const auto tokenizer = Make(ByteLevelJson({}));
  EXPECT_THAT(*tokenizer->Encode("a\xE4\xBD"), ElementsAre('a', 0xEF, 0xBF, 0xBD));
}

TEST(JsonTokenizer, WithoutADecoderTokensAreJoinedBySpaces) {
  Json json = ByteLevelJson({{"a", "b"}});
  json["decoder"] = nullptr;
  EXPECT_EQ(*Make(json)->Decode(std::vector<int32_t>{256, 'c'}), "ab c");
}

TEST(JsonTokenizer, MetaspaceDecodesWithoutThePrependedSpace) {
  Json json = JsonOfSentencePiece(SmallModel({"▁", "a"}, true), true);
  json["decoder"] = {{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "first"}};
  const auto tokenizer = Make(json);
  EXPECT_EQ(*tokenizer->Decode(*tokenizer->Encode("a a")), "a a");
}

TEST(JsonTokenizer, ByteRunsThatAreNotUtf8DecodeToReplacementCharacters) {
  const auto tokenizer = Make(JsonOfSentencePiece(SmallModel({"▁", "a"}, true), false));
  EXPECT_EQ(*tokenizer->Decode(std::vector<int32_t>{3 + 0xFF, 3 + 0xC3, 3 + 0xA9, 260}), "\uFFFD\uFFFD\uFFFDa");
}

// A change to a good file, what the message names, and the code.
struct BadFile {
  const char* name;
  std::function<void(Json&)> change;
  std::string reason;
  absl::StatusCode code;
};

TEST(JsonTokenizer, UnsupportedAndMalformedFilesAreRefusedByName) {
  constexpr auto kUnsupported = absl::StatusCode::kFailedPrecondition;
  constexpr auto kMalformed = absl::StatusCode::kInvalidArgument;
  const std::vector<BadFile> files = {
      {"unigram", [](Json& j) { j["model"]["type"] = "Unigram"; }, "'Unigram'", kUnsupported},
      {"wordpiece", [](Json& j) { j["model"]["type"] = "WordPiece"; }, "'WordPiece'", kUnsupported},
      {"dropout", [](Json& j) { j["model"]["dropout"] = 0.1; }, "'dropout'", kUnsupported},
      {"precompiled",
       [](Json& j) {
         j["normalizer"] = {{"type", "Precompiled"}};
       },
       "'Precompiled'", kUnsupported},
      {"no model", [](Json& j) { j.erase("model"); }, "'model' is missing", kMalformed},
      {"model is a list", [](Json& j) { j["model"] = Json::array(); }, "model must be an object", kMalformed},
      {"no vocabulary", [](Json& j) { j["model"].erase("vocab"); }, "'vocab'", kMalformed},
      {"vocabulary is a list", [](Json& j) { j["model"]["vocab"] = {"a"}; }, "'vocab'", kMalformed},
      {"id is a string", [](Json& j) { j["model"]["vocab"]["zz"] = "7"; }, "'zz'", kMalformed},
      {"id is negative", [](Json& j) { j["model"]["vocab"]["zz"] = -7; }, "'zz'", kMalformed},
      {"id is huge", [](Json& j) { j["model"]["vocab"]["zz"] = 4000000000; }, "'zz'", kMalformed},
      {"id is a fraction", [](Json& j) { j["model"]["vocab"]["zz"] = 1.5; }, "'zz'", kMalformed},
      {"id is taken", [](Json& j) { j["model"]["vocab"]["zz"] = 65; }, "share id 65", kMalformed},
      {"empty token", [](Json& j) { j["model"]["vocab"][""] = 999; }, "empty token", kMalformed},
      {"no merges", [](Json& j) { j["model"].erase("merges"); }, "'merges'", kMalformed},
      {"a merge of three", [](Json& j) { j["model"]["merges"] = Json::array({"a b c"}); }, "merge 0", kMalformed},
      {"a merge of one", [](Json& j) { j["model"]["merges"] = {"ab"}; }, "merge 0", kMalformed},
      {"a merge of a number",
       [](Json& j) {
         j["model"]["merges"] = {"a b", 5};
       },
       "merge", kMalformed},
      {"a merge without its token", [](Json& j) { j["model"]["merges"] = {"x y"}; }, "'xy'", kMalformed},
      {"a merge of a stranger", [](Json& j) { j["model"]["merges"] = {"你 y"}; }, "'你'", kMalformed},
      {"normalizer without type", [](Json& j) { j["normalizer"] = Json::object(); }, "'type'", kMalformed},
      {"normalizer sequence",
       [](Json& j) {
         j["normalizer"] = {{"type", "Sequence"}};
       },
       "'normalizers'", kMalformed},
      {"added tokens", [](Json& j) { j["added_tokens"] = 5; }, "'added_tokens'", kMalformed},
      {"added token without content",
       [](Json& j) {
         j["added_tokens"] = {{{"id", 5}}};
       },
       "added token 0", kMalformed},
      {"added token's id", [](Json& j) { j["added_tokens"] = {Added(-1, "<x>")}; }, "'<x>'", kMalformed},
      {"added token's huge id", [](Json& j) { j["added_tokens"] = {Added(2000000000, "<x>")}; }, "'<x>'", kMalformed},
      {"added token contradicts", [](Json& j) { j["added_tokens"] = {Added(65, "<x>")}; }, "contradicts the vocabulary",
       kMalformed},
      {"regex",
       [](Json& j) {
         j["normalizer"] = {{"type", "Replace"}, {"pattern", {{"Regex", "("}}}, {"content", "b"}};
       },
       "no regular expression", kMalformed},
      {"pre-tokenizer",
       [](Json& j) {
         j["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
       },
       "'BertPreTokenizer'", kUnsupported},
      {"behavior",
       [](Json& j) {
         j["pre_tokenizer"] = {{"type", "Punctuation"}, {"behavior", "Sideways"}};
       },
       "'Sideways'", kUnsupported},
      {"post-processor",
       [](Json& j) {
         j["post_processor"] = {{"type", "Mystery"}};
       },
       "'Mystery'", kUnsupported},
      {"classification token",
       [](Json& j) {
         j["post_processor"] = {{"type", "RobertaProcessing"}, {"cls", "<s>"}};
       },
       "'cls'", kMalformed},
      {"prefix", [](Json& j) { j["model"]["continuing_subword_prefix"] = "##"; }, "continuing_subword_prefix",
       kMalformed},
      {"BOS id is no token",
       [](Json& j) {
         j["post_processor"] = {{"type", "RobertaProcessing"}, {"cls", {"<s>", 9999}}};
       },
       "9999", kMalformed},
      {"BOS is no token",
       [](Json& j) {
         j["post_processor"] = {{"type", "TemplateProcessing"}, {"single", {{{"SpecialToken", {{"id", "<nope>"}}}}}}};
       },
       "'<nope>' in front of texts", kMalformed},
      {"template without single",
       [](Json& j) {
         j["post_processor"] = {{"type", "TemplateProcessing"}};
       },
       "'single'", kMalformed},
  };
  for (const BadFile& file : files) {
    SCOPED_TRACE(file.name);
    Json json = ByteLevelJson({{"a", "b"}});
    file.change(json);
    const auto tokenizer = MakeJsonTokenizer(json.dump(), "tokenizer.json", {});
    ASSERT_FALSE(tokenizer.ok());
    EXPECT_EQ(tokenizer.status().code(), file.code) << tokenizer.status();
    EXPECT_THAT(tokenizer.status().message(), HasSubstr("tokenizer.json"));
    EXPECT_THAT(tokenizer.status().message(), HasSubstr(file.reason));
    EXPECT_EQ(tokenizer.status().message().find('\n'), std::string::npos);
  }
  for (const char* text : {"", "{", "[]", "5", "version https://git-lfs.github.com/spec/v1"}) {
    EXPECT_EQ(MakeJsonTokenizer(text, "tokenizer.json", {}).status().code(), kMalformed) << text;
  }
}

TEST(JsonTokenizer, ADecoderThatIsNotSupportedMattersOnlyForDecoding) {
  for (const Json& decoder : {Json{{"type", "WordPiece"}}, Json{{"type", "Sequence"}, {"decoders", 1}},
                              Json{{"type", "Strip"}, {"start", 1}, {"stop", 0}}}) {
    Json json = ByteLevelJson({});
    json["decoder"] = decoder;
    const auto tokenizer = Make(json);
    EXPECT_TRUE(tokenizer->Encode("a").ok());
    EXPECT_THAT(tokenizer->Decode(std::vector<int32_t>{'a'}).status().message(), HasSubstr("tokenizer.json: decoder"));
  }
}

TEST(ByteLevelTokenizer, AByteWithoutATokenMattersOnlyWhereItOccurs) {
  Json json = ByteLevelJson({});
  json["model"]["vocab"].erase(std::string(ByteLevelOfBytes("\x04")));
  json["model"]["vocab"].erase(std::string(ByteLevelOfBytes("\xFF")));
  const auto tokenizer = Make(json);
  EXPECT_THAT(*tokenizer->Encode("ab"), ElementsAre('a', 'b'));
  EXPECT_THAT(std::string(tokenizer->Encode("ab\ncd\x04").status().message()),
              HasSubstr("no token for the byte 04 at byte 5 of the text (line 2)"));
  const auto stream = TokenizeStream(*tokenizer, {"ab", "cd", "x\x04y"}, false);
  EXPECT_EQ(stream.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(stream.status().message()), HasSubstr("document 3, byte 1: "));
}

TEST(ByteLevelTokenizer, AByteWithoutATokenBecomesTheUnknownTokenWhereThereIsOne) {
  Json json = ByteLevelJson({});
  json["model"]["vocab"].erase(std::string(ByteLevelOfBytes("\x04")));
  json["model"]["unk_token"] = "!";
  EXPECT_THAT(*Make(json)->Encode("a\x04"), ElementsAre('a', '!'));
}

TEST(JsonTokenizer, ACharacterWithoutATokenMattersOnlyWhereItOccurs) {
  Json json = JsonOfSentencePiece(SmallModel({"▁", "a"}, false), true);
  json["model"]["unk_token"] = nullptr;
  EXPECT_THAT(Pieces(*Make(json), "a a"), ElementsAre("▁", "a", "▁", "a"));
  EXPECT_THAT(std::string(Make(json)->Encode("a é").status().message()),
              HasSubstr("no token for the character 'é' (bytes c3 a9) at byte 2 of the text (line 1)"));
  json["model"]["unk_token"] = "<nope>";
  EXPECT_THAT(std::string(Make(json)->Encode("é").status().message()), HasSubstr("nor for unk_token '<nope>'"));
}

TEST(JsonTokenizer, SingleWordTokensAreNotFoundInsideWords) {
  Json json = ByteLevelJson({});
  json["added_tokens"] = {Added(300, "cat")};
  json["added_tokens"][0]["single_word"] = true;
  EXPECT_THAT(*Make(json)->Encode("cat-cat"), ElementsAre(300, '-', 300));
  EXPECT_THAT(*Make(json)->Encode("cats"), ElementsAre('c', 'a', 't', 's'));
  EXPECT_THAT(*Make(json)->Encode("_cat"), ElementsAre('_', 'c', 'a', 't'));
}

TEST(JsonTokenizer, EveryProcessorInARowPutsItsTokensInFront) {
  Json json = Llama3Like();
  json["post_processor"] = {{"type", "Sequence"},
                            {"processors",
                             {{{"type", "RobertaProcessing"}, {"cls", {"<|end_of_text|>", 301}}, {"sep", {"x", 5}}},
                              json["post_processor"]}}};
  EXPECT_THAT(Make(json)->prefix_ids(), ElementsAre(300, 301));
  EXPECT_THAT(*TokenizeStream(*Make(json), {"a"}, true), ElementsAre(300, 301, 'a'));
}

}  // namespace
}  // namespace lwq
