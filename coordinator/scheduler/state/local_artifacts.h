// SPDX-License-Identifier: Apache-2.0
// What a worker probably still has on its own disk: the artifacts it read or made last, as many as its cache holds.
//
// A guess that only breaks ties between equal tasks; it may be forgotten at any time. Artifacts used least recently go
// first, by size, and by number where they are tiny. Thread-safety: none. Sizes in bytes.
#pragma once

#include <cstdint>
#include <list>
#include <map>

#include "common/artifact/artifact.h"

namespace lwq::coordinator {

class LocalArtifacts {
 public:
  static constexpr size_t kMost = 4096;

  // The worker used it: it is now the last to go. What alone exceeds `cache_bytes` is not noted.
  void Use(const ArtifactRef& artifact, int64_t cache_bytes);
  bool Has(const Digest& digest) const { return entries_.contains(digest); }
  bool empty() const { return entries_.empty(); }

 private:
  struct Entry {
    int64_t size_bytes = 0;
    std::list<Digest>::iterator recency;
  };
  std::list<Digest> recency_;  // used last in front
  std::map<Digest, Entry> entries_;
  int64_t held_bytes_ = 0;
};

}  // namespace lwq::coordinator
