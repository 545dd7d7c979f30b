// SPDX-License-Identifier: Apache-2.0
// The `decoder` of a tokenizer.json: how vocabulary entries become text again. Supported: `ByteLevel`, `Metaspace`,
// `Replace` of a plain string, `ByteFallback`, `Fuse`, `Strip`, `Sequence` of these; without a decoder entries are
// joined by spaces, as the tokenizers library does. Others are FAILED_PRECONDITION by name. Immutable.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/json/json.h"
#include "common/status/status.h"

namespace lwq {

class TokenDecoder {
 public:
  TokenDecoder() = default;
  // INVALID_ARGUMENT for a malformed section.
  static StatusOr<TokenDecoder> FromJson(const Json& section, std::string_view what);

  // Valid UTF-8; bytes that make none become U+FFFD.
  std::string Decode(std::vector<std::string> tokens) const;

 private:
  enum class Kind { kByteLevel, kMetaspace, kReplace, kByteFallback, kFuse, kStrip };
  struct Step {
    Kind kind = Kind::kFuse;
    std::string pattern;  // kReplace, kMetaspace: what is replaced; kStrip: what is stripped
    std::string content;  // kReplace
    int64_t start = 0;    // kStrip: at most so many at the start, at the end
    int64_t stop = 0;
    bool drop_first = false;  // kMetaspace: the prepended space goes again
  };
  Status Add(const Json& section, std::string_view what);
  static void Apply(const Step& step, std::vector<std::string>* tokens);

  std::vector<Step> steps_;
};

}  // namespace lwq
