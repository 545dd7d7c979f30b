// SPDX-License-Identifier: Apache-2.0
// Where the rows of a table are whose key has no index: it would be written in as many places as a commit has keys.
//
// A store notes every row once, on loading or before its first change, and finds rows by number from then on.
// Thread-safety: one thread at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <unordered_map>

#include "common/digest/digest.h"

namespace lwq::coordinator {

class RowNumbers {
 public:
  // Whether every row has been noted.
  bool known() const { return known_; }
  void NotedAll() { known_ = true; }
  // As if no row had ever been noted.
  void Forget() { *this = RowNumbers(); }

  void Note(const Digest& key, int64_t number) {
    numbers_[key] = number;
    next_ = std::max(next_, number + 1);
  }
  // The key's number, a new one if it has none.
  int64_t OfNew(const Digest& key) {
    const auto [number, added] = numbers_.emplace(key, next_);
    if (added) ++next_;
    return number->second;
  }
  // 0: it has none.
  int64_t Of(const Digest& key) const {
    const auto number = numbers_.find(key);
    return number == numbers_.end() ? 0 : number->second;
  }
  void Drop(const Digest& key) { numbers_.erase(key); }

 private:
  std::unordered_map<Digest, int64_t> numbers_;
  int64_t next_ = 1;
  bool known_ = false;
};

}  // namespace lwq::coordinator
