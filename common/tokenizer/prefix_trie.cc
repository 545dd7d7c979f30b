// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer/prefix_trie.h"

#include "common/status/status.h"

namespace lwq {
namespace {

uint64_t Edge(int32_t node, char byte) {
  return static_cast<uint64_t>(node) << 8 | static_cast<uint8_t>(byte);
}

}  // namespace

void PrefixTrie::Insert(std::string_view key, int32_t value) {
  LWQ_CHECK(!key.empty() && value >= 0, "a key of a trie is not empty and its value not negative");
  first_bytes_.set(static_cast<uint8_t>(key[0]));
  int32_t node = 0;
  for (const char byte : key) {
    const auto [edge, inserted] = edges_.try_emplace(Edge(node, byte), static_cast<int32_t>(values_.size()));
    if (inserted) values_.push_back(-1);
    node = edge->second;
  }
  values_[static_cast<size_t>(node)] = value;
}

std::optional<PrefixTrie::Match> PrefixTrie::LongestMatch(std::string_view text) const {
  if (text.empty() || !first_bytes_.test(static_cast<uint8_t>(text[0]))) return std::nullopt;
  std::optional<Match> longest;
  int32_t node = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto edge = edges_.find(Edge(node, text[i]));
    if (edge == edges_.end()) break;
    node = edge->second;
    const int32_t value = values_[static_cast<size_t>(node)];
    if (value >= 0) longest = Match{value, i + 1};
  }
  return longest;
}

}  // namespace lwq
