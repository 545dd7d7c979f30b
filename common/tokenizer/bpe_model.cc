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
  for (const std::string_view key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) {
    LWQ_RETURN_IF_ERROR(CheckAbsent(section, key, what));
  }
  BpeModel model;
  model.byte_level_ = byte_level;
  LWQ_ASSIGN_OR_RETURN(model.byte_fallback_, FlagOf(section, "byte_fallback", what));
  LWQ_ASSIGN_OR_RETURN(model.fuse_unk_, FlagOf(section, "fuse_unk", what));
  LWQ_ASSIGN_OR_RETURN(model.ignore_merges_, FlagOf(section, "ignore_merges", what));
  LWQ_RETURN_IF_ERROR(model.ReadVocabulary(section, what));
  LWQ_RETURN_IF_ERROR(model.ReadMerges(section, what));
  LWQ_RETURN_IF_ERROR(model.ReadUnknown(section, what));
  // With a known space no run of unknown characters reaches over the cut.
  model.may_cut_at_spaces_ = !byte_level && !model.ignore_merges_ && model.ids_.contains(kSpaceSymbol) &&
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
  for (const Json& merge : *merges) LWQ_RETURN_IF_ERROR(AddMerge(merge, rank++, what));
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
  LWQ_ASSIGN_OR_RETURN(const int32_t id, id_of(left + right));
  merges_[PairKey(left_id, right_id)] = BpeMerge{-static_cast<double>(rank), id};
  return absl::OkStatus();
}

Status BpeModel::ReadUnknown(const Json& section, std::string_view what) {
  if (byte_level_ || byte_fallback_) return FindBytes(what);
  if (!section.contains("unk_token") || section.at("unk_token").is_null()) {
    return absl::FailedPreconditionError(absl::StrCat(
        what, " has neither byte_fallback nor unk_token: it would drop unknown characters, which is not supported"));
  }
  LWQ_ASSIGN_OR_RETURN(const std::string unk, JsonString(section, "unk_token", what));
  unk_id_ = TokenId(unk);
  if (!unk_id_.has_value())
    return absl::InvalidArgumentError(absl::StrCat(what, ": unk_token '", unk, "' is not in 'vocab'"));
  return absl::OkStatus();
}

Status BpeModel::FindBytes(std::string_view what) {
  byte_ids_.resize(256);
  for (size_t byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const std::string token = byte_level_ ? ByteLevelOfBytes({&c, 1}) : BytePiece(static_cast<uint8_t>(byte));
    const std::optional<int32_t> id = TokenId(token);
    if (!id.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat(what, ": the token '", token, "' for byte ", byte, " is not in 'vocab'"));
    }
    byte_ids_[byte] = *id;
  }
  return absl::OkStatus();
}

std::optional<int32_t> BpeModel::TokenId(std::string_view token) const {
  const auto it = ids_.find(token);
  return it == ids_.end() ? std::nullopt : std::optional(it->second);
}

void BpeModel::AppendSymbols(std::string_view word, BpeWorkspace* workspace) const {
  bool after_unknown = false;
  for (size_t at = 0; at < word.size();) {
    const uint32_t begin = static_cast<uint32_t>(at);
    if (byte_level_) {
      workspace->Append(begin, 1, byte_ids_[static_cast<uint8_t>(word[at])]);
      ++at;
      continue;
    }
    const size_t size = DecodeUtf8Char(word.substr(at)).size_bytes;
    const auto id = ids_.find(word.substr(at, size));
    if (id != ids_.end()) {
      workspace->Append(begin, static_cast<uint32_t>(size), id->second);
    } else if (byte_fallback_) {
      for (size_t i = at; i < at + size; ++i) {
        workspace->Append(static_cast<uint32_t>(i), 1, byte_ids_[static_cast<uint8_t>(word[i])]);
      }
    } else if (fuse_unk_ && after_unknown) {
      workspace->Extend(static_cast<uint32_t>(size));
    } else {
      workspace->Append(begin, static_cast<uint32_t>(size), *unk_id_);
    }
    after_unknown = id == ids_.end();
    at += size;
  }
}

Status BpeModel::EncodeWord(std::string_view word, BpeWorkspace* workspace, std::vector<int32_t>* ids) const {
  if (word.size() > kMaxBpeWordBytes) return absl::InvalidArgumentError("the text has a word of more than 2 GiB");
  if (const auto known = workspace->Recall(word); known.has_value()) {
    ids->insert(ids->end(), known->begin(), known->end());
    return absl::OkStatus();
  }
  if (ignore_merges_) {
    const auto& whole_words = byte_level_ ? word_ids_ : ids_;
    if (const auto it = whole_words.find(word); it != whole_words.end()) {
      ids->push_back(it->second);
      return absl::OkStatus();
    }
  }
  workspace->Clear();
  AppendSymbols(word, workspace);
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
