// SPDX-License-Identifier: Apache-2.0
// Random texts against the SentencePiece command-line tools (Debian package `sentencepiece`): models trained with
// several settings on generated text, encoded and decoded by both.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <ostream>
#include <random>
#include <sstream>

#include "common/tokenizer/load_tokenizer.h"
#include "tests/numerics/tokenizer/reference_files.h"
#include "tests/unit/tokenizer/tokenizer_builders.h"

namespace lwq {
namespace {

using Random = std::mt19937;

const std::vector<std::string>& Words() {
  static const std::vector<std::string> kWords = {
      "the",     "baker",    "bakes", "bread",    "river",  "rivers", "running", "runner", "12", "345",
      "it's",    "naïve",    "café",  "ﬁne",      "ＡＢＣ", "①②",     "é",       "x²",     "…",  "½",
      "東京",    "京都",     "ｶﾞ",    "кот",      "коты",   "<sep>",  "▁",       "\u00AD", "Ω",  "...",
      "«quote»", "İstanbul", "ß",     "\u200Bzw", "ﷺ",      "한국어", "각"};
  return kWords;
}

std::string RandomLine(Random* random) {
  std::string line;
  for (size_t n = (*random)() % 14; n > 0; --n) {
    line += Words()[(*random)() % Words().size()];
    constexpr const char* kGaps[] = {" ", " ", " ", "  ", "", "\t", "\u3000", "\u00A0 "};
    line += kGaps[(*random)() % 8];
  }
  return line;
}

struct Setting {
  const char* name;
  const char* options;
};
void PrintTo(const Setting& setting, std::ostream* out) {
  *out << setting.name << ": " << setting.options;
}
constexpr Setting kSettings[] = {
    {"identity", "--normalization_rule_name=identity --byte_fallback=true --vocab_size=420"},
    {"llama",
     "--normalization_rule_name=identity --byte_fallback=true --remove_extra_whitespaces=false --split_digits=true "
     "--allow_whitespace_only_pieces=true --vocab_size=420"},
    {"nmt_nfkc", "--normalization_rule_name=nmt_nfkc --vocab_size=150 --character_coverage=0.985"},
    {"nfkc_cf", "--normalization_rule_name=nfkc_cf --byte_fallback=true --vocab_size=420"},
    {"symbols", "--normalization_rule_name=nmt_nfkc --user_defined_symbols='<sep>,e▁r,  ,12' --vocab_size=180"},
    {"no_prefix", "--normalization_rule_name=identity --add_dummy_prefix=false --vocab_size=200"},
    {"across_words",
     "--normalization_rule_name=identity --split_by_whitespace=false --byte_fallback=true --vocab_size=450"},
};

class SpmOracle : public ::testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    const bool installed = std::system("command -v spm_train spm_encode spm_decode >/dev/null 2>&1") == 0;
    if (!installed) {
      ASSERT_EQ(std::getenv("CI"), nullptr) << "the package sentencepiece must be installed here";
      GTEST_SKIP() << "needs spm_train, spm_encode and spm_decode: apt-get install sentencepiece";
    }
    folder_ = std::filesystem::path(LWQ_BINARY_DIR) / "spm_oracle" / GetParam().name;
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    Random random(11);
    std::ofstream corpus(folder_ / "corpus.txt");
    for (int i = 0; i < 3000; ++i) corpus << RandomLine(&random) << "\n";
    corpus.close();
    Run(absl::StrCat("spm_train --model_type=bpe --hard_vocab_limit=false --input=corpus.txt --model_prefix=m ",
                     GetParam().options));
    if (HasFatalFailure()) return;
    const auto model = ReadFile((folder_ / "m.model").string());
    ASSERT_TRUE(model.has_value());
    model_ = *model;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void Run(const std::string& command) {
    const std::string line = absl::StrCat("cd '", folder_.string(), "' && ", command, " >>log 2>&1");
    ASSERT_EQ(std::system(line.c_str()), 0) << command << "\n" << ReadFile((folder_ / "log").string()).value_or("");
  }
  std::vector<std::string> Lines(const std::string& name) {
    std::istringstream contents(ReadFile((folder_ / name).string()).value_or(""));
    std::vector<std::string> lines;
    for (std::string line; std::getline(contents, line);) lines.push_back(line);
    return lines;
  }
  void WriteLines(const std::string& name, const std::vector<std::string>& lines) {
    std::ofstream file(folder_ / name, std::ios::binary);
    for (const std::string& line : lines) file << line << "\n";
  }
  std::unique_ptr<Tokenizer> Load(const std::string& model) {
    auto tokenizer = LoadTokenizer({.tokenizer_model = model}, TokenizerFormat::kSentencePiece);
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
    return *std::move(tokenizer);
  }
  // Encodes `texts` with both and compares the ids.
  void CompareEncoding(const std::string& model, const std::vector<std::string>& texts) {
    std::ofstream(folder_ / "test.model", std::ios::binary) << model;
    WriteLines("texts", texts);
    Run("spm_encode --model=test.model --input=texts --output=ids --output_format=id");
    if (HasFatalFailure()) return;
    const std::vector<std::string> expected = Lines("ids");
    ASSERT_EQ(expected.size(), texts.size());
    const auto tokenizer = Load(model);
    for (size_t i = 0; i < texts.size(); ++i) {
      const auto ids = tokenizer->Encode(texts[i]);
      ASSERT_TRUE(ids.ok()) << ids.status();
      std::string joined;
      for (const int32_t id : *ids) absl::StrAppend(&joined, joined.empty() ? "" : " ", id);
      ASSERT_EQ(joined, expected[i]) << "text " << i << ": '" << texts[i] << "'";
    }
  }

  std::filesystem::path folder_;
  std::string model_;
};

std::vector<std::string> RandomTexts(uint32_t seed, int count) {
  Random random(seed);
  std::vector<std::string> texts;
  for (int i = 0; i < count; ++i) {
    std::string text = RandomLine(&random);
    // Now and then a byte that makes the line no UTF-8; line ends would split the file of lines.
    if (i % 10 == 9 && !text.empty()) text[random() % text.size()] = static_cast<char>(128 + random() % 128);
    texts.push_back(text);
  }
  return texts;
}

TEST_P(SpmOracle, EncodesToTheSameIds) {
  CompareEncoding(model_, RandomTexts(21, 3000));
}

TEST_P(SpmOracle, EncodesToTheSameIdsWithUnusedPieces) {
  auto model = ParseSentencePieceModel(model_, "model");
  ASSERT_TRUE(model.ok()) << model.status();
  Random random(5);
  int unused = 0;
  for (SentencePiece& piece : model->pieces) {
    if (piece.type != SentencePiece::Type::kNormal || random() % 4 != 0) continue;
    piece.type = SentencePiece::Type::kUnused;
    ++unused;
  }
  ASSERT_GT(unused, 5);
  CompareEncoding(WriteSentencePieceModel(*model), RandomTexts(22, 1000));
}

TEST_P(SpmOracle, DecodesRandomIdsToTheSameText) {
  const auto tokenizer = Load(model_);
  Random random(31);
  std::vector<std::vector<int32_t>> sequences;
  std::vector<std::string> lines;
  for (int i = 0; i < 2000; ++i) {
    std::vector<int32_t> ids;
    std::string line;
    for (size_t n = 1 + random() % 12; n > 0; --n) {
      const int32_t id = static_cast<int32_t>(random() % static_cast<uint32_t>(tokenizer->vocab_size()));
      const std::string_view piece = *tokenizer->Piece(id);
      if (piece == "<0x0A>" || piece == "<0x00>") continue;  // would end the line, or the string, of the tool's output
      ids.push_back(id);
      absl::StrAppend(&line, line.empty() ? "" : " ", id);
    }
    sequences.push_back(ids);
    lines.push_back(line);
  }
  WriteLines("ids", lines);
  Run("spm_decode --model=m.model --input=ids --output=texts --input_format=id");
  if (HasFatalFailure()) return;
  const std::vector<std::string> expected = Lines("texts");
  ASSERT_EQ(expected.size(), lines.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    ASSERT_EQ(*tokenizer->Decode(sequences[i]), expected[i]) << "ids " << lines[i];
  }
}

INSTANTIATE_TEST_SUITE_P(Models, SpmOracle, ::testing::ValuesIn(kSettings),
                         [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace lwq
