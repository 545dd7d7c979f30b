// SPDX-License-Identifier: Apache-2.0
// The losses of a text's windows at rest: what evaluate_ppl publishes for its shard and reduce_ppl reads of all.
//
// Artifact kind "window_losses": meta {"windows", "seqlen"}; one part "losses": a float64 for each window in order
// (the mean cross-entropy of its seqlen − 1 next tokens, in nats), little endian; no part where there is no window.
//
// Thread-safety: free functions. Errors of reading: DATA_LOSS naming the artifact for anything that is not exactly
// this; NOT_FOUND for a blob that is gone.
#pragma once

#include <cstdint>
#include <vector>

#include "common/artifact/artifact.h"
#include "common/status/status.h"

namespace lwq::worker {

struct WindowLosses {
  int64_t seqlen = 0;
  std::vector<double> losses;
};

StatusOr<ArtifactRef> PublishWindowLosses(ArtifactStore& store, const WindowLosses& measured);
StatusOr<WindowLosses> LoadWindowLosses(BlobSource& blobs, const ArtifactRef& artifact);

// The windows [first, first + count) of shard `shard` of `shards`: an even share of whole micro-batches, so that a
// window is computed beside the same others however many shards there are. Shards follow each other and cover
// everything; where there are fewer micro-batches than shards, some are empty. Requires 0 ≤ shard < shards.
struct WindowRange {
  int64_t first = 0;
  int64_t count = 0;
  friend bool operator==(const WindowRange&, const WindowRange&) = default;
};
WindowRange WindowsOfShard(int64_t windows, int64_t micro_batch, int64_t shard, int64_t shards);

}  // namespace lwq::worker
