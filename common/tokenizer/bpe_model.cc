// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer/bpe_model.h"

#include <algorithm>

#include "common/text/utf8.h"
#include "common/tokenizer/byte_level.h"
#include "common/tokenizer/byte_piece.h"
#include "common/tokenizer/sentencepiece_normalizer.h"
#include "common/tokenizer/word_split.h"

namespace lwq {
namespace {

uint64_t PairKey(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

StatusOr<bool> FlagOf(const Json& section, std::string_view key, std::string_view what) {
  if (!section.contains(key) || section.at(std::string(key)).is_null()) return false;
  return JsonBool(section, key, what);
}

StatusOr<std::string> TextOf(const Json& section, std::string_view key, std::string_view what) {
  if (!section.contains(key) || section.at(std::string(key)).is_null()) return std::string();
  return JsonString(section, key, what);
}

Status CheckAbsent(const Json& section, std::string_view key, std::string_view what) {
  const auto it = section.find(key);
  const bool absent = it == section.end() || it->is_null() ||
                      (it->is_string() && it->get_ref<const std::string&>().empty()) ||
                      (it->is_number() && it->get<double>() == 0);
  if (absent) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(what, " with '", key, "' is not supported"));
}

}  // namespace

StatusOr<BpeModel> BpeModel::FromJson(const Json& section, bool byte_level, std::string_view file) {
  const std::string what = absl::StrCat(file, ": model");
  if (!section.is_object()) return absl::InvalidArgumentError(absl::StrCat(what, " must be an object"));
  if (section.contains("type") || !section.contains("merges")) {  // old files omit the type
    LWQ_ASSIGN_OR_RETURN(const std::string type, JsonString(section, "type", what));
    if (type != "BPE")
      return absl::FailedPreconditionError(absl::StrCat(what, " of type '", type, "' is not supported; only BPE is"));
  }
  LWQ_RETURN_IF_ERROR(CheckAbsent(section, "dropout", what));
  BpeModel model;
  LWQ_ASSIGN_OR_RETURN(model.subword_prefix_, TextOf(section, "continuing_subword_prefix", what));
  LWQ_ASSIGN_OR_RETURN(model.word_suffix_, TextOf(section, "end_of_word_suffix", what));
  model.byte_level_ = byte_level;
  LWQ_ASSIGN_OR_RETURN(model.byte_fallback_, FlagOf(section, "byte_fallback", what));
  LWQ_ASSIGN_OR_RETURN(model.fuse_unk_, FlagOf(section, "fuse_unk", what));
  LWQ_ASSIGN_OR_RETURN(model.ignore_merges_, FlagOf(section, "ignore_merges", what));
  LWQ_RETURN_IF_ERROR(model.ReadVocabulary(section, what));
  LWQ_RETURN_IF_ERROR(model.ReadMerges(section, what));
  LWQ_RETURN_IF_ERROR(model.ReadUnknown(section, what));
  model.words_are_bytes_ = byte_level && model.subword_prefix_.empty() && model.word_suffix_.empty() &&
                           (std::count(model.byte_ids_.begin(), model.byte_ids_.end(), kNoToken) == 0 ||
                            (!model.byte_fallback_ && model.unk_token_.empty()));
  if (byte_level && !model.words_are_bytes_) model.FindBytes(false);
  // With a known space no run of unknown characters reaches over the cut.
  model.may_cut_at_spaces_ = !byte_level && !model.ignore_merges_ && model.subword_prefix_.empty() &&
                             model.word_suffix_.empty() && model.ids_.contains(kSpaceSymbol) &&
                             std::none_of(model.merges_.begin(), model.merges_.end(), [&](const auto& merge) {
                               return CrossesWords(model.tokens_[static_cast<size_t>(merge.second.id)], kSpaceSymbol);
                             });
  return model;
}

Status BpeModel::ReadVocabulary(const Json& section, std::string_view what) {
  const auto vocabulary = section.find("vocab");
  if (vocabulary == section.end() || !vocabulary->is_object() || vocabulary->empty()) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": 'vocab' must be an object of tokens and ids"));
  }
  std::vector<bool> taken;
  for (const auto& [token, id_json] : vocabulary->items()) {
    if (!id_json.is_number_integer() || id_json < 0 || id_json >= kMaxVocabularySize) {
      return absl::InvalidArgumentError(
          absl::StrCat(what, ": the id of token '", token, "' must be an integer in [0, ", kMaxVocabularySize, ")"));
    }
    if (token.empty()) return absl::InvalidArgumentError(absl::StrCat(what, ": 'vocab' has an empty token"));
    const size_t id = id_json.get<size_t>();
    if (id >= tokens_.size()) {
      tokens_.resize(id + 1);
      taken.resize(id + 1);
    }
    if (taken[id])
      return absl::InvalidArgumentError(
          absl::StrCat(what, ": tokens '", tokens_[id], "' and '", token, "' share id ", id));
    taken[id] = true;
    tokens_[id] = token;
    ids_.emplace(token, static_cast<int32_t>(id));
    if (!byte_level_) continue;
    if (std::optional<std::string> bytes = BytesOfByteLevel(token); bytes.has_value()) {
      word_ids_.emplace(*std::move(bytes), static_cast<int32_t>(id));
    }
  }
  return absl::OkStatus();
}

Status BpeModel::ReadMerges(const Json& section, std::string_view what) {
  const auto merges = section.find("merges");
  if (merges == section.end() || !merges->is_array()) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": 'merges' must be a list"));
  }
  merges_.reserve(merges->size());
  int64_t rank = 0;
  for (const Json& merge : *merges) {
    if (merge.is_string() && merge.get_ref<const std::string&>().starts_with("#version")) continue;
    LWQ_RETURN_IF_ERROR(AddMerge(merge, rank++, what));
  }
  return absl::OkStatus();
}

Status BpeModel::AddMerge(const Json& merge, int64_t rank, std::string_view what) {
  std::string left;
  std::string right;
  if (merge.is_string()) {
    const std::string& text = merge.get_ref<const std::string&>();
    const size_t space = text.find(' ');
    left = text.substr(0, space);
    if (space != std::string::npos) right = text.substr(space + 1);
    if (right.find(' ') != std::string::npos) right.clear();
  } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    left = merge[0].get<std::string>();
    right = merge[1].get<std::string>();
  }
  if (left.empty() || right.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": merge ", rank, " must be \"a b\" or [\"a\", \"b\"]"));
  }
  const auto id_of = [&](const std::string& token) -> StatusOr<int32_t> {
    const auto it = ids_.find(token);
    if (it != ids_.end()) return it->second;
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": merge ", rank, " needs the token '", token, "', which is not in 'vocab'"));
  };
  LWQ_ASSIGN_OR_RETURN(const int32_t left_id, id_of(left));
  LWQ_ASSIGN_OR_RETURN(const int32_t right_id, id_of(right));
  if (!right.starts_with(subword_prefix_)) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": the right part of merge ", rank, ", '", right,
                                                   "', does not begin with continuing_subword_prefix"));
  }
  LWQ_ASSIGN_OR_RETURN(const int32_t id, id_of(left + right.substr(subword_prefix_.size())));
  merges_[PairKey(left_id, right_id)] = BpeMerge{-static_cast<double>(rank), id};
  return absl::OkStatus();
}

Status BpeModel::ReadUnknown(const Json& section, std::string_view what) {
  LWQ_ASSIGN_OR_RETURN(unk_token_, TextOf(section, "unk_token", what));
  unk_id_ = TokenId(unk_token_);
  FindBytes(byte_level_);
  return absl::OkStatus();
}

void BpeModel::FindBytes(bool byte_level) {
  byte_ids_.assign(256, kNoToken);
  for (size_t byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const std::string token = byte_level ? ByteLevelOfBytes({&c, 1}) : BytePiece(static_cast<uint8_t>(byte));
    byte_ids_[byte] = TokenId(token).value_or(kNoToken);
  }
}

std::optional<int32_t> BpeModel::TokenId(std::string_view token) const {
  const auto it = ids_.find(token);
  return it == ids_.end() ? std::nullopt : std::optional(it->second);
}

Status BpeModel::Missing(std::string_view character, std::string* missing) const {
  *missing = byte_level_ && !words_are_bytes_ ? BytesOfByteLevel(character).value_or(std::string(character))
                                              : std::string(character);
  std::string bytes;
  for (const char byte : *missing) {
    absl::StrAppend(&bytes, bytes.empty() ? "" : " ", absl::Hex(static_cast<uint8_t>(byte), absl::kZeroPad2));
  }
  std::string why;
  if (!unk_token_.empty()) why = absl::StrCat(", nor for unk_token '", unk_token_, "'");
  return absl::FailedPreconditionError(
      absl::StrCat("the tokenizer has no token for ", byte_level_ ? "the byte " : "the character ",
                   byte_level_ ? "" : absl::StrCat("'", *missing, "' (bytes "), bytes, byte_level_ ? "" : ")", why));
}

Status BpeModel::AppendBytes(std::string_view word, BpeWorkspace* workspace, std::string* missing) const {
  for (size_t at = 0; at < word.size(); ++at) {
    const int32_t id = byte_ids_[static_cast<uint8_t>(word[at])];
    if (id == kNoToken) return Missing(word.substr(at, 1), missing);
    workspace->Append(static_cast<uint32_t>(at), 1, id);
  }
  return absl::OkStatus();
}

// A piece as the tokens of its bytes, if there is one for each.
bool BpeModel::AppendFallback(std::string_view piece, uint32_t begin, BpeWorkspace* workspace) const {
  const auto id_of = [this](char byte) { return byte_ids_[static_cast<uint8_t>(byte)]; };
  if (std::any_of(piece.begin(), piece.end(), [&](char byte) { return id_of(byte) == kNoToken; })) return false;
  for (size_t i = 0; i < piece.size(); ++i) workspace->Append(begin + static_cast<uint32_t>(i), 1, id_of(piece[i]));
  return true;
}

Status BpeModel::AppendCharacters(std::string_view word, BpeWorkspace* workspace, std::string* missing) const {
  UnknownRun unknown;
  const auto flush = [&] {
    if (unknown.size > 0) workspace->Append(unknown.begin, unknown.size, *unk_id_);
    unknown.size = 0;
  };
  const bool affixes = !subword_prefix_.empty() || !word_suffix_.empty();
  std::string spelt;
  for (size_t at = 0; at < word.size();) {
    const uint32_t begin = static_cast<uint32_t>(at);
    const std::string_view character = word.substr(at, DecodeUtf8Char(word.substr(at)).size_bytes);
    const uint32_t size = static_cast<uint32_t>(character.size());
    at += size;
    std::string_view piece = character;
    if (affixes) {
      spelt = absl::StrCat(begin == 0 ? std::string() : subword_prefix_, std::string(character),
                           at == word.size() ? word_suffix_ : std::string());
      piece = spelt;
    }
    if (const auto id = ids_.find(piece); id != ids_.end()) {
      flush();
      workspace->Append(begin, size, id->second);
      continue;
    }
    // Unknown characters before bytes stay behind them, as in the tokenizers library.
    if (byte_fallback_ && AppendFallback(piece, begin, workspace)) continue;
    if (!unk_id_.has_value()) return Missing(character, missing);
    if (!fuse_unk_) flush();
    if (unknown.size == 0) unknown.begin = begin;
    unknown.size += size;
  }
  flush();
  return absl::OkStatus();
}

Status BpeModel::EncodeWord(std::string_view word, BpeWorkspace* workspace, std::vector<int32_t>* ids,
                            std::string* missing) const {
  if (word.size() > kMaxBpeWordBytes) return absl::InvalidArgumentError("the text has a word of more than 2 GiB");
  if (const auto known = workspace->Recall(word); known.has_value()) {
    ids->insert(ids->end(), known->begin(), known->end());
    return absl::OkStatus();
  }
  if (ignore_merges_) {
    const auto& whole_words = words_are_bytes_ ? word_ids_ : ids_;
    if (const auto it = whole_words.find(word); it != whole_words.end()) {
      ids->push_back(it->second);
      return absl::OkStatus();
    }
  }
  workspace->Clear();
  LWQ_RETURN_IF_ERROR(words_are_bytes_ ? AppendBytes(word, workspace, missing)
                                       : AppendCharacters(word, workspace, missing));
  workspace->Merge([&](const BpeSymbol& left, const BpeSymbol& right) -> std::optional<BpeMerge> {
    const auto it = merges_.find(PairKey(left.id, right.id));
    return it == merges_.end() ? std::nullopt : std::optional(it->second);
  });
  const size_t first = ids->size();
  const std::vector<BpeSymbol>& symbols = workspace->symbols();
  for (int32_t i = symbols.empty() ? -1 : 0; i >= 0; i = symbols[static_cast<size_t>(i)].next) {
    ids->push_back(symbols[static_cast<size_t>(i)].id);
  }
  workspace->Remember(word, std::span(*ids).subspan(first));
  return absl::OkStatus();
}

}  // namespace lwq
