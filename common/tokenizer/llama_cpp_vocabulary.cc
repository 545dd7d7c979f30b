// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer/llama_cpp_vocabulary.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/json/json.h"
#include "common/tokenizer/added_tokens.h"
#include "common/tokenizer/sentencepiece_model.h"
#include "common/tokenizer/tokenizer.h"

namespace lwq {
namespace {

using TokenType = LlamaCppVocabulary::Type;

constexpr std::string_view kTokenizerJson = "tokenizer.json";
constexpr float kScoreOfAdded = -1000;  // never merged to: they are found in the text before

// The steps of a pre_tokenizer, each as a word.
constexpr std::string_view kDigitsStep = "Digits";
constexpr std::string_view kByteLevelStep = "ByteLevel";
constexpr std::string_view kByteLevelWithPattern = "ByteLevel+GPT-2";
constexpr std::string_view kLlama3Split =
    R"(Split (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2Split =
    R"(Split (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// llama.cpp's names, and the tokenizer.json that each stands for.
struct PreTokenizerName {
  std::string_view name;
  std::vector<std::string_view> steps;
  bool ignore_merges = false;
  bool may_be_nfc = false;
};

const std::vector<PreTokenizerName>& PreTokenizerNames() {
  static const auto* const kNames = new std::vector<PreTokenizerName>{
      {"gpt-2", {kByteLevelWithPattern}},
      {"smollm", {kDigitsStep, kByteLevelWithPattern}},
      {"llama-bpe", {kLlama3Split, kByteLevelStep}, /*ignore_merges=*/true},
      {"qwen2", {kQwen2Split, kByteLevelStep}, /*ignore_merges=*/false, /*may_be_nfc=*/true},
  };
  return *kNames;
}

Status NotTaken(std::string_view what) {
  return absl::FailedPreconditionError(
      absl::StrCat("llama.cpp cannot take the tokenizer: ", what, "; export another format"));
}

// Members that the tokenizers library leaves at their defaults may be absent.
bool BoolAt(const Json& section, const char* key, bool absent) {
  const auto found = section.find(key);
  return found != section.end() && found->is_boolean() ? found->get<bool>() : absent;
}
std::string WordAt(const Json& section, const char* key) {
  const auto found = section.find(key);
  return found != section.end() && found->is_string() ? found->get<std::string>() : "";
}

// One step as a word; what none of them has becomes its type with a question mark.
std::string StepWord(const Json& step) {
  const std::string type = WordAt(step, "type");
  if (type == "ByteLevel" && !BoolAt(step, "add_prefix_space", true)) {
    return std::string(BoolAt(step, "use_regex", true) ? kByteLevelWithPattern : kByteLevelStep);
  }
  if (type == "Digits" && BoolAt(step, "individual_digits", false)) return std::string(kDigitsStep);
  if (type == "Split" && WordAt(step, "behavior") == "Isolated" && !BoolAt(step, "invert", false)) {
    const auto pattern = step.find("pattern");
    if (pattern != step.end() && pattern->is_object()) return absl::StrCat("Split ", WordAt(*pattern, "Regex"));
  }
  return absl::StrCat(type, "?");
}

std::vector<std::string> StepWords(const Json& pre_tokenizer) {
  if (WordAt(pre_tokenizer, "type") != "Sequence") return {StepWord(pre_tokenizer)};
  std::vector<std::string> words;
  const auto steps = pre_tokenizer.find("pretokenizers");
  if (steps == pre_tokenizer.end() || !steps->is_array()) return words;
  for (const Json& step : *steps) words.push_back(StepWord(step));
  return words;
}

StatusOr<std::string> NameOfPreTokenizer(const Json& root) {
  const Json& model = root.at("model");
  const auto section = root.find("pre_tokenizer");
  const std::vector<std::string> steps =
      section == root.end() || section->is_null() ? std::vector<std::string>() : StepWords(*section);
  const auto normalizer = root.find("normalizer");
  const std::string normalization =
      normalizer == root.end() || normalizer->is_null() ? "" : absl::StrCat(WordAt(*normalizer, "type"), "?");
  std::vector<std::string> names;
  for (const PreTokenizerName& known : PreTokenizerNames()) {
    names.emplace_back(known.name);
    if (!std::equal(steps.begin(), steps.end(), known.steps.begin(), known.steps.end())) continue;
    if (!normalization.empty() && !(known.may_be_nfc && normalization == "NFC?")) {
      return NotTaken(absl::StrCat("its normalizer is ", normalization.substr(0, normalization.size() - 1),
                                   ", and what it calls '", known.name, "' has none"));
    }
    if (BoolAt(model, "ignore_merges", false) != known.ignore_merges) {
      return NotTaken(absl::StrCat("its ignore_merges is ", known.ignore_merges ? "not set" : "set",
                                   ", unlike in what it calls '", known.name, "'"));
    }
    return std::string(known.name);
  }
  return NotTaken(absl::StrCat("its pre_tokenizer (", steps.empty() ? "none" : absl::StrJoin(steps, ", "),
                               ") is none of those known here: ", absl::StrJoin(names, ", ")));
}

bool IsByteLevel(const Json& pre_tokenizer) {
  for (const std::string& word : StepWords(pre_tokenizer)) {
    if (word.starts_with(kByteLevelStep)) return true;
  }
  return false;
}

StatusOr<std::vector<std::string>> MergesOf(const Json& model) {
  std::vector<std::string> merges;
  for (const Json& merge : model.at("merges")) {  // LoadTokenizer has read them: "a b" or ["a", "b"]
    if (merge.is_array()) {
      const auto left = merge[0].get<std::string>(), right = merge[1].get<std::string>();
      if (left.find(' ') != std::string::npos || right.find(' ') != std::string::npos) {
        return NotTaken("one of its merges has a space in it");
      }
      merges.push_back(absl::StrCat(left, " ", right));
    } else if (auto text = merge.get<std::string>(); !text.starts_with("#version")) {
      merges.push_back(std::move(text));
    }
  }
  return merges;
}

TokenType TypeOfAdded(const AddedToken& token) {
  return token.special ? TokenType::kControl : TokenType::kUserDefined;
}

// Added tokens of all files; of an id that stands in several the last one's flags count, as in LoadTokenizer.
StatusOr<std::vector<AddedToken>> AddedTokensOf(const TokenizerFiles& files, const Json& root) {
  std::vector<AddedToken> all;
  const auto append = [&all](StatusOr<std::vector<AddedToken>> tokens) -> Status {
    LWQ_RETURN_IF_ERROR(tokens.status());
    for (AddedToken& token : *tokens) all.push_back(std::move(token));
    return absl::OkStatus();
  };
  if (files.added_tokens_json.has_value()) {
    LWQ_ASSIGN_OR_RETURN(const Json json, ParseJson(*files.added_tokens_json, "added_tokens.json"));
    LWQ_RETURN_IF_ERROR(append(ParseAddedTokensMap(json, "added_tokens.json")));
  }
  if (files.tokenizer_config_json.has_value()) {
    LWQ_ASSIGN_OR_RETURN(const Json json, ParseJson(*files.tokenizer_config_json, "tokenizer_config.json"));
    if (const auto decoder = json.find("added_tokens_decoder"); decoder != json.end()) {
      LWQ_RETURN_IF_ERROR(append(ParseAddedTokensDecoder(*decoder, "tokenizer_config.json")));
    }
  }
  if (const auto added = root.find("added_tokens"); added != root.end()) {
    LWQ_RETURN_IF_ERROR(append(ParseAddedTokens(*added, kTokenizerJson)));
  }
  return all;
}

// Tokens and types of what LoadTokenizer made of the files; ids without a token are unused ones.
Status FillTokens(const Tokenizer& tokenizer, const std::vector<AddedToken>& added, const VocabularyOfModel& model,
                  LlamaCppVocabulary& vocabulary) {
  if (tokenizer.vocab_size() > model.rows) {
    return absl::InvalidArgumentError(absl::StrCat("the tokenizer has ", tokenizer.vocab_size(),
                                                   " tokens, the model embeddings of ", model.rows,
                                                   ": llama.cpp needs "
                                                   "one for each token"));
  }
  const auto rows = static_cast<size_t>(model.rows);
  vocabulary.tokens.resize(rows);
  vocabulary.types.assign(rows, TokenType::kNormal);
  for (size_t id = 0; id < rows; ++id) {
    const auto piece = tokenizer.Piece(static_cast<int32_t>(id));
    vocabulary.tokens[id] = piece.ok() ? std::string(*piece) : absl::StrCat("[PAD", id, "]");
    if (!piece.ok()) vocabulary.types[id] = TokenType::kUnused;
  }
  for (const AddedToken& token : added) {
    const auto id = static_cast<size_t>(token.id);
    if (id < rows && vocabulary.tokens[id] == token.content) vocabulary.types[id] = TypeOfAdded(token);
  }
  std::unordered_set<std::string_view> seen;
  for (const std::string& token : vocabulary.tokens) {
    if (!seen.insert(token).second) return NotTaken(absl::StrCat("it has the token '", token, "' twice"));
  }
  return absl::OkStatus();
}

Status FillSpecialTokens(const Tokenizer& tokenizer, const VocabularyOfModel& model, LlamaCppVocabulary& vocabulary) {
  const auto id_of = [&model](std::optional<int32_t> id, int64_t of_model) -> std::optional<int32_t> {
    if (id.has_value()) return id;
    if (of_model >= 0 && of_model < model.rows) return static_cast<int32_t>(of_model);
    return std::nullopt;
  };
  const std::optional<int32_t> eos = id_of(tokenizer.eos_id(), model.eos_token_id);
  const std::optional<int32_t> bos = id_of(tokenizer.bos_id(), model.bos_token_id);
  if (!eos.has_value()) return NotTaken("neither it nor config.json names an end of texts (eos_token)");
  vocabulary.eos_id = *eos;
  vocabulary.bos_id = bos.value_or(*eos);  // without a number of its own llama.cpp takes id 11
  const std::span<const int32_t> prefix = tokenizer.prefix_ids();
  if (!prefix.empty() && (prefix.size() > 1 || prefix.front() != vocabulary.bos_id)) {
    return NotTaken("it puts other tokens in front of texts than a BOS");
  }
  vocabulary.add_bos = !prefix.empty();
  return absl::OkStatus();
}

StatusOr<LlamaCppVocabulary> ByteLevelVocabulary(const Json& root, const Tokenizer& tokenizer,
                                                 const std::vector<AddedToken>& added, const VocabularyOfModel& model) {
  LlamaCppVocabulary vocabulary{.model = "gpt2"};
  LWQ_ASSIGN_OR_RETURN(vocabulary.pre, NameOfPreTokenizer(root));
  LWQ_ASSIGN_OR_RETURN(vocabulary.merges, MergesOf(root.at("model")));
  LWQ_RETURN_IF_ERROR(FillTokens(tokenizer, added, model, vocabulary));
  LWQ_RETURN_IF_ERROR(FillSpecialTokens(tokenizer, model, vocabulary));
  return vocabulary;
}

Status CheckSentencePiece(const SentencePieceModel& model) {
  if (model.byte_ids.empty()) return NotTaken("tokenizer.model has no byte fallback");
  if (!model.precompiled_charsmap.empty()) {
    return NotTaken(absl::StrCat("tokenizer.model normalizes texts (", model.normalizer_name, ")"));
  }
  if (model.remove_extra_whitespaces) return NotTaken("tokenizer.model removes extra spaces");
  if (!model.escape_whitespaces) return NotTaken("tokenizer.model does not escape spaces");
  return absl::OkStatus();
}

StatusOr<LlamaCppVocabulary> SentencePieceVocabulary(std::string_view file, const Tokenizer& tokenizer,
                                                     const std::vector<AddedToken>& added,
                                                     const VocabularyOfModel& model) {
  LWQ_ASSIGN_OR_RETURN(const SentencePieceModel pieces, ParseSentencePieceModel(file, "tokenizer.model"));
  LWQ_RETURN_IF_ERROR(CheckSentencePiece(pieces));
  LlamaCppVocabulary vocabulary{.model = "llama", .pre = "default"};
  LWQ_RETURN_IF_ERROR(FillTokens(tokenizer, added, model, vocabulary));
  LWQ_RETURN_IF_ERROR(FillSpecialTokens(tokenizer, model, vocabulary));
  vocabulary.scores.assign(vocabulary.tokens.size(), kScoreOfAdded);
  if (pieces.pieces.size() > vocabulary.tokens.size()) {
    return absl::InvalidArgumentError("tokenizer.model has more pieces than the model has embeddings");
  }
  for (size_t id = 0; id < pieces.pieces.size(); ++id) {
    const SentencePiece& piece = pieces.pieces[id];
    const bool is_text = piece.type == SentencePiece::Type::kNormal || piece.type == SentencePiece::Type::kByte;
    if (is_text && vocabulary.tokens[id] != piece.text) {
      return absl::InvalidArgumentError(absl::StrCat("token ", id, " is '", vocabulary.tokens[id],
                                                     "' in tokenizer.json and '", piece.text,
                                                     "' in tokenizer.model: take both from the same model"));
    }
    vocabulary.scores[id] = piece.score;
    vocabulary.types[id] = static_cast<TokenType>(piece.type);  // the same numbers
  }
  vocabulary.unk_id = pieces.unk_id;
  vocabulary.add_space_prefix = pieces.add_dummy_prefix;
  return vocabulary;
}

}  // namespace

StatusOr<LlamaCppVocabulary> LlamaCppVocabularyOf(const TokenizerFiles& files, const VocabularyOfModel& model) {
  LWQ_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer, LoadTokenizer(files));
  Json root = Json::object();
  if (files.tokenizer_json.has_value()) {
    LWQ_ASSIGN_OR_RETURN(root, ParseJson(*files.tokenizer_json, kTokenizerJson));
  }
  LWQ_ASSIGN_OR_RETURN(const std::vector<AddedToken> added, AddedTokensOf(files, root));
  const auto pre_tokenizer = root.find("pre_tokenizer");
  if (pre_tokenizer != root.end() && pre_tokenizer->is_object() && IsByteLevel(*pre_tokenizer)) {
    return ByteLevelVocabulary(root, *tokenizer, added, model);
  }
  if (!files.tokenizer_model.has_value()) {
    return NotTaken("its tokenizer.json is not byte-level, and without tokenizer.model beside it there are no scores");
  }
  return SentencePieceVocabulary(*files.tokenizer_model, *tokenizer, added, model);
}

}  // namespace lwq
