// SPDX-License-Identifier: Apache-2.0
// Byte-pair merging, shared by both tokenizer formats: of all neighbouring symbols that may merge, the pair of highest
// priority merges first, the leftmost of equals, until none is left. O(n log n) with a heap.
//
// The formats differ in what a pair may become (SentencePiece: any vocabulary entry equal to the joined text, its score
// being the priority; tokenizer.json: a listed merge, earlier ones first), which the caller gives as a function.
//
// A BpeWorkspace holds the buffers of one encoding and remembers the ids of short words, which natural text repeats.
// One thread at a time; make one per Encode call.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/tokenizer/string_map.h"

namespace lwq {

inline constexpr int32_t kNoToken = -1;
// Symbols and offsets inside one word are 32 bits wide.
inline constexpr size_t kMaxBpeWordBytes = (size_t{1} << 31) - 1;

struct BpeSymbol {
  uint32_t begin_bytes = 0;
  uint32_t size_bytes = 0;  // 0: merged into the symbol before it
  int32_t id = kNoToken;    // the vocabulary entry, if it is known
  int32_t previous = -1;
  int32_t next = -1;
  bool frozen = false;  // never merges
};

struct BpeMerge {
  double priority = 0;
  int32_t id = kNoToken;
};

class BpeWorkspace {
 public:
  void Clear() { symbols_.clear(); }
  // Appends a symbol at the end of the word; sizes are positive.
  void Append(uint32_t begin_bytes, uint32_t size_bytes, int32_t id, bool frozen = false) {
    const int32_t index = static_cast<int32_t>(symbols_.size());
    if (index > 0) symbols_.back().next = index;
    symbols_.push_back({begin_bytes, size_bytes, id, index - 1, -1, frozen});
  }
  // lookup(left, right) → std::optional<BpeMerge>.
  template <typename Lookup>
  void Merge(Lookup&& lookup);
  // After Merge: follow `next` from index 0; the first symbol always survives.
  const std::vector<BpeSymbol>& symbols() const { return symbols_; }

  // The ids remembered for a word, or nullopt. Valid until the next Remember.
  std::optional<std::span<const int32_t>> Recall(std::string_view word) const {
    const auto it = words_.find(word);
    if (it == words_.end()) return std::nullopt;
    return std::span(word_ids_).subspan(it->second.first, it->second.count);
  }
  void Remember(std::string_view word, std::span<const int32_t> ids) {
    if (word.size() > kMaxWordBytes || words_.size() >= kMaxWords) return;
    words_.try_emplace(std::string(word), Range{word_ids_.size(), ids.size()});
    word_ids_.insert(word_ids_.end(), ids.begin(), ids.end());
  }

 private:
  static constexpr size_t kMaxWordBytes = 48;
  static constexpr size_t kMaxWords = size_t{1} << 16;
  struct Range {
    size_t first;
    size_t count;
  };
  struct Candidate {
    double priority;
    int32_t left;
    int32_t right;
    uint32_t size_bytes;
    int32_t id;
    bool operator<(const Candidate& other) const {
      return priority != other.priority ? priority < other.priority : left > other.left;
    }
  };
  template <typename Lookup>
  void Push(int32_t left, int32_t right, Lookup& lookup);

  std::vector<BpeSymbol> symbols_;
  std::vector<Candidate> heap_;
  StringMap<Range> words_;
  std::vector<int32_t> word_ids_;
};

template <typename Lookup>
void BpeWorkspace::Push(int32_t left, int32_t right, Lookup& lookup) {
  if (left < 0 || right < 0) return;
  const BpeSymbol& l = symbols_[static_cast<size_t>(left)];
  const BpeSymbol& r = symbols_[static_cast<size_t>(right)];
  if (l.frozen || r.frozen) return;
  const std::optional<BpeMerge> merge = lookup(l, r);
  if (!merge.has_value()) return;
  heap_.push_back({merge->priority, left, right, l.size_bytes + r.size_bytes, merge->id});
  std::push_heap(heap_.begin(), heap_.end());
}

template <typename Lookup>
void BpeWorkspace::Merge(Lookup&& lookup) {
  // Step 1: every pair of neighbours that may merge is a candidate.
  heap_.clear();
  for (size_t i = 1; i < symbols_.size(); ++i) Push(static_cast<int32_t>(i - 1), static_cast<int32_t>(i), lookup);
  // Step 2: take the best candidate, until there is none.
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end());
    const Candidate top = heap_.back();
    heap_.pop_back();
    BpeSymbol& left = symbols_[static_cast<size_t>(top.left)];
    BpeSymbol& right = symbols_[static_cast<size_t>(top.right)];
    // A candidate may be out of date: one of its symbols has merged with another since. Symbols only grow, so an equal
    // total size means that neither has changed.
    if (left.size_bytes == 0 || right.size_bytes == 0 || left.size_bytes + right.size_bytes != top.size_bytes) continue;
    // Step 3: the left symbol becomes both, and the right one leaves the list.
    left.size_bytes = top.size_bytes;
    left.id = top.id;
    left.next = right.next;
    right.size_bytes = 0;
    if (left.next >= 0) symbols_[static_cast<size_t>(left.next)].previous = top.left;
    // Step 4: the new symbol has two new pairs.
    Push(left.previous, top.left, lookup);
    Push(top.left, left.next, lookup);
  }
}

}  // namespace lwq
