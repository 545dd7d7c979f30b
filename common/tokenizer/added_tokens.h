// SPDX-License-Identifier: Apache-2.0
// The `added_tokens` of a tokenizer.json: entries found in a text before anything else is done with it, the leftmost
// first and of those the longest. A token with lstrip (rstrip) takes the white space before (behind) it along; one with
// single_word counts only where no letter, mark, digit or underscore touches it.
//
// Thread-safety: immutable after the last Add.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "common/json/json.h"
#include "common/status/status.h"
#include "common/tokenizer/prefix_trie.h"

namespace lwq {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool lstrip = false;
  bool rstrip = false;
  bool single_word = false;
  bool normalized = false;  // matched in normalized text, and its content is normalized for that
  bool special = false;
};

// The `added_tokens` of tokenizer.json: a list of {"id": …, "content": …, flags}. INVALID_ARGUMENT when malformed.
StatusOr<std::vector<AddedToken>> ParseAddedTokens(const Json& section, std::string_view what);
// The `added_tokens_decoder` of tokenizer_config.json: a map of id → {"content": …, flags}.
StatusOr<std::vector<AddedToken>> ParseAddedTokensDecoder(const Json& section, std::string_view what);
// A whole added_tokens.json: a map of content → id. Its tokens are matched raw.
StatusOr<std::vector<AddedToken>> ParseAddedTokensMap(const Json& file, std::string_view what);

class AddedTokenMatcher {
 public:
  // `content`: what is looked for, where it differs from the token's own (normalized). An empty one is never found.
  void Add(const AddedToken& token, std::string_view content);

  // Cuts a text: visit(part, offset in the text, nullopt) for what lies between, visit(part, offset, id) for tokens;
  // empty parts are left out. Stops at the first error.
  using Visit = absl::FunctionRef<Status(std::string_view part, size_t offset, std::optional<int32_t> id)>;
  Status Cut(std::string_view text, Visit visit) const;

 private:
  PrefixTrie trie_;  // values index tokens_
  std::vector<AddedToken> tokens_;
};

}  // namespace lwq
