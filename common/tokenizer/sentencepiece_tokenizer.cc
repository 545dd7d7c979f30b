// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer/sentencepiece_tokenizer.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/text/utf8.h"
#include "common/tokenizer/bpe_merge.h"
#include "common/tokenizer/prefix_trie.h"
#include "common/tokenizer/sentencepiece_normalizer.h"
#include "common/tokenizer/string_map.h"
#include "common/tokenizer/word_split.h"

namespace lwq {
namespace {

using Type = SentencePiece::Type;

bool IsReserved(Type type) {
  switch (type) {
    case Type::kUnknown:
    case Type::kControl:
    case Type::kByte:
      return true;
    case Type::kNormal:
    case Type::kUserDefined:
    case Type::kUnused:
      return false;
  }
  return false;
}

// By the lead byte alone, so that it also ends on text that is not UTF-8 (a damaged character map can make such).
size_t LeadByteLength(std::string_view text) {
  const uint8_t lead = static_cast<uint8_t>(text[0]);
  const size_t length = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  return std::min(length, text.size());
}

// How an unused piece came about: its two parts, to be used in its place.
using Splits = StringViewMap<std::pair<std::string_view, std::string_view>>;

class SentencePieceTokenizer : public Tokenizer {
 public:
  SentencePieceTokenizer(SentencePieceModel model, SentencePieceOptions options);
  Status Init();

  StatusOr<std::vector<int32_t>> Encode(std::string_view text, KeepGoing keep_going) const override;
  StatusOr<std::string> Decode(std::span<const int32_t> ids) const override;
  StatusOr<std::string_view> Piece(int32_t id) const override;
  int32_t vocab_size() const override { return vocab_size_; }
  std::optional<int32_t> bos_id() const override { return bos_id_; }
  std::optional<int32_t> eos_id() const override { return eos_id_; }
  std::span<const int32_t> prefix_ids() const override { return prefix_ids_; }

 private:
  int32_t pieces() const { return static_cast<int32_t>(model_.pieces.size()); }
  Status AddTokens();
  Status EncodePart(std::string_view text, bool with_prefix, PacedKeepGoing* paced, KeepGoing keep_going,
                    BpeWorkspace* workspace, std::vector<int32_t>* ids) const;
  const SentencePiece& At(int32_t id) const { return model_.pieces[static_cast<size_t>(id)]; }
  int32_t PieceId(std::string_view text) const;
  std::optional<int32_t> SpecialId(const std::optional<std::string>& wanted, const std::string& model_piece) const;
  void EncodeWord(std::string_view word, BpeWorkspace* workspace, std::vector<int32_t>* ids) const;
  void EmitSymbol(std::string_view text, const Splits& splits, std::vector<int32_t>* ids) const;

  SentencePieceModel model_;
  SentencePieceOptions options_;
  StringViewMap<int32_t> mergeable_;  // normal, user-defined and unused pieces
  StringViewMap<int32_t> reserved_;   // the others
  PrefixTrie user_defined_;
  SentencePieceNormalizer normalizer_;
  AddedTokenMatcher added_tokens_;
  absl::flat_hash_map<int32_t, AddedToken> added_by_id_;  // beyond the model's pieces
  int32_t vocab_size_ = 0;
  bool has_unused_ = false;
  bool word_by_word_ = true;
  std::optional<int32_t> bos_id_;
  std::optional<int32_t> eos_id_;
  std::vector<int32_t> prefix_ids_;
};

SentencePieceTokenizer::SentencePieceTokenizer(SentencePieceModel model, SentencePieceOptions options)
    : model_(std::move(model)), options_(std::move(options)) {}

Status SentencePieceTokenizer::Init() {
  for (int32_t id = 0; id < pieces(); ++id) {
    const SentencePiece& piece = At(id);
    (IsReserved(piece.type) ? reserved_ : mergeable_).emplace(piece.text, id);
    if (piece.type == Type::kUserDefined) user_defined_.Insert(piece.text, id);
    has_unused_ = has_unused_ || piece.type == Type::kUnused;
    if (!IsReserved(piece.type) && CrossesWords(piece.text, kSpaceSymbol)) word_by_word_ = false;
  }
  // How an unused piece is split depends on the whole text, so it is merged as one word.
  if (has_unused_ || !model_.escape_whitespaces) word_by_word_ = false;
  LWQ_RETURN_IF_ERROR(AddTokens());
  bos_id_ = SpecialId(options_.bos_token, model_.bos_piece);
  eos_id_ = SpecialId(options_.eos_token, model_.eos_piece);
  if (options_.add_bos.value_or(bos_id_.has_value()) && bos_id_.has_value()) prefix_ids_ = {*bos_id_};
  LWQ_ASSIGN_OR_RETURN(normalizer_, SentencePieceNormalizer::Create(model_, &user_defined_));
  return absl::OkStatus();
}

Status SentencePieceTokenizer::AddTokens() {
  vocab_size_ = pieces();
  for (const AddedToken& token : options_.added_tokens) {
    if (token.id >= pieces()) {
      const auto [known, inserted] = added_by_id_.try_emplace(token.id, token);
      if (!inserted && known->second.content != token.content) {
        return absl::InvalidArgumentError(
            absl::StrCat("added tokens '", known->second.content, "' and '", token.content, "' share id ", token.id));
      }
      vocab_size_ = std::max(vocab_size_, token.id + 1);
    } else if (At(token.id).text != token.content &&
               (mergeable_.contains(token.content) || reserved_.contains(token.content))) {
      return absl::InvalidArgumentError(absl::StrCat("added token '", token.content, "' has the id ", token.id,
                                                     ", but the model has it as another piece"));
    }
    added_tokens_.Add(token, token.content);
  }
  return absl::OkStatus();
}

std::optional<int32_t> SentencePieceTokenizer::SpecialId(const std::optional<std::string>& wanted,
                                                         const std::string& model_piece) const {
  if (wanted.has_value()) {
    if (const auto it = mergeable_.find(*wanted); it != mergeable_.end()) return it->second;
    if (const auto it = reserved_.find(*wanted); it != reserved_.end()) return it->second;
    for (const auto& [id, token] : added_by_id_) {
      if (token.content == *wanted) return id;
    }
  }
  const auto it = reserved_.find(model_piece);
  if (it == reserved_.end() || At(it->second).type != Type::kControl) return std::nullopt;
  return it->second;
}

int32_t SentencePieceTokenizer::PieceId(std::string_view text) const {
  if (const auto it = reserved_.find(text); it != reserved_.end()) return it->second;
  const auto it = mergeable_.find(text);
  return it == mergeable_.end() ? model_.unk_id : it->second;
}

StatusOr<std::vector<int32_t>> SentencePieceTokenizer::Encode(std::string_view text, KeepGoing keep_going) const {
  PacedKeepGoing paced(keep_going);
  std::vector<int32_t> ids;
  BpeWorkspace workspace;
  LWQ_RETURN_IF_ERROR(
      added_tokens_.Cut(text, [&](std::string_view part, size_t offset, std::optional<int32_t> id) -> Status {
        if (!id.has_value()) {
          const bool with_prefix = offset == 0 || options_.prefix_every_part;
          return EncodePart(part, with_prefix, &paced, keep_going, &workspace, &ids);
        }
        ids.push_back(*id);
        return absl::OkStatus();
      }));
  return ids;
}

Status SentencePieceTokenizer::EncodePart(std::string_view text, bool with_prefix, PacedKeepGoing* paced,
                                          KeepGoing keep_going, BpeWorkspace* workspace,
                                          std::vector<int32_t>* ids) const {
  LWQ_ASSIGN_OR_RETURN(const std::string normalized, normalizer_.Normalize(text, with_prefix, keep_going));
  std::vector<int32_t> word_ids;
  bool after_unknown = false;
  std::string_view rest = normalized;
  while (!rest.empty()) {
    const std::string_view word = word_by_word_ ? NextWord(rest, kSpaceSymbol) : rest;
    rest.remove_prefix(word.size());
    LWQ_RETURN_IF_ERROR(paced->Ask());
    if (word.size() > kMaxBpeWordBytes) return absl::InvalidArgumentError("the text has a word of more than 2 GiB");
    auto known = workspace->Recall(word);
    if (!known.has_value()) {
      word_ids.clear();
      EncodeWord(word, workspace, &word_ids);
      if (word_by_word_) workspace->Remember(word, word_ids);
      known = word_ids;
    }
    for (const int32_t id : *known) {
      // A run of unknown characters is one <unk>.
      if (id != model_.unk_id || !after_unknown) ids->push_back(id);
      after_unknown = id == model_.unk_id;
    }
  }
  return absl::OkStatus();
}

void SentencePieceTokenizer::EncodeWord(std::string_view word, BpeWorkspace* workspace,
                                        std::vector<int32_t>* ids) const {
  workspace->Clear();
  for (size_t at = 0; at < word.size();) {
    const std::string_view rest = word.substr(at);
    const auto symbol = user_defined_.LongestMatch(rest);
    const size_t size = symbol.has_value() ? symbol->size_bytes : LeadByteLength(rest);
    workspace->Append(static_cast<uint32_t>(at), static_cast<uint32_t>(size), kNoToken, symbol.has_value());
    at += size;
  }
  Splits splits;
  workspace->Merge([&](const BpeSymbol& left, const BpeSymbol& right) -> std::optional<BpeMerge> {
    const std::string_view joined = word.substr(left.begin_bytes, left.size_bytes + right.size_bytes);
    const auto it = mergeable_.find(joined);
    if (it == mergeable_.end()) return std::nullopt;
    if (has_unused_ && At(it->second).type == Type::kUnused) {
      splits[joined] = {joined.substr(0, left.size_bytes), joined.substr(left.size_bytes)};
    }
    return BpeMerge{At(it->second).score, it->second};
  });
  const std::vector<BpeSymbol>& symbols = workspace->symbols();
  for (int32_t i = 0; i >= 0; i = symbols[static_cast<size_t>(i)].next) {
    const BpeSymbol& symbol = symbols[static_cast<size_t>(i)];
    EmitSymbol(word.substr(symbol.begin_bytes, symbol.size_bytes), splits, ids);
  }
}

void SentencePieceTokenizer::EmitSymbol(std::string_view text, const Splits& splits, std::vector<int32_t>* ids) const {
  std::vector<std::string_view> pending = {text};  // a stack: parts of unused pieces, the next one last
  while (!pending.empty()) {
    const std::string_view part = pending.back();
    pending.pop_back();
    const int32_t id = PieceId(part);
    if (At(id).type == Type::kUnused) {
      if (const auto split = splits.find(part); split != splits.end()) {
        pending.push_back(split->second.second);
        pending.push_back(split->second.first);
        continue;
      }
    }
    if (id == model_.unk_id && !model_.byte_ids.empty()) {
      for (const char byte : part) ids->push_back(model_.byte_ids[static_cast<uint8_t>(byte)]);
    } else {
      ids->push_back(id);
    }
  }
}

StatusOr<std::string_view> SentencePieceTokenizer::Piece(int32_t id) const {
  if (id < 0 || id >= vocab_size()) {
    return absl::OutOfRangeError(absl::StrCat("token id ", id, " is outside the vocabulary of ", vocab_size()));
  }
  if (id < pieces()) return At(id).text;
  const auto added = added_by_id_.find(id);
  if (added != added_by_id_.end()) return added->second.content;
  return absl::OutOfRangeError(absl::StrCat("token id ", id, " is neither a piece nor an added token"));
}

StatusOr<std::string> SentencePieceTokenizer::Decode(std::span<const int32_t> ids) const {
  const bool strips_prefix = model_.add_dummy_prefix || model_.remove_extra_whitespaces;
  std::string out;
  std::string bytes;  // a run of byte pieces
  const auto flush_bytes = [&] {
    for (std::string_view rest = bytes; !rest.empty();) {
      const Utf8Char c = DecodeUtf8Char(rest);
      const size_t size = c.valid ? c.size_bytes : 1;
      out.append(c.valid ? rest.substr(0, size) : kReplacementCharacter);
      rest.remove_prefix(size);
    }
    bytes.clear();
  };
  bool prefix_seen = false;
  for (const int32_t id : ids) {
    LWQ_ASSIGN_OR_RETURN(std::string_view text, Piece(id));
    if (id >= pieces()) {
      flush_bytes();
      if (!added_by_id_.at(id).special) out.append(text);
      continue;
    }
    const Type type = At(id).type;
    if (type == Type::kByte) {
      const auto byte = std::find(model_.byte_ids.begin(), model_.byte_ids.end(), id);
      bytes.push_back(static_cast<char>(byte - model_.byte_ids.begin()));
      continue;
    }
    flush_bytes();
    if (type == Type::kControl) continue;
    if (type == Type::kUnknown) {
      out.append(model_.unk_surface);
      continue;
    }
    if (out.empty() && !prefix_seen && strips_prefix && text.starts_with(kSpaceSymbol)) {
      text.remove_prefix(kSpaceSymbol.size());
      prefix_seen = !model_.remove_extra_whitespaces;  // then every leading space goes
    }
    out.append(ReplaceAll(text, kSpaceSymbol, " "));
  }
  flush_bytes();
  return ReplaceInvalidUtf8(out);
}

}  // namespace

StatusOr<std::unique_ptr<Tokenizer>> MakeSentencePieceTokenizer(SentencePieceModel model,
                                                                SentencePieceOptions options) {
  auto tokenizer = std::make_unique<SentencePieceTokenizer>(std::move(model), std::move(options));
  LWQ_RETURN_IF_ERROR(tokenizer->Init());
  return tokenizer;
}

}  // namespace lwq
