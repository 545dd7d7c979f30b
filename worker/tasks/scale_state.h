// SPDX-License-Identifier: Apache-2.0
// E2E-QP between two segments, at rest: what train_scales publishes and the next train_scales goes on from.
//
// Artifact kind "scale_state": meta {"steps": optimizer steps taken, "blocks": how many}; one part
// "state.safetensors" with F32 vectors "<k>.scales", "<k>.exp_avg" and "<k>.exp_avg_sq" of every block k. Twelve bytes
// for each scale.
//
// Thread-safety: free functions. Errors of reading: DATA_LOSS naming the artifact for anything that is not exactly
// this; NOT_FOUND for a blob that is gone. Whether the state fits the blocks is TrainScales's to say.
#pragma once

#include "common/artifact/artifact.h"
#include "common/status/status.h"
#include "worker/qat/api/train_scales.h"

namespace lwq::worker {

StatusOr<ArtifactRef> PublishScaleState(ArtifactStore& store, const qat::ScaleState& state);
StatusOr<qat::ScaleState> LoadScaleState(BlobSource& blobs, const ArtifactRef& artifact);

}  // namespace lwq::worker
