// SPDX-License-Identifier: Apache-2.0
// A block's weight gradients summed over the samples of a shard, at rest: what backward_block publishes and
// gradient_norm reads.
//
// Artifact kind "gradient_sum": meta {"linears":{"<linear>":[out, in]}}; a part for each of the seven linears, named
// like it, in the order of kAllLinears: F32 [out, in], row-major, little endian. A part each, so that a reader holds
// one linear of one shard at a time.
//
// Thread-safety: free functions. Errors of reading: DATA_LOSS naming the artifact for anything that is not exactly
// this; NOT_FOUND for a blob that is gone.
#pragma once

#include <cstdint>
#include <vector>

#include "common/artifact/artifact.h"
#include "common/status/status.h"
#include "worker/qat/api/sensitivity.h"

namespace lwq::worker {

// INVALID_ARGUMENT unless all seven linears are there, F32.
StatusOr<ArtifactRef> PublishGradientSum(ArtifactStore& store, const qat::LinearGradients& sum);

// ‖Σ shards / samples‖₂ over all seven linears, in float64 in the order of shards and elements: the same bits on every
// machine. Holds one linear in float64 and one in float32. INVALID_ARGUMENT for no shards, no samples, or shards of
// different shapes; CANCELLED between parts.
StatusOr<double> MeanGradientNorm(BlobSource& blobs, const std::vector<ArtifactRef>& shards, int64_t samples,
                                  const qat::CancelToken& cancel);

}  // namespace lwq::worker
