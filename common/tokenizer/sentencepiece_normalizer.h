// SPDX-License-Identifier: Apache-2.0
// SentencePiece's text normalization: character map, dummy prefix, surplus spaces, spaces escaped as "▁" (U+2581).
//
// The character map (nmt_nfkc, nfkc, …) is the model's `precompiled_charsmap`: a 32-bit length, a double-array trie
// (Aoe 1989, in the unit layout of darts-clone) from source strings to offsets, and the NUL-terminated replacements. It
// is walked in place, every index checked, so that a damaged map can at worst leave text as it is. User-defined symbols
// are never normalized. Bytes that are not UTF-8 become one U+FFFD each.
//
// Thread-safety: immutable. Deterministic.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/status/keep_going.h"
#include "common/status/status.h"
#include "common/tokenizer/prefix_trie.h"
#include "common/tokenizer/sentencepiece_model.h"

namespace lwq {

inline constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";  // U+2581

class CharacterMap {
 public:
  CharacterMap() = default;  // maps nothing
  // INVALID_ARGUMENT when the lengths do not fit.
  static StatusOr<CharacterMap> Parse(std::string_view blob);

  struct Match {
    std::string_view replacement;
    size_t size_bytes = 0;
  };
  // The longest source string that `text` begins with.
  std::optional<Match> LongestMatch(std::string_view text) const;
  bool empty() const { return units_.empty(); }

 private:
  std::vector<uint32_t> units_;
  std::string replacements_;
};

class SentencePieceNormalizer {
 public:
  // `user_defined` must outlive the normalizer.
  static StatusOr<SentencePieceNormalizer> Create(const SentencePieceModel& model, const PrefixTrie* user_defined);
  // Fails with what `keep_going` answers alone, asked every few thousand characters.
  // `with_prefix`: whether the model's dummy prefix, if it has one, is wanted.
  StatusOr<std::string> Normalize(std::string_view text, bool with_prefix = true,
                                  KeepGoing keep_going = AlwaysKeepGoing) const;

 private:
  struct Step {
    std::string_view text;
    size_t consumed_bytes = 0;
  };
  Step NormalizePrefix(std::string_view text) const;

  CharacterMap characters_;
  const PrefixTrie* user_defined_ = nullptr;
  bool add_dummy_prefix_ = true;
  bool remove_extra_whitespaces_ = true;
  bool escape_whitespaces_ = true;
};

}  // namespace lwq
