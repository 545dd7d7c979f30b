// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/tokenizer/tokenizer_builders.h"

namespace lwq {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Words(const Json& section, std::string_view text, bool at_start = true) {
  const auto pre_tokenizer = PreTokenizer::FromJson(section, "tokenizer.json");
  EXPECT_TRUE(pre_tokenizer.ok()) << pre_tokenizer.status();
  std::vector<std::string> words;
  const Status status = pre_tokenizer->ForEachWord(text, at_start, [&](std::string_view word) {
    words.emplace_back(word);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return words;
}

Json Split(const Json& pattern, std::string_view behavior = "Isolated", bool invert = false) {
  return {{"type", "Split"}, {"pattern", pattern}, {"behavior", std::string(behavior)}, {"invert", invert}};
}

std::vector<std::string> Llama3(std::string_view text) {
  return Words(Split({{"Regex", kLlama3Pattern}}), text);
}

TEST(Llama3Pattern, WordsTakeTheSpaceBeforeThem) {
  EXPECT_THAT(Llama3("Hello world"), ElementsAre("Hello", " world"));
  EXPECT_THAT(Llama3("foo  bar"), ElementsAre("foo", " ", " bar"));
  EXPECT_THAT(Llama3("   x"), ElementsAre("  ", " x"));
  EXPECT_THAT(Llama3("trailing  "), ElementsAre("trailing", "  "));
  EXPECT_THAT(Llama3("\t\tx"), ElementsAre("\t", "\tx"));
  EXPECT_THAT(Llama3(""), ElementsAre());
}

TEST(Llama3Pattern, ContractionsAreCutInAnyCase) {
  EXPECT_THAT(Llama3("I'll DON'T we'Ve"), ElementsAre("I", "'ll", " DON", "'T", " we", "'Ve"));
  EXPECT_THAT(Llama3("'sup"), ElementsAre("'s", "up"));
  EXPECT_THAT(Llama3("it's 'sup"), ElementsAre("it", "'s", " '", "sup"));
  EXPECT_THAT(Llama3("don’t"), ElementsAre("don", "’t"));
}

TEST(Llama3Pattern, DigitsComeInThrees) {
  EXPECT_THAT(Llama3("12345678"), ElementsAre("123", "456", "78"));
  EXPECT_THAT(Llama3(" 123"), ElementsAre(" ", "123"));
  EXPECT_THAT(Llama3("v2.10a"), ElementsAre("v", "2", ".", "10", "a"));
  EXPECT_THAT(Llama3("٣٤٥٦"), ElementsAre("٣٤٥", "٦"));
  EXPECT_THAT(Llama3("x²½"), ElementsAre("x", "²½"));
}

TEST(Llama3Pattern, NewlinesEndPunctuationAndStandTogether) {
  EXPECT_THAT(Llama3("a\n\nb"), ElementsAre("a", "\n\n", "b"));
  EXPECT_THAT(Llama3("x = y;\n\n"), ElementsAre("x", " =", " y", ";\n\n"));
  EXPECT_THAT(Llama3("  \n  x"), ElementsAre("  \n", " ", " x"));
  EXPECT_THAT(Llama3("a \r\n b"), ElementsAre("a", " \r\n", " b"));
}

TEST(Llama3Pattern, LettersAreUnicodeLetters) {
  EXPECT_THAT(Llama3("naïve café"), ElementsAre("naïve", " café"));
  EXPECT_THAT(Llama3("你好，世界"), ElementsAre("你好", "，世界"));
  EXPECT_THAT(Llama3("привет мир!"), ElementsAre("привет", " мир", "!"));
  EXPECT_THAT(Llama3("😀!!\n\nok"), ElementsAre("😀!!\n\n", "ok"));
  EXPECT_THAT(Llama3("e\u0301a"), ElementsAre("e", "\u0301a"));
}

TEST(Llama3Pattern, WhiteSpaceIsUnicodesPropertyAsInOniguruma) {
  EXPECT_THAT(Llama3("a\u00A0\u00A0b"), ElementsAre("a", "\u00A0", "\u00A0b"));
  // U+180E is white space for PCRE2's own \s, not for Oniguruma's: a symbol here, taken along by the word.
  EXPECT_THAT(Llama3("a \u180E\u180E!"), ElementsAre("a", " \u180E\u180E!"));
  EXPECT_THAT(Llama3("a\u0085b"), ElementsAre("a", "\u0085b"));
}

TEST(PreTokenizer, ByteLevelBringsGpt2sPattern) {
  const Json gpt2 = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  EXPECT_THAT(Words(gpt2, "It's 1234 a\n\n b"), ElementsAre("It", "'s", " 1234", " a", "\n\n", " b"));
  EXPECT_THAT(Words({{"type", "ByteLevel"}}, "a b"), ElementsAre(" a", " b"));
  EXPECT_THAT(Words({{"type", "ByteLevel"}}, " a b"), ElementsAre(" a", " b"));
  EXPECT_THAT(Words({{"type", "ByteLevel"}, {"use_regex", false}, {"add_prefix_space", false}}, "a b"),
              ElementsAre("a b"));
}

TEST(PreTokenizer, SplitsDropWhatTheirBehaviorSays) {
  EXPECT_THAT(Words(Split({{"String", ","}}), "a,b,,c"), ElementsAre("a", ",", "b", ",", ",", "c"));
  EXPECT_THAT(Words(Split({{"String", ","}}, "Removed"), "a,b,,c"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(Words(Split({{"Regex", "[a-z]+"}}, "Removed", true), "ab, cd!"), ElementsAre("ab", "cd"));
  EXPECT_THAT(Words(Split({{"String", "a.b"}}), "a.bxa-b"), ElementsAre("a.b", "xa-b"));
}

TEST(PreTokenizer, MatchesJoinTheNeighbourThatTheirBehaviorNames) {
  const auto words = [](std::string_view behavior, bool invert) {
    return Words(Split({{"String", ","}}, behavior, invert), ",a,b,,c,");
  };
  EXPECT_THAT(words("MergedWithPrevious", false), ElementsAre(",", "a,", "b,", ",", "c,"));
  EXPECT_THAT(words("MergedWithNext", false), ElementsAre(",a", ",b", ",", ",c", ","));
  EXPECT_THAT(words("Contiguous", false), ElementsAre(",", "a", ",", "b", ",,", "c", ","));
  EXPECT_THAT(words("MergedWithPrevious", true), ElementsAre(",a", ",b", ",", ",c", ","));
  EXPECT_THAT(words("MergedWithNext", true), ElementsAre(",", "a,", "b,", ",", "c,"));
  EXPECT_THAT(words("Contiguous", true), ElementsAre(",", "a", ",", "b", ",,", "c", ","));
  EXPECT_THAT(words("Removed", true), ElementsAre(",", ",", ",", ",", ","));
}

TEST(PreTokenizer, CharactersAreCutByTheirClass) {
  EXPECT_THAT(Words({{"type", "Digits"}, {"individual_digits", true}}, "a12b½"), ElementsAre("a", "1", "2", "b", "½"));
  EXPECT_THAT(Words({{"type", "Digits"}}, "a12b"), ElementsAre("a", "12", "b"));
  EXPECT_THAT(Words({{"type", "Punctuation"}}, "a$?b。"), ElementsAre("a", "$", "?", "b", "。"));
  EXPECT_THAT(Words({{"type", "Punctuation"}, {"behavior", "Contiguous"}}, "a..b"), ElementsAre("a", "..", "b"));
  EXPECT_THAT(Words({{"type", "WhitespaceSplit"}}, " a,b\u00A0\nc"), ElementsAre("a,b", "c"));
  EXPECT_THAT(Words({{"type", "Whitespace"}}, " a_1, b\u0301!\n"), ElementsAre("a_1", ",", "b\u0301", "!"));
  EXPECT_THAT(Words({{"type", "CharDelimiterSplit"}, {"delimiter", "-"}}, "a--b"), ElementsAre("a", "b"));
}

TEST(PreTokenizer, StepsBehindByteLevelSeeItsAlphabet) {
  const Json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  const Json digits = {{"type", "Digits"}, {"individual_digits", true}};
  const auto sequence = [](const Json& a, const Json& b) {
    return Json{{"type", "Sequence"}, {"pretokenizers", {a, b}}};
  };
  // "²" is the bytes C2 B2, and the second is "²" in the alphabet: a number.
  EXPECT_THAT(Words(sequence(byte_level, digits), "a ²"), ElementsAre("aĠÂ", "²"));
  EXPECT_THAT(Words(sequence(digits, byte_level), "a ²"), ElementsAre("a ", "²"));
  EXPECT_TRUE(PreTokenizer::FromJson(sequence(digits, byte_level), "")->byte_level());
  EXPECT_FALSE(PreTokenizer::FromJson(sequence(byte_level, digits), "")->byte_level());
}

TEST(PreTokenizer, EmptyMatchesSplitWithoutEnd) {
  EXPECT_THAT(Words(Split({{"Regex", "x*"}}), "axxé"), ElementsAre("a", "xx", "é"));
  EXPECT_THAT(Words(Split({{"Regex", "(?=b)"}}), "abab"), ElementsAre("a", "ba", "b"));
}

TEST(PreTokenizer, MetaspacePrependsBySchemeAndCutsBeforeSpaces) {
  const auto metaspace = [](std::string_view scheme, bool split) {
    return Json{{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", std::string(scheme)}, {"split", split}};
  };
  EXPECT_THAT(Words(metaspace("always", true), "Hey  you"), ElementsAre("▁Hey", "▁", "▁you"));
  EXPECT_THAT(Words(metaspace("always", true), " Hey"), ElementsAre("▁Hey"));
  EXPECT_THAT(Words(metaspace("first", false), "a b"), ElementsAre("▁a▁b"));
  EXPECT_THAT(Words(metaspace("first", false), "a b", false), ElementsAre("a▁b"));
  EXPECT_THAT(Words(metaspace("never", true), "a b"), ElementsAre("a", "▁b"));
  EXPECT_THAT(Words({{"type", "Metaspace"}, {"replacement", "▁"}, {"add_prefix_space", false}}, "a b"),
              ElementsAre("a", "▁b"));
}

TEST(PreTokenizer, UnsupportedKindsAreRefusedByName) {
  const auto refused = [](const Json& section, std::string_view name) {
    const auto result = PreTokenizer::FromJson(section, "tokenizer.json");
    EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition) << result.status();
    EXPECT_THAT(result.status().message(), HasSubstr("tokenizer.json: pre_tokenizer"));
    EXPECT_THAT(result.status().message(), HasSubstr(std::string(name)));
  };
  for (const char* type : {"BertPreTokenizer", "UnicodeScripts", "FixedLength"}) {
    refused({{"type", type}}, absl::StrCat("'", type, "'"));
  }
  refused(Split({{"String", "x"}}, "Sideways"), "'Sideways'");
  refused({{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "sometimes"}}, "'sometimes'");
  for (const char* pattern : {"\\w+", "a\\b", "\\h", "(*LIMIT_MATCH=1)a", "(?R)", "(?C1)", "[a&&b]", "[[:alpha:]]",
                              "a{2,3}+", "\\1", "\\K"}) {
    refused(Split({{"Regex", pattern}}), "is not supported");
  }
}

TEST(PreTokenizer, MalformedSectionsAreRefused) {
  const std::vector<Json> sections = {Json(5),
                                      Json{{"type", 5}},
                                      Json::object(),
                                      Json{{"type", "Sequence"}},
                                      Json{{"type", "Split"}},
                                      Json{{"type", "Split"}, {"pattern", "x"}, {"behavior", "Isolated"}},
                                      Split(Json{{"Regex", 7}}),
                                      Split(Json{{"Regex", "("}}),
                                      Split(Json{{"Regex", "a\\"}}),
                                      Split(Json{{"Regex", "\\p{Nonsense}"}}),
                                      Split(Json{{"Regex", "\\pL"}}),
                                      Split(Json{{"Regex", std::string(20000, 'a')}}),
                                      Split(Json{{"String", ""}}),
                                      Json{{"type", "Metaspace"}},
                                      Json{{"type", "Metaspace"}, {"replacement", ""}},
                                      Json{{"type", "ByteLevel"}, {"use_regex", "yes"}}};
  for (const Json& section : sections) {
    const auto result = PreTokenizer::FromJson(section, "tokenizer.json");
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument)
        << section.dump().substr(0, 80) << " " << result.status();
    EXPECT_THAT(result.status().message(), HasSubstr("tokenizer.json"));
  }
}

TEST(PreTokenizer, APatternThatBacktracksWithoutEndIsAnErrorNotAHang) {
  const auto pre_tokenizer = PreTokenizer::FromJson(Split({{"Regex", "(a+)+[bd]"}}), "tokenizer.json");
  ASSERT_TRUE(pre_tokenizer.ok()) << pre_tokenizer.status();
  const Status status =
      pre_tokenizer->ForEachWord(std::string(64, 'a') + "c", true, [](std::string_view) { return absl::OkStatus(); });
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
}

TEST(PreTokenizer, AMegabyteOfSpacesIsCutOnce) {
  const std::string spaces(1 << 20, ' ');
  EXPECT_EQ(Llama3(spaces + "x").size(), 2u);
  EXPECT_EQ(Llama3(spaces).size(), 1u);
}

}  // namespace
}  // namespace lwq
