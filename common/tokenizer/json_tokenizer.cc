// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer/json_tokenizer.h"

#include <utility>

#include "common/json/json.h"
#include "common/text/utf8.h"
#include "common/tokenizer/added_tokens.h"
#include "common/tokenizer/bpe_model.h"
#include "common/tokenizer/post_processor.h"
#include "common/tokenizer/pre_tokenizer.h"
#include "common/tokenizer/sentencepiece_normalizer.h"
#include "common/tokenizer/string_map.h"
#include "common/tokenizer/text_normalizer.h"
#include "common/tokenizer/text_place.h"
#include "common/tokenizer/token_decoder.h"
#include "common/tokenizer/word_split.h"

namespace lwq {
namespace {

Json Section(const Json& root, const char* key) {
  const auto it = root.find(key);
  return it == root.end() ? Json() : *it;
}

class JsonTokenizer : public Tokenizer {
 public:
  Status Init(const Json& root, std::string_view what, const JsonTokenizerOptions& options);

  StatusOr<std::vector<int32_t>> Encode(std::string_view text, KeepGoing keep_going) const override;
  StatusOr<std::string> Decode(std::span<const int32_t> ids) const override;
  StatusOr<std::string_view> Piece(int32_t id) const override;
  int32_t vocab_size() const override { return static_cast<int32_t>(tokens_.size()); }
  std::optional<int32_t> bos_id() const override { return bos_id_; }
  std::optional<int32_t> eos_id() const override { return eos_id_; }
  std::span<const int32_t> prefix_ids() const override { return prefix_ids_; }

 private:
  Status AddTokens(const std::vector<AddedToken>& added, std::string_view what);
  Status SetSpecialTokens(const Json& post_processor, std::string_view what, const JsonTokenizerOptions& options);
  std::optional<int32_t> SpecialId(const std::optional<std::string>& token) const;
  // One call of Encode.
  struct Encoding {
    PacedKeepGoing keep_going;
    BpeWorkspace workspace = {};
    std::vector<int32_t> ids = {};
    std::string missing = {};  // what the vocabulary lacks, when the encoding fails for it
  };
  Status EncodePart(std::string_view part, size_t offset, Encoding* encoding) const;
  Status EncodeNormalized(std::string_view text, bool at_start, Encoding* encoding) const;
  Status EncodeWord(std::string_view word, Encoding* encoding) const;

  TextNormalizer normalizer_;
  PreTokenizer pre_tokenizer_;
  BpeModel model_;
  StatusOr<TokenDecoder> decoder_ = TokenDecoder();
  AddedTokenMatcher raw_tokens_;
  AddedTokenMatcher normalized_tokens_;
  std::vector<std::string> tokens_;  // by id: the model's and the added ones
  std::vector<bool> special_;        // by id
  StringMap<int32_t> added_ids_;
  std::optional<int32_t> bos_id_;
  std::optional<int32_t> eos_id_;
  std::vector<int32_t> prefix_ids_;
};

Status JsonTokenizer::Init(const Json& root, std::string_view what, const JsonTokenizerOptions& options) {
  if (!root.is_object()) return absl::InvalidArgumentError(absl::StrCat(what, " is not a JSON object"));
  LWQ_ASSIGN_OR_RETURN(normalizer_, TextNormalizer::FromJson(Section(root, "normalizer"), what));
  LWQ_ASSIGN_OR_RETURN(pre_tokenizer_, PreTokenizer::FromJson(Section(root, "pre_tokenizer"), what));
  decoder_ = TokenDecoder::FromJson(Section(root, "decoder"), what);
  const auto model = root.find("model");
  if (model == root.end()) return absl::InvalidArgumentError(absl::StrCat(what, ": 'model' is missing"));
  LWQ_ASSIGN_OR_RETURN(model_, BpeModel::FromJson(*model, pre_tokenizer_.byte_level(), what));
  if (pre_tokenizer_.byte_level() && !model_.words_are_bytes()) pre_tokenizer_.SpellBytes();
  LWQ_ASSIGN_OR_RETURN(const std::vector<AddedToken> added, ParseAddedTokens(Section(root, "added_tokens"), what));
  LWQ_RETURN_IF_ERROR(AddTokens(added, what));
  std::vector<AddedToken> more;
  for (const AddedToken& token : options.more_added_tokens) {
    const size_t id = static_cast<size_t>(token.id);
    const bool free_id = id >= tokens_.size() || tokens_[id].empty();
    if (free_id && !SpecialId(token.content).has_value()) more.push_back(token);
  }
  LWQ_RETURN_IF_ERROR(AddTokens(more, what));
  return SetSpecialTokens(Section(root, "post_processor"), what, options);
}

Status JsonTokenizer::AddTokens(const std::vector<AddedToken>& added, std::string_view what) {
  if (tokens_.empty()) tokens_ = model_.tokens();
  special_.resize(tokens_.size());
  for (const AddedToken& token : added) {
    const size_t id = static_cast<size_t>(token.id);
    if (id >= tokens_.size()) {
      tokens_.resize(id + 1);
      special_.resize(id + 1);
    }
    const std::optional<int32_t> model_id = model_.TokenId(token.content);
    if ((model_id.has_value() && *model_id != token.id) || (!tokens_[id].empty() && tokens_[id] != token.content)) {
      return absl::InvalidArgumentError(
          absl::StrCat(what, ": added token '", token.content, "' with id ", token.id, " contradicts the vocabulary"));
    }
    tokens_[id] = token.content;
    special_[id] = token.special;
    added_ids_[token.content] = token.id;
    if (token.normalized) {
      LWQ_ASSIGN_OR_RETURN(const std::string content, normalizer_.Normalize(token.content));
      normalized_tokens_.Add(token, content);
    } else {
      raw_tokens_.Add(token, token.content);
    }
  }
  return absl::OkStatus();
}

std::optional<int32_t> JsonTokenizer::SpecialId(const std::optional<std::string>& token) const {
  if (!token.has_value()) return std::nullopt;
  if (const auto it = added_ids_.find(*token); it != added_ids_.end()) return it->second;
  return model_.TokenId(*token);
}

Status JsonTokenizer::SetSpecialTokens(const Json& post_processor, std::string_view what,
                                       const JsonTokenizerOptions& options) {
  LWQ_ASSIGN_OR_RETURN(prefix_ids_, LeadingSpecialTokens(post_processor, what, [this](std::string_view token) {
                         return SpecialId(std::string(token));
                       }));
  for (const int32_t id : prefix_ids_) {
    if (!Piece(id).ok()) {
      return absl::InvalidArgumentError(absl::StrCat(what, ": post_processor puts the token ", id,
                                                     " in front of texts, which is not in the vocabulary"));
    }
  }
  bos_id_ = SpecialId(options.bos_token);
  if (!bos_id_.has_value() && !prefix_ids_.empty()) bos_id_ = prefix_ids_.front();
  eos_id_ = SpecialId(options.eos_token);
  return absl::OkStatus();
}

StatusOr<std::vector<int32_t>> JsonTokenizer::Encode(std::string_view text, KeepGoing keep_going) const {
  std::string repaired;
  if (FindInvalidUtf8(text) != std::string_view::npos) {
    repaired = ReplaceInvalidUtf8(text);
    text = repaired;
  }
  Encoding encoding{.keep_going = PacedKeepGoing(keep_going)};
  LWQ_RETURN_IF_ERROR(
      raw_tokens_.Cut(text, [&](std::string_view part, size_t offset, std::optional<int32_t> id) -> Status {
        if (id.has_value()) {
          encoding.ids.push_back(*id);
          return absl::OkStatus();
        }
        const Status encoded = EncodePart(part, offset, &encoding);
        if (encoded.ok() || encoding.missing.empty()) return encoded;
        // Words come in the order of the text, so that the first place in this part is the one. Normalization may have
        // made the character; then the part's beginning is as near as can be told.
        const size_t at = text.find(encoding.missing, offset);
        return AtTextOffset(encoded, text, at == std::string_view::npos ? offset : at);
      }));
  return std::move(encoding.ids);
}

Status JsonTokenizer::EncodePart(std::string_view part, size_t offset, Encoding* encoding) const {
  if (normalizer_.identity()) return EncodeNormalized(part, offset == 0, encoding);
  LWQ_ASSIGN_OR_RETURN(const std::string normalized, normalizer_.Normalize(part));
  return EncodeNormalized(normalized, offset == 0, encoding);
}

Status JsonTokenizer::EncodeNormalized(std::string_view text, bool at_start, Encoding* encoding) const {
  return normalized_tokens_.Cut(text, [&](std::string_view part, size_t offset, std::optional<int32_t> id) -> Status {
    if (id.has_value()) {
      encoding->ids.push_back(*id);
      return absl::OkStatus();
    }
    return pre_tokenizer_.ForEachWord(part, at_start && offset == 0,
                                      [&](std::string_view word) { return EncodeWord(word, encoding); });
  });
}

Status JsonTokenizer::EncodeWord(std::string_view word, Encoding* encoding) const {
  if (!model_.may_cut_at_spaces()) {
    LWQ_RETURN_IF_ERROR(encoding->keep_going.Ask());
    return model_.EncodeWord(word, &encoding->workspace, &encoding->ids, &encoding->missing);
  }
  while (!word.empty()) {
    const std::string_view part = NextWord(word, kSpaceSymbol);
    LWQ_RETURN_IF_ERROR(encoding->keep_going.Ask());
    LWQ_RETURN_IF_ERROR(model_.EncodeWord(part, &encoding->workspace, &encoding->ids, &encoding->missing));
    word.remove_prefix(part.size());
  }
  return absl::OkStatus();
}

StatusOr<std::string_view> JsonTokenizer::Piece(int32_t id) const {
  if (id < 0 || id >= vocab_size() || tokens_[static_cast<size_t>(id)].empty()) {
    return absl::OutOfRangeError(absl::StrCat("token id ", id, " is not in the vocabulary of ", vocab_size()));
  }
  return tokens_[static_cast<size_t>(id)];
}

StatusOr<std::string> JsonTokenizer::Decode(std::span<const int32_t> ids) const {
  LWQ_RETURN_IF_ERROR(decoder_.status());
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const int32_t id : ids) {
    LWQ_ASSIGN_OR_RETURN(const std::string_view token, Piece(id));
    if (!special_[static_cast<size_t>(id)]) tokens.emplace_back(token);
  }
  return decoder_->Decode(std::move(tokens));
}

}  // namespace

StatusOr<std::unique_ptr<Tokenizer>> MakeJsonTokenizer(std::string_view file, std::string_view what,
                                                       const JsonTokenizerOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const Json root, ParseJson(file, what));
  auto tokenizer = std::make_unique<JsonTokenizer>();
  LWQ_RETURN_IF_ERROR(tokenizer->Init(root, what, options));
  return tokenizer;
}

}  // namespace lwq
