// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer/added_tokens.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "common/text/utf8.h"
#include "common/tokenizer/bpe_model.h"
#include "common/tokenizer/unicode.h"

namespace lwq {
namespace {

StatusOr<bool> Flag(const Json& token, std::string_view key, bool fallback, std::string_view what) {
  if (!token.contains(key)) return fallback;
  return JsonBool(token, key, what);
}

// Decides nothing about the id but whether a table may be indexed by it.
Status SetId(int64_t id, const std::string& what, AddedToken* token) {
  if (id < 0 || id >= kMaxVocabularySize) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " '", token->content, "': id ", id, " is not in [0, ", kMaxVocabularySize, ")"));
  }
  token->id = static_cast<int32_t>(id);
  return absl::OkStatus();
}

StatusOr<AddedToken> ParseAddedToken(const Json& json, int64_t id, const std::string& what) {
  AddedToken token;
  LWQ_ASSIGN_OR_RETURN(token.content, JsonString(json, "content", what));
  LWQ_RETURN_IF_ERROR(SetId(id, what, &token));
  LWQ_ASSIGN_OR_RETURN(token.lstrip, Flag(json, "lstrip", false, what));
  LWQ_ASSIGN_OR_RETURN(token.rstrip, Flag(json, "rstrip", false, what));
  LWQ_ASSIGN_OR_RETURN(token.special, Flag(json, "special", false, what));
  LWQ_ASSIGN_OR_RETURN(token.normalized, Flag(json, "normalized", !token.special, what));
  LWQ_ASSIGN_OR_RETURN(token.single_word, Flag(json, "single_word", false, what));
  return token;
}

bool EndsWithWord(std::string_view text) {
  if (text.empty()) return false;
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) --at;
  return IsWordCharacter(DecodeUtf8Char(text.substr(at)).code_point);
}

bool BeginsWithWord(std::string_view text) {
  return !text.empty() && IsWordCharacter(DecodeUtf8Char(text).code_point);
}

}  // namespace

StatusOr<std::vector<AddedToken>> ParseAddedTokens(const Json& section, std::string_view what) {
  std::vector<AddedToken> tokens;
  if (section.is_null()) return tokens;
  if (!section.is_array()) return absl::InvalidArgumentError(absl::StrCat(what, ": 'added_tokens' must be a list"));
  for (size_t i = 0; i < section.size(); ++i) {
    const std::string where = absl::StrCat(what, ": added token ", i);
    LWQ_ASSIGN_OR_RETURN(const int64_t id, JsonInt(section[i], "id", where));
    LWQ_ASSIGN_OR_RETURN(AddedToken token, ParseAddedToken(section[i], id, where));
    tokens.push_back(std::move(token));
  }
  return tokens;
}

StatusOr<std::vector<AddedToken>> ParseAddedTokensDecoder(const Json& section, std::string_view what) {
  std::vector<AddedToken> tokens;
  if (section.is_null()) return tokens;
  const std::string where = absl::StrCat(what, ": added_tokens_decoder");
  if (!section.is_object()) return absl::InvalidArgumentError(absl::StrCat(where, " must be an object"));
  for (const auto& [key, value] : section.items()) {
    int64_t id = 0;
    if (!absl::SimpleAtoi(key, &id)) {
      return absl::InvalidArgumentError(absl::StrCat(where, ": '", key, "' is not an id"));
    }
    LWQ_ASSIGN_OR_RETURN(AddedToken token, ParseAddedToken(value, id, where));
    tokens.push_back(std::move(token));
  }
  return tokens;
}

StatusOr<std::vector<AddedToken>> ParseAddedTokensMap(const Json& file, std::string_view what) {
  if (!file.is_object()) return absl::InvalidArgumentError(absl::StrCat(what, " must be an object of tokens and ids"));
  std::vector<AddedToken> tokens;
  for (const auto& [content, id] : file.items()) {
    AddedToken token;
    token.content = content;
    LWQ_ASSIGN_OR_RETURN(const int64_t value, JsonInt(file, content, what));
    LWQ_RETURN_IF_ERROR(SetId(value, std::string(what), &token));
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
  for (size_t at = 0; !trie_.empty() && at < text.size();) {
    const auto match = trie_.LongestMatch(text.substr(at));
    if (!match.has_value()) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<size_t>(match->value)];
    size_t begin = at;
    size_t end = at + match->size_bytes;
    at = end;  // what rstrip takes along may begin another token
    if (token.single_word && (EndsWithWord(text.substr(0, begin)) || BeginsWithWord(text.substr(end)))) continue;
    if (token.lstrip) begin = TrailingSpaceBegin(text.substr(0, begin));
    if (token.rstrip) end += LeadingSpaceEnd(text.substr(end));
    begin = std::max(begin, done);
    if (begin > done) LWQ_RETURN_IF_ERROR(visit(text.substr(done, begin - done), done, std::nullopt));
    LWQ_RETURN_IF_ERROR(visit(text.substr(begin, std::max(begin, end) - begin), begin, token.id));
    done = std::max(done, end);
  }
  if (done < text.size()) return visit(text.substr(done), done, std::nullopt);
  return absl::OkStatus();
}

}  // namespace lwq
