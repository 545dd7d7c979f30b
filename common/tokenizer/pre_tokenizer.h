// SPDX-License-Identifier: Apache-2.0
// The `pre_tokenizer` of a tokenizer.json: how a text is cut into the words that are merged one by one.
//
// Supported: `Split` (Regex or String, five behaviours, invert), `Digits`, `Punctuation`, `Whitespace`,
// `WhitespaceSplit`, `CharDelimiterSplit`, `ByteLevel` (with or without its own GPT-2 pattern), `Metaspace`
// (prepend_scheme always, first, never, or the older add_prefix_space; with or without split), `Sequence` of these in
// any order, or null. Others (BertPreTokenizer, UnicodeScripts, …) are FAILED_PRECONDITION by name.
//
// ByteLevel writes bytes in an alphabet of its own (byte_level.h). Steps behind it see that alphabet. Where it is the
// last step, words are handed out as the bytes themselves (byte_level() tells), which is the same and faster;
// SpellBytes() has them written out.
//
// Thread-safety: immutable but for SpellBytes. Words are handed out one at a time as views that live only during the
// call, so that a text of any size needs no list of its words.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "common/json/json.h"
#include "common/status/status.h"
#include "common/tokenizer/split_behavior.h"
#include "common/tokenizer/split_regex.h"

namespace lwq {

class PreTokenizer {
 public:
  using Visit = absl::FunctionRef<Status(std::string_view word)>;

  PreTokenizer() = default;  // the whole text is one word
  // `what` names the file in errors. INVALID_ARGUMENT for a malformed section.
  static StatusOr<PreTokenizer> FromJson(const Json& section, std::string_view what);

  // Requires valid UTF-8. `at_start`: the text stands at the start of the whole input (Metaspace's scheme "first").
  // Errors are the pattern's (split_regex.h) or the visitor's.
  Status ForEachWord(std::string_view text, bool at_start, Visit visit) const { return Run(0, text, at_start, visit); }
  // Whether words are bytes, to be looked up in a byte-level vocabulary.
  bool byte_level() const { return byte_level_; }
  // From now on words are text in ByteLevel's alphabet. Requires byte_level().
  void SpellBytes();
  // Whether ForEachWord cuts at all; if not, a text is one word of its full length.
  bool splits() const { return splits_; }

 private:
  enum class Kind { kSplit, kMetaspace, kPrefixSpace, kSpellBytes };
  enum class PrependScheme { kAlways, kFirst, kNever };
  struct Step {
    Kind kind = Kind::kSplit;
    // kSplit: at the matches of one of these three
    std::optional<SplitRegex> regex;
    bool (*is_match)(char32_t) = nullptr;
    std::string literal;
    SplitBehavior behavior = SplitBehavior::kIsolated;
    bool invert = false;
    // kMetaspace
    std::string replacement;
    PrependScheme prepend = PrependScheme::kAlways;
    bool split = true;
  };

  Status Add(const Json& section, std::string_view what);
  Status AddSplit(const Json& section, std::string_view what);
  Status AddClassSplit(const std::string& type, const Json& section, std::string_view what);
  Status AddByteLevel(const Json& section, std::string_view what);
  Status AddMetaspace(const Json& section, std::string_view what);
  void AddStep(Step step);
  Status Run(size_t step, std::string_view text, bool at_start, Visit visit) const;
  Status RunSplit(size_t index, std::string_view text, bool at_start, Visit visit) const;
  Status RunMetaspace(size_t index, std::string_view text, bool at_start, Visit visit) const;

  std::vector<Step> steps_;
  bool byte_level_ = false;
  bool splits_ = false;
};

}  // namespace lwq
