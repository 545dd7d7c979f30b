// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/local_artifacts.h"

namespace lwq::coordinator {

void LocalArtifacts::Use(const ArtifactRef& artifact, int64_t cache_bytes) {
  if (artifact.size_bytes > cache_bytes || cache_bytes <= 0) return;
  const auto known = entries_.find(artifact.digest);
  if (known != entries_.end()) {
    recency_.splice(recency_.begin(), recency_, known->second.recency);
    return;
  }
  recency_.push_front(artifact.digest);
  entries_.emplace(artifact.digest, Entry{artifact.size_bytes, recency_.begin()});
  held_bytes_ += artifact.size_bytes;
  while (held_bytes_ > cache_bytes || entries_.size() > kMost) {
    const auto oldest = entries_.find(recency_.back());
    held_bytes_ -= oldest->second.size_bytes;
    entries_.erase(oldest);
    recency_.pop_back();
  }
}

}  // namespace lwq::coordinator
