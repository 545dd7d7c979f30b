// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "common/tokenizer/prefix_trie.h"
#include "common/tokenizer/sentencepiece_model.h"
#include "common/tokenizer/sentencepiece_normalizer.h"
#include "common/tokenizer/sentencepiece_tokenizer.h"
#include "tests/unit/tokenizer/tokenizer_builders.h"

namespace lwq {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::unique_ptr<Tokenizer> Make(const SentencePieceModel& model) {
  auto parsed = ParseSentencePieceModel(WriteSentencePieceModel(model), "tokenizer.model");
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  auto tokenizer = MakeSentencePieceTokenizer(*std::move(parsed), {});
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

void ExpectRefused(std::string_view file, std::string_view reason,
                   absl::StatusCode code = absl::StatusCode::kInvalidArgument) {
  const auto model = ParseSentencePieceModel(file, "tokenizer.model");
  EXPECT_EQ(model.status().code(), code) << model.status();
  EXPECT_THAT(model.status().message(), HasSubstr("tokenizer.model: "));
  EXPECT_THAT(model.status().message(), HasSubstr(std::string(reason)));
}

TEST(SentencePiece, HigherScoresMergeFirstAndTheLeftmostOfEqualPairs) {
  const auto tokenizer = Make(SmallModel({"bc", "ab", "▁", "a", "b", "c", "aa"}, true));
  EXPECT_THAT(Pieces(*tokenizer, "abc"), ElementsAre("▁", "a", "bc"));
  EXPECT_THAT(Pieces(*tokenizer, "aaa"), ElementsAre("▁", "aa", "a"));
  EXPECT_THAT(Pieces(*tokenizer, "ab"), ElementsAre("▁", "ab"));
}

TEST(SentencePiece, UnknownCharactersBecomeTheirBytes) {
  const auto tokenizer = Make(SmallModel({"▁", "a"}, true));
  EXPECT_THAT(Pieces(*tokenizer, "aé\n"), ElementsAre("▁", "a", "<0xC3>", "<0xA9>", "<0x0A>"));
  EXPECT_EQ(*tokenizer->Decode(*tokenizer->Encode("aé\n")), "aé\n");
}

TEST(SentencePiece, WithoutByteFallbackARunOfUnknownCharactersIsOneUnk) {
  const auto tokenizer = Make(SmallModel({"▁", "a"}, false));
  EXPECT_THAT(Pieces(*tokenizer, "axyz a"), ElementsAre("▁", "a", "<unk>", "▁", "a"));
  EXPECT_EQ(*tokenizer->Decode(*tokenizer->Encode("axyza")), "a \u2047 a");
}

TEST(SentencePiece, ARunOfUnknownCharactersIsOneUnkAcrossWords) {
  // No piece for the space either: "▁xy ▁z" is unknown throughout.
  const auto tokenizer = Make(SmallModel({"a"}, false));
  EXPECT_THAT(Pieces(*tokenizer, "xy za"), ElementsAre("<unk>", "a"));
}

TEST(SentencePiece, AMergeMayJoinCharactersThatAreNoPiecesThemselves) {
  const auto tokenizer = Make(SmallModel({"né", "▁", "n"}, true));
  EXPECT_THAT(Pieces(*tokenizer, "né"), ElementsAre("▁", "né"));
}

TEST(SentencePiece, UserDefinedSymbolsAreFoundLongestFirstAndNeverMerge) {
  SentencePieceModel model = SmallModel({"▁", "a", "b", "<a", "ab"}, true);
  model.pieces.push_back({"<a>", 0, SentencePiece::Type::kUserDefined});
  model.pieces.push_back({"<a>b", 0, SentencePiece::Type::kUserDefined});
  const auto tokenizer = Make(model);
  EXPECT_THAT(Pieces(*tokenizer, "a<a>b<a>a"), ElementsAre("▁", "a", "<a>b", "<a>", "a"));
}

TEST(SentencePiece, APieceWithASpaceInsideMergesAcrossWords) {
  EXPECT_THAT(Pieces(*Make(SmallModel({"a▁b", "▁", "a", "b", "▁b"}, true)), "a b"), ElementsAre("▁", "a▁b"));
  EXPECT_THAT(Pieces(*Make(SmallModel({"▁a", "a▁b", "▁", "a", "b", "▁b"}, true)), "a b"), ElementsAre("▁a", "▁b"));
}

TEST(SentencePiece, APieceThatIsNotUtf8OrVeryLongIsQuotedAsAShortValidLine) {
  SentencePieceModel model = SmallModel({"▁", "a"}, true);
  model.pieces.push_back({"caf\xe9", std::nanf(""), SentencePiece::Type::kNormal});
  ExpectRefused(WriteSentencePieceModel(model), "('caf\uFFFD') has a score that is not a finite number");
  model.pieces.back() = {std::string(5000, 'x'), 0, SentencePiece::Type::kNormal};
  model.pieces.push_back(model.pieces.back());
  ExpectRefused(WriteSentencePieceModel(model), absl::StrCat("('", std::string(77, 'x'), "…') occurs twice"));
}

TEST(SentencePiece, UnusedPiecesAreSplitIntoWhatTheyWereMadeFrom) {
  SentencePieceModel model = SmallModel({"abc", "ab", "▁", "a", "b", "c"}, true);
  for (SentencePiece& piece : model.pieces) {
    if (piece.text == "abc") piece.type = SentencePiece::Type::kUnused;
  }
  EXPECT_THAT(Pieces(*Make(model), "abc"), ElementsAre("▁", "ab", "c"));
}

TEST(SentencePiece, TextOfControlPiecesIsPlainText) {
  const auto tokenizer = Make(SmallModel({"▁", "<", "s", ">"}, true));
  EXPECT_THAT(Pieces(*tokenizer, "<s>"), ElementsAre("▁", "<", "s", ">"));
  EXPECT_EQ(tokenizer->bos_id(), 1);
  EXPECT_EQ(tokenizer->eos_id(), 2);
}

TEST(SentencePiece, ControlPiecesGiveNoText) {
  const auto tokenizer = Make(SmallModel({"▁a"}, true));
  EXPECT_EQ(*tokenizer->Decode(std::vector<int32_t>{1, 259, 2, 259}), "a a");
}

TEST(SentencePiece, ByteRunsThatAreNotUtf8DecodeToReplacementCharacters) {
  const auto tokenizer = Make(SmallModel({"▁a"}, true));
  const int32_t byte0 = 3;
  EXPECT_EQ(*tokenizer->Decode(std::vector<int32_t>{byte0 + 0xE4, byte0 + 0xBD, 259}), "\uFFFD\uFFFD a");
  EXPECT_EQ(*tokenizer->Decode(std::vector<int32_t>{byte0 + 0xFF, byte0 + 0xC3, byte0 + 0xA9}), "\uFFFDé");
}

TEST(SentencePiece, AnIdOutsideTheVocabularyIsOutOfRange) {
  const auto tokenizer = Make(SmallModel({"a"}, true));
  EXPECT_EQ(tokenizer->vocab_size(), 260);
  for (const int32_t id : {-1, 260, INT32_MAX, INT32_MIN}) {
    EXPECT_EQ(tokenizer->Piece(id).status().code(), absl::StatusCode::kOutOfRange);
    EXPECT_EQ(tokenizer->Decode(std::vector<int32_t>{id}).status().code(), absl::StatusCode::kOutOfRange);
  }
}

TEST(SentencePiece, NormalizerSettingsAreHonoured) {
  const auto normalize = [](bool prefix, bool remove_extra, bool escape, std::string_view text) {
    SentencePieceModel model;
    model.add_dummy_prefix = prefix;
    model.remove_extra_whitespaces = remove_extra;
    model.escape_whitespaces = escape;
    const PrefixTrie none;
    return *SentencePieceNormalizer::Create(model, &none)->Normalize(text);
  };
  EXPECT_EQ(normalize(true, false, true, "  a  b "), "▁▁▁a▁▁b▁");
  EXPECT_EQ(normalize(true, true, true, "  a  b "), "▁a▁b");
  EXPECT_EQ(normalize(false, true, true, "  a  b "), "a▁b");
  EXPECT_EQ(normalize(true, true, false, " a  b"), " a b");
  EXPECT_EQ(normalize(false, false, false, " a  b"), " a  b");
  EXPECT_EQ(normalize(true, false, true, ""), "");
  EXPECT_EQ(normalize(true, true, true, "   "), "");
  EXPECT_EQ(normalize(true, false, true, "   "), "▁▁▁▁");
  EXPECT_EQ(normalize(true, true, true, "\xE4\xBD!"), "▁\uFFFD\uFFFD!");
}

TEST(SentencePiece, DamagedModelFilesAreRefusedInOneLine) {
  const std::string good = WriteSentencePieceModel(SmallModel({"▁", "a"}, true));
  ExpectRefused("", "holds no pieces");
  ExpectRefused("this is a text file, not a model", "");
  ExpectRefused(good.substr(0, good.size() / 2), "at byte");
  ExpectRefused("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 499723\n", "");

  SentencePieceModel model = SmallModel({"a", "a"}, true);
  ExpectRefused(WriteSentencePieceModel(model), "occurs twice");
  model = SmallModel({""}, true);
  ExpectRefused(WriteSentencePieceModel(model), "is empty");
  model = SmallModel({"a"}, true);
  model.pieces.back().score = std::nanf("");
  ExpectRefused(WriteSentencePieceModel(model), "not a finite number");
  model = SmallModel({"a"}, true);
  model.pieces[0].type = SentencePiece::Type::kNormal;
  ExpectRefused(WriteSentencePieceModel(model), "no piece is the unknown piece");
  model.pieces[0].type = model.pieces[1].type = SentencePiece::Type::kUnknown;
  ExpectRefused(WriteSentencePieceModel(model), "second unknown piece");
  model = SmallModel({"a"}, true);
  model.byte_ids.clear();
  ExpectRefused(WriteSentencePieceModel(model), "byte_fallback is off");
  model = SmallModel({"a"}, true);
  model.pieces.erase(model.pieces.begin() + 100);
  ExpectRefused(WriteSentencePieceModel(model), "255 of 256 byte pieces");
  model = SmallModel({"a"}, true);
  model.pieces[10].text = "<0x0g>";
  ExpectRefused(WriteSentencePieceModel(model), "names none");
  model = SmallModel({"a"}, true);
  model.pieces.back().type = static_cast<SentencePiece::Type>(9);
  ExpectRefused(WriteSentencePieceModel(model), "unknown type 9");
}

TEST(SentencePiece, ModelsOfOtherKindsAreRefusedByName) {
  const SentencePieceModel model = SmallModel({"a"}, true);
  constexpr auto kUnsupported = absl::StatusCode::kFailedPrecondition;
  ExpectRefused(WriteSentencePieceModel(model, {.model_type = 1}), "'unigram' is not supported", kUnsupported);
  ExpectRefused(WriteSentencePieceModel(model, {.model_type = 3}), "'word' is not supported", kUnsupported);
  ExpectRefused(WriteSentencePieceModel(model, {.model_type = 4}), "'char' is not supported", kUnsupported);
  ExpectRefused(WriteSentencePieceModel(model, {.model_type = 9}), "model_type 9", kUnsupported);
  ExpectRefused(WriteSentencePieceModel(model, {.treat_whitespace_as_suffix = true}), "treat_whitespace_as_suffix",
                kUnsupported);
  ExpectRefused(WriteSentencePieceModel(model) + WireBytes(5, WireBytes(2, "x")), "denormalization", kUnsupported);
}

TEST(SentencePiece, ADamagedCharacterMapIsRefused) {
  for (const std::string& blob :
       {std::string("abc"), std::string("\x08\0\0\0abcdefg", 11), std::string("\xFF\xFF\xFF\xFF....\0", 9),
        std::string("\0\0\0\0\0", 5), std::string("\x04\0\0\0aaaab", 9)}) {
    SentencePieceModel model = SmallModel({"a"}, true);
    model.precompiled_charsmap = blob;
    const auto tokenizer = MakeSentencePieceTokenizer(model, {});
    EXPECT_EQ(tokenizer.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(tokenizer.status().message(), HasSubstr("precompiled_charsmap"));
  }
}

TEST(PrefixTrie, TheLongestKeyWins) {
  PrefixTrie trie;
  EXPECT_TRUE(trie.empty());
  EXPECT_FALSE(trie.LongestMatch("abc").has_value());
  trie.Insert("a", 1);
  trie.Insert("abc", 2);
  trie.Insert("b", 3);
  EXPECT_EQ(trie.LongestMatch("abcd")->value, 2);
  EXPECT_EQ(trie.LongestMatch("abcd")->size_bytes, 3u);
  EXPECT_EQ(trie.LongestMatch("abd")->value, 1);
  EXPECT_FALSE(trie.LongestMatch("cab").has_value());
  EXPECT_FALSE(trie.LongestMatch("").has_value());
}

}  // namespace
}  // namespace lwq
