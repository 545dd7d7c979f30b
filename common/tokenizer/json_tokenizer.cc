#include "common/tokenizer/json_tokenizer.h"

#include <utility>

#include "common/json/json.h"
#include "common/text/utf8.h"
#include "common/tokenizer/added_tokens.h"
#include "common/tokenizer/bpe_model.h"
#include "common/tokenizer/pre_tokenizer.h"
#include "common/tokenizer/sentencepiece_normalizer.h"
#include "common/tokenizer/string_map.h"
#include "common/tokenizer/text_normalizer.h"
#include "common/tokenizer/token_decoder.h"
#include "common/tokenizer/word_split.h"

namespace lwq {
namespace {

Json Section(const Json& root, const char* key) {
  const auto it = root.find(key);
  return it == root.end() ? Json() : *it;
}

// The special token that the post-processor puts in front of a text, if any.
StatusOr<std::optional<std::string>> LeadingSpecialToken(const Json& section, std::string_view what) {
  if (section.is_null()) return std::optional<std::string>();
  LWQ_ASSIGN_OR_RETURN(const std::string type, JsonString(section, "type", what));
  if (type == "ByteLevel") return std::optional<std::string>();
  if (type == "Sequence") {
    const auto processors = section.find("processors");
    if (processors == section.end() || !processors->is_array()) {
      return absl::InvalidArgumentError(absl::StrCat(what, ": 'processors' must be a list"));
    }
    for (const Json& processor : *processors) {
      LWQ_ASSIGN_OR_RETURN(std::optional<std::string> token, LeadingSpecialToken(processor, what));
      if (token.has_value()) return token;
    }
    return std::optional<std::string>();
  }
  if (type != "TemplateProcessing") {
    return absl::FailedPreconditionError(
        absl::StrCat(what, " '", type, "' is not supported (supported: TemplateProcessing, ByteLevel, Sequence)"));
  }
  const auto single = section.find("single");
  if (single == section.end() || !single->is_array()) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": 'single' must be a list"));
  }
  if (single->empty() || !single->front().is_object() || !single->front().contains("SpecialToken")) {
    return std::optional<std::string>();
  }
  LWQ_ASSIGN_OR_RETURN(std::string token, JsonString(single->front().at("SpecialToken"), "id", what));
  return std::optional<std::string>(std::move(token));
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
  bool add_bos() const override { return add_bos_; }

 private:
  Status AddTokens(std::vector<AddedToken> added, std::string_view what);
  Status SetSpecialTokens(const Json& post_processor, std::string_view what, const JsonTokenizerOptions& options);
  StatusOr<int32_t> SpecialId(std::string_view name, const std::string& token, std::string_view what) const;
  // One call of Encode.
  struct Encoding {
    PacedKeepGoing keep_going;
    BpeWorkspace workspace = {};
    std::vector<int32_t> ids = {};
  };
  Status EncodeNormalized(std::string_view text, bool at_start, Encoding* encoding) const;
  Status EncodeWord(std::string_view word, Encoding* encoding) const;

  TextNormalizer normalizer_;
  PreTokenizer pre_tokenizer_;
  BpeModel model_;
  TokenDecoder decoder_;
  AddedTokenMatcher raw_tokens_;
  AddedTokenMatcher normalized_tokens_;
  std::vector<std::string> tokens_;  // by id: the model's and the added ones
  std::vector<bool> special_;        // by id
  StringMap<int32_t> added_ids_;
  std::optional<int32_t> bos_id_;
  std::optional<int32_t> eos_id_;
  bool add_bos_ = false;
};

Status JsonTokenizer::Init(const Json& root, std::string_view what, const JsonTokenizerOptions& options) {
  if (!root.is_object()) return absl::InvalidArgumentError(absl::StrCat(what, " is not a JSON object"));
  LWQ_ASSIGN_OR_RETURN(normalizer_, TextNormalizer::FromJson(Section(root, "normalizer"), what));
  LWQ_ASSIGN_OR_RETURN(pre_tokenizer_, PreTokenizer::FromJson(Section(root, "pre_tokenizer"), what));
  LWQ_ASSIGN_OR_RETURN(decoder_, TokenDecoder::FromJson(Section(root, "decoder"), what));
  const auto model = root.find("model");
  if (model == root.end()) return absl::InvalidArgumentError(absl::StrCat(what, ": 'model' is missing"));
  LWQ_ASSIGN_OR_RETURN(model_, BpeModel::FromJson(*model, pre_tokenizer_.byte_level(), what));
  LWQ_ASSIGN_OR_RETURN(std::vector<AddedToken> added, ParseAddedTokens(Section(root, "added_tokens"), what));
  LWQ_RETURN_IF_ERROR(AddTokens(std::move(added), what));
  return SetSpecialTokens(Section(root, "post_processor"), what, options);
}

Status JsonTokenizer::AddTokens(std::vector<AddedToken> added, std::string_view what) {
  tokens_ = model_.tokens();
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
      normalized_tokens_.Add(token, normalizer_.Normalize(token.content));
    } else {
      raw_tokens_.Add(token, token.content);
    }
  }
  return absl::OkStatus();
}

StatusOr<int32_t> JsonTokenizer::SpecialId(std::string_view name, const std::string& token,
                                           std::string_view what) const {
  if (const auto it = added_ids_.find(token); it != added_ids_.end()) return it->second;
  const std::optional<int32_t> id = model_.TokenId(token);
  if (id.has_value()) return *id;
  return absl::InvalidArgumentError(absl::StrCat(what, ": ", name, " '", token, "' is not in the vocabulary"));
}

Status JsonTokenizer::SetSpecialTokens(const Json& post_processor, std::string_view what,
                                       const JsonTokenizerOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const std::optional<std::string> leading,
                       LeadingSpecialToken(post_processor, absl::StrCat(what, ": post_processor")));
  const std::optional<std::string>& bos = options.bos_token.has_value() ? options.bos_token : leading;
  if (bos.has_value()) {
    LWQ_ASSIGN_OR_RETURN(bos_id_, SpecialId("bos_token", *bos, what));
  }
  if (options.eos_token.has_value()) {
    LWQ_ASSIGN_OR_RETURN(eos_id_, SpecialId("eos_token", *options.eos_token, what));
  }
  add_bos_ = options.add_bos.value_or(post_processor.is_null() ? options.add_known_bos && bos_id_.has_value()
                                                               : leading.has_value());
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
        if (normalizer_.identity()) return EncodeNormalized(part, offset == 0, &encoding);
        return EncodeNormalized(normalizer_.Normalize(part), offset == 0, &encoding);
      }));
  return std::move(encoding.ids);
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
    return model_.EncodeWord(word, &encoding->workspace, &encoding->ids);
  }
  while (!word.empty()) {
    const std::string_view part = NextWord(word, kSpaceSymbol);
    LWQ_RETURN_IF_ERROR(encoding->keep_going.Ask());
    LWQ_RETURN_IF_ERROR(model_.EncodeWord(part, &encoding->workspace, &encoding->ids));
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
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const int32_t id : ids) {
    LWQ_ASSIGN_OR_RETURN(const std::string_view token, Piece(id));
    if (!special_[static_cast<size_t>(id)]) tokens.emplace_back(token);
  }
  return decoder_.Decode(std::move(tokens));
}

}  // namespace

StatusOr<std::unique_ptr<Tokenizer>> MakeJsonTokenizer(std::string_view file, std::string_view what,
                                                       JsonTokenizerOptions options) {
  LWQ_ASSIGN_OR_RETURN(const Json root, ParseJson(file, what));
  auto tokenizer = std::make_unique<JsonTokenizer>();
  LWQ_RETURN_IF_ERROR(tokenizer->Init(root, what, options));
  return tokenizer;
}

}  // namespace lwq
