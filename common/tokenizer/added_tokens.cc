#include "common/tokenizer/added_tokens.h"

#include <algorithm>

#include "common/text/utf8.h"
#include "common/tokenizer/bpe_model.h"

namespace lwq {
namespace {

StatusOr<bool> Flag(const Json& token, std::string_view key, bool fallback, std::string_view what) {
  if (!token.contains(key)) return fallback;
  return JsonBool(token, key, what);
}

StatusOr<AddedToken> ParseAddedToken(const Json& json, const std::string& what) {
  AddedToken token;
  LWQ_ASSIGN_OR_RETURN(const int64_t id, JsonInt(json, "id", what));
  LWQ_ASSIGN_OR_RETURN(token.content, JsonString(json, "content", what));
  if (id < 0 || id >= kMaxVocabularySize) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " '", token.content, "': id ", id, " is not in [0, ", kMaxVocabularySize, ")"));
  }
  token.id = static_cast<int32_t>(id);
  LWQ_ASSIGN_OR_RETURN(token.lstrip, Flag(json, "lstrip", false, what));
  LWQ_ASSIGN_OR_RETURN(token.rstrip, Flag(json, "rstrip", false, what));
  LWQ_ASSIGN_OR_RETURN(token.special, Flag(json, "special", false, what));
  LWQ_ASSIGN_OR_RETURN(token.normalized, Flag(json, "normalized", !token.special, what));
  LWQ_ASSIGN_OR_RETURN(const bool single_word, Flag(json, "single_word", false, what));
  if (single_word) {
    return absl::FailedPreconditionError(absl::StrCat(what, " '", token.content, "': single_word is not supported"));
  }
  return token;
}

// Where the white space at the end of `text` begins.
size_t TrailingSpaceBegin(std::string_view text) {
  size_t begin = text.size();
  while (begin > 0) {
    size_t at = begin - 1;
    while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) --at;
    if (!IsWhiteSpace(DecodeUtf8Char(text.substr(at)).code_point)) break;
    begin = at;
  }
  return begin;
}

// Where the white space at the start of `text` ends.
size_t LeadingSpaceEnd(std::string_view text) {
  size_t end = 0;
  while (end < text.size()) {
    const Utf8Char c = DecodeUtf8Char(text.substr(end));
    if (!IsWhiteSpace(c.code_point)) break;
    end += c.size_bytes;
  }
  return end;
}

}  // namespace

StatusOr<std::vector<AddedToken>> ParseAddedTokens(const Json& section, std::string_view what) {
  std::vector<AddedToken> tokens;
  if (section.is_null()) return tokens;
  if (!section.is_array()) return absl::InvalidArgumentError(absl::StrCat(what, ": 'added_tokens' must be a list"));
  for (size_t i = 0; i < section.size(); ++i) {
    LWQ_ASSIGN_OR_RETURN(AddedToken token, ParseAddedToken(section[i], absl::StrCat(what, ": added token ", i)));
    tokens.push_back(std::move(token));
  }
  return tokens;
}

void AddedTokenMatcher::Add(const AddedToken& token, std::string_view content) {
  if (content.empty()) return;
  trie_.Insert(content, static_cast<int32_t>(tokens_.size()));
  tokens_.push_back(token);
}

Status AddedTokenMatcher::Cut(std::string_view text, Visit visit) const {
  size_t done = 0;
  if (!trie_.empty()) {
    for (size_t at = 0; at < text.size();) {
      const auto match = trie_.LongestMatch(text.substr(at));
      if (!match.has_value()) {
        ++at;
        continue;
      }
      const AddedToken& token = tokens_[static_cast<size_t>(match->value)];
      size_t begin = at;
      size_t end = at + match->size_bytes;
      if (token.lstrip) begin = done + TrailingSpaceBegin(text.substr(done, at - done));
      if (token.rstrip) end += LeadingSpaceEnd(text.substr(end));
      if (begin > done) LWQ_RETURN_IF_ERROR(visit(text.substr(done, begin - done), done, std::nullopt));
      LWQ_RETURN_IF_ERROR(visit(text.substr(begin, end - begin), begin, token.id));
      done = at = end;
    }
  }
  if (done < text.size()) return visit(text.substr(done), done, std::nullopt);
  return absl::OkStatus();
}

}  // namespace lwq
