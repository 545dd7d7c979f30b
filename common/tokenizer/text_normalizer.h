// The `normalizer` of a tokenizer.json, as byte-fallback tokenizers (Llama-2, Mistral) use it: `Prepend` (nothing is
// prepended to an empty text), `Replace` of a plain string, `Sequence` of these, or null. Others (NFC, NFKC, Lowercase,
// Precompiled, Replace by Regex, …) are FAILED_PRECONDITION by name. Immutable.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/json/json.h"
#include "common/status/status.h"

namespace lwq {

class TextNormalizer {
 public:
  TextNormalizer() = default;  // identity
  // `what` names the file in errors. INVALID_ARGUMENT for a malformed section.
  static StatusOr<TextNormalizer> FromJson(const Json& section, std::string_view what);

  std::string Normalize(std::string_view text) const;
  bool identity() const { return steps_.empty(); }

 private:
  struct Step {
    std::string pattern;  // empty: prepend
    std::string content;
  };
  Status Add(const Json& section, std::string_view what);

  std::vector<Step> steps_;
};

}  // namespace lwq
