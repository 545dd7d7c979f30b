// SPDX-License-Identifier: Apache-2.0
// The divergences of a text's windows at rest: what evaluate_kl publishes for its shard and reduce_kl reads of all.
//
// Artifact kind "window_divergences": meta {"windows", "seqlen"}; parts, absent where there is no window: "sums" and
// "square_sums", a float64 for each window in order (of KL over its seqlen − 1 predicted tokens, in nats, and of its
// square), and "agreements", an int64 for each (tokens that both models find likeliest). Little endian.
//
// Thread-safety: free functions. Errors of reading: DATA_LOSS naming the artifact for anything that is not exactly
// this; NOT_FOUND for a blob that is gone.
#pragma once

#include <cstdint>
#include <vector>

#include "common/artifact/artifact.h"
#include "common/status/status.h"
#include "common/task/measured.h"
#include "worker/qat/api/divergence.h"

namespace lwq::worker {

struct WindowDivergences {
  int64_t seqlen = 0;
  std::vector<qat::WindowDivergence> windows;
};

StatusOr<ArtifactRef> PublishWindowDivergences(ArtifactStore& store, const WindowDivergences& divergences);
StatusOr<WindowDivergences> LoadWindowDivergences(BlobSource& blobs, const ArtifactRef& artifact);

// What the windows of a whole text come to: the mean KL and its standard error √(Σ (KL − mean)² / (n − 1) / n) over all
// n predicted tokens as if these were independent, and the share of agreements with √(p (1 − p) / (n − 1)). Added up in
// float64 in the order of windows. Requires at least one window.
std::vector<Measured> MeasuresOf(const WindowDivergences& divergences);

}  // namespace lwq::worker
