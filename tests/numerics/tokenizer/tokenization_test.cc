// SPDX-License-Identifier: Apache-2.0
// Ids, pieces and decoded texts against SentencePiece 0.1.97, and the windows of the reference's token streams.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "common/artifact/safetensors.h"
#include "common/digest/digest.h"
#include "common/documents/documents.h"
#include "common/json/json.h"
#include "common/text/utf8.h"
#include "common/tokenizer/load_tokenizer.h"
#include "tests/numerics/tokenizer/reference_files.h"
#include "tests/unit/tokenizer/tokenizer_builders.h"
#include "worker/windows/windows.h"

namespace lwq {
namespace {

const Json& Golden() {
  static const Json kGolden = [] {
    const auto json = ParseJson(ReadGolden("tokenization.json").value(), "tokenization.json");
    EXPECT_TRUE(json.ok()) << json.status();
    return *json;
  }();
  return kGolden;
}

std::unique_ptr<Tokenizer> Stories() {
  const std::string file = ReadGolden("stories260k_tokenizer.model").value();
  // The golden ids are SentencePiece's own, which spells out "<s>" in a text.
  auto tokenizer = LoadTokenizer({.tokenizer_model = file}, TokenizerFormat::kSentencePiece);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

SentencePieceModel StoriesModel() {
  const auto model = ParseSentencePieceModel(ReadGolden("stories260k_tokenizer.model").value(), "tokenizer.model");
  EXPECT_TRUE(model.ok()) << model.status();
  return *model;
}

std::unique_ptr<Tokenizer> StoriesFromJson(bool metaspace) {
  const std::string file = JsonOfSentencePiece(StoriesModel(), metaspace).dump();
  auto tokenizer = LoadTokenizer({.tokenizer_json = file});
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

// The digest of the ids as little-endian int32.
std::string IdsDigest(const std::vector<int32_t>& ids) {
  std::string bytes;
  for (const int32_t id : ids) {
    for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<char>(static_cast<uint32_t>(id) >> (8 * i)));
  }
  return DigestOf(bytes).hex();
}

// tokenizer.json cannot say remove_extra_whitespaces: texts that it would change are left out.
bool SpacesAreSingleAndInside(const std::string& text) {
  const std::string spaces = ReplaceAll(text, "▁", " ");
  return !spaces.empty() && spaces.front() != ' ' && spaces.back() != ' ' && spaces.find("  ") == std::string::npos;
}

TEST(Tokenization, EveryCaseEqualsSentencePiece) {
  const auto tokenizer = Stories();
  ASSERT_GE(Golden().at("cases").size(), 58u);
  for (const Json& expected : Golden().at("cases")) {
    const std::string text = expected.at("text");
    SCOPED_TRACE(text);
    const auto ids = tokenizer->Encode(text);
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, expected.at("ids").get<std::vector<int32_t>>());
    std::vector<std::string> pieces;
    for (const int32_t id : *ids) pieces.emplace_back(*tokenizer->Piece(id));
    EXPECT_EQ(pieces, expected.at("pieces").get<std::vector<std::string>>());
    EXPECT_EQ(*tokenizer->Decode(*ids), expected.at("decoded").get<std::string>());
  }
  EXPECT_EQ(tokenizer->vocab_size(), 512);
  EXPECT_EQ(tokenizer->bos_id(), 1);
  EXPECT_EQ(tokenizer->eos_id(), 2);
}

TEST(Tokenization, TokenizerJsonOfTheSameModelGivesTheSameIds) {
  for (const bool metaspace : {false, true}) {
    const auto tokenizer = StoriesFromJson(metaspace);
    int compared = 0;
    for (const Json& expected : Golden().at("cases")) {
      const std::string text = expected.at("text");
      if (!SpacesAreSingleAndInside(text)) continue;
      SCOPED_TRACE(text);
      ++compared;
      const auto ids = tokenizer->Encode(text);
      ASSERT_TRUE(ids.ok()) << ids.status();
      EXPECT_EQ(*ids, expected.at("ids").get<std::vector<int32_t>>());
      EXPECT_EQ(*tokenizer->Decode(*ids), expected.at("decoded").get<std::string>());
    }
    EXPECT_GE(compared, 35);
  }
}

// Which reference file has which text of tokenization.json.
struct WholeFile {
  const char* recorded_as;
  const char* name;
};
constexpr WholeFile kWholeFiles[] = {
    {"pytorch/examples word_language_model/data/wikitext-2/test.txt", "data/wikitext2_test.txt"},
    {"data/tinystories_calib.txt", "data/tinystories_calib.txt"},
    {"data/tinystories_heldout.txt", "data/tinystories_heldout.txt"},
};

TEST(Tokenization, WholeFilesEqualSentencePiece) {
  const auto tokenizer = Stories();
  for (const WholeFile& file : kWholeFiles) {
    SCOPED_TRACE(file.name);
    LWQ_READ_REFERENCE_OR_SKIP(text, file.name);
    const Json* expected = nullptr;
    for (const Json& entry : Golden().at("files")) {
      if (entry.at("file") == file.recorded_as) expected = &entry;
    }
    ASSERT_NE(expected, nullptr);
    ASSERT_EQ(DigestOf(text).hex(), expected->at("sha256_of_file").get<std::string>());
    const auto documents = ReadDocuments(file.name, text);
    ASSERT_TRUE(documents.ok()) << documents.status();
    const auto ids = TokenizeStream(*tokenizer, *documents, /*add_bos=*/false);
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(ids->size(), expected->at("n_ids").get<size_t>());
    EXPECT_EQ(IdsDigest(*ids), expected->at("sha256_of_ids_int32_le").get<std::string>());
  }
}

TEST(Tokenization, TokenizerJsonGivesTheSameIdsForAWholeFile) {
  LWQ_READ_REFERENCE_OR_SKIP(text, "data/wikitext2_test.txt");
  std::string single = text;
  while (single.find("  ") != std::string::npos) single = ReplaceAll(single, "  ", " ");
  single = "x" + single + "x";
  ASSERT_TRUE(SpacesAreSingleAndInside(single));
  const auto expected = Stories()->Encode(single);
  for (const bool metaspace : {false, true}) {
    const auto ids = StoriesFromJson(metaspace)->Encode(single);
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_GT(ids->size(), 500000u);
    EXPECT_TRUE(*ids == *expected);
  }
}

// A tensor of the reference as 64-bit integers.
std::vector<int64_t> Integers(const SafetensorsFile& file, const std::string& name) {
  const auto tensor = file.Get(name);
  EXPECT_TRUE(tensor.ok()) << tensor.status();
  EXPECT_EQ(tensor->dtype, DType::kI64);
  std::vector<int64_t> values(tensor->bytes.size() / sizeof(int64_t));
  std::memcpy(values.data(), tensor->bytes.data(), values.size() * sizeof(int64_t));
  return values;
}

std::vector<int64_t> Widened(const std::vector<int32_t>& ids) {
  return {ids.begin(), ids.end()};
}

class ReferenceTokens : public ::testing::Test {
 protected:
  void SetUp() override {
    LWQ_READ_REFERENCE_OR_SKIP(tokens, "data/tokens.safetensors");
    auto file = SafetensorsFile::Parse(Bytes::FromString(tokens), "tokens.safetensors");
    ASSERT_TRUE(file.ok()) << file.status();
    tokens_ = *std::move(file);
  }
  std::vector<int32_t> Stream(const std::string& name) const {
    const auto text = ReadFile(ReferencePath(name));
    EXPECT_TRUE(text.has_value()) << name;
    const auto ids = TokenizeStream(*Stories(), {text.value_or("")}, /*add_bos=*/true);
    EXPECT_TRUE(ids.ok()) << ids.status();
    return *ids;
  }
  std::optional<SafetensorsFile> tokens_;
};

TEST_F(ReferenceTokens, StreamsFromRawTextAreEqual) {
  EXPECT_EQ(Widened(Stream("data/tinystories_calib.txt")), Integers(*tokens_, "calib_stream"));
  EXPECT_EQ(Widened(Stream("data/tinystories_heldout.txt")), Integers(*tokens_, "heldout_stream"));
}

TEST_F(ReferenceTokens, WindowsAtTheStoredStartsAreEqual) {
  const std::vector<int32_t> stream = Stream("data/tinystories_calib.txt");
  for (const auto& [starts, ids] : {std::pair<const char*, const char*>("train_starts", "train_ids"),
                                    std::pair<const char*, const char*>("train_starts_128", "train_ids_128"),
                                    std::pair<const char*, const char*>("val_starts", "val_ids")}) {
    SCOPED_TRACE(ids);
    const auto windows = CutWindows(stream, Integers(*tokens_, starts), 128);
    ASSERT_TRUE(windows.ok()) << windows.status();
    EXPECT_EQ(Widened(windows->ids), Integers(*tokens_, ids));
  }
}

TEST_F(ReferenceTokens, TheStoredStartsKeepTheRegionsThatOursAreDrawnFrom) {
  const std::vector<int32_t> stream = Stream("data/tinystories_calib.txt");
  const int64_t cut = static_cast<int64_t>(stream.size()) * 9 / 10;
  WindowOptions options;
  options.train_size = 128;
  options.val_size = 8;
  options.seqlen = 128;
  const auto ours = SampleWindows(stream, options);
  ASSERT_TRUE(ours.ok()) << ours.status();
  std::vector<int64_t> train = Integers(*tokens_, "train_starts_128");
  std::vector<int64_t> val = Integers(*tokens_, "val_starts");
  train.insert(train.end(), ours->train.starts.begin(), ours->train.starts.end());
  val.insert(val.end(), ours->val.starts.begin(), ours->val.starts.end());
  for (const int64_t start : train) EXPECT_LE(start + 128, cut);
  for (const int64_t start : val) EXPECT_GE(start, cut);
}

TEST_F(ReferenceTokens, EvaluationWindowsOfTheHeldOutTextAreEqual) {
  const auto windows = EvalWindows(Stream("data/tinystories_heldout.txt"), 128);
  ASSERT_TRUE(windows.ok()) << windows.status();
  EXPECT_EQ(Widened(windows->ids), Integers(*tokens_, "heldout_ids"));
}

TEST(PerplexityStreams, TokensAndWindowsHaveTheReferencesCounts) {
  LWQ_READ_REFERENCE_OR_SKIP(ppl, "ppl.json");
  const auto reference = ParseJson(ppl, "ppl.json");
  ASSERT_TRUE(reference.ok()) << reference.status();
  const auto tokenizer = Stories();
  int compared = 0;
  for (const Json& result : reference->at("results")) {
    SCOPED_TRACE(result.dump().substr(0, 120));
    const auto text = ReadFile(ReferencePath(result.at("text")));
    ASSERT_TRUE(text.has_value());
    const auto stream = TokenizeStream(*tokenizer, {*text}, result.at("bos_in_front_of_the_stream").get<bool>());
    ASSERT_TRUE(stream.ok()) << stream.status();
    EXPECT_EQ(stream->size(), result.at("n_tokens_stream").get<size_t>());
    const auto windows = EvalWindows(*stream, result.at("seqlen").get<int64_t>());
    ASSERT_TRUE(windows.ok()) << windows.status();
    const int64_t wanted = result.at("num_chunks").get<int64_t>();
    EXPECT_EQ(result.at("max_chunks").is_null() ? windows->count() : std::min(windows->count(), wanted), wanted);
    ++compared;
  }
  EXPECT_GE(compared, 12);
}

}  // namespace
}  // namespace lwq
