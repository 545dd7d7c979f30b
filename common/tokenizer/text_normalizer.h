// SPDX-License-Identifier: Apache-2.0
// The `normalizer` of a tokenizer.json: what is done to a text before it is cut into words. Supported: `NFC`, `NFD`,
// `NFKC`, `NFKD`, `Lowercase` (unicode.h), `Strip`, `Prepend` (nothing is prepended to an empty text), `Replace` of a
// String or a Regex, `Sequence` of these, or null. Others (Precompiled, BertNormalizer, Nmt, …) are FAILED_PRECONDITION
// by name. Immutable.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json/json.h"
#include "common/status/status.h"
#include "common/tokenizer/split_regex.h"
#include "common/tokenizer/unicode.h"

namespace lwq {

class TextNormalizer {
 public:
  TextNormalizer() = default;  // identity
  // `what` names the file in errors. INVALID_ARGUMENT for a malformed section.
  static StatusOr<TextNormalizer> FromJson(const Json& section, std::string_view what);

  // Requires valid UTF-8. Errors are those of unicode.h and split_regex.h.
  StatusOr<std::string> Normalize(std::string_view text) const;
  bool identity() const { return steps_.empty(); }

 private:
  enum class Kind { kForm, kLowercase, kStrip, kPrepend, kReplace };
  struct Step {
    Kind kind = Kind::kPrepend;
    NormalizationForm form = NormalizationForm::kNfc;
    bool strip_left = false;
    bool strip_right = false;
    std::optional<SplitRegex> regex;  // kReplace: this, or the literal
    std::string literal;
    std::string content;  // kPrepend, kReplace
  };
  Status Add(const Json& section, std::string_view what);
  Status AddReplace(const Json& section, std::string_view what);
  static StatusOr<std::string> Apply(const Step& step, std::string text);

  std::vector<Step> steps_;
};

}  // namespace lwq
