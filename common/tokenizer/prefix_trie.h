// SPDX-License-Identifier: Apache-2.0
// A set of byte strings with values, asked for the longest one that a text begins with. Used for user-defined symbols
// of a SentencePiece model and for the added tokens of a tokenizer.json.
//
// Thread-safety: immutable after the last Insert. A look-up costs one hash probe per matched byte, and usually none:
// most texts fail at their first byte.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace lwq {

class PrefixTrie {
 public:
  struct Match {
    int32_t value = 0;
    size_t size_bytes = 0;
  };

  // `key` must not be empty, `value` not negative. An equal key's value is replaced.
  void Insert(std::string_view key, int32_t value);
  bool empty() const { return first_bytes_.none(); }
  std::optional<Match> LongestMatch(std::string_view text) const;

 private:
  std::bitset<256> first_bytes_;
  absl::flat_hash_map<uint64_t, int32_t> edges_;  // node << 8 | byte → node
  std::vector<int32_t> values_ = {-1};            // by node; -1: no key ends here
};

}  // namespace lwq
