// SPDX-License-Identifier: Apache-2.0
// A block's scales at rest: what search_scales publishes, and what every task that quantizes or measures the block's
// weights works into them.
//
// Artifact kind "scales": no meta; one part "scales.safetensors", F32 vectors named like the sources that they divide
// (ScaledSourceName: "input_layernorm", "self_attn.v_proj", "post_attention_layernorm", "mlp.up_proj"). A few bytes for
// each channel, where the block that has them worked in would take four for each weight.
//
// Thread-safety: free functions. Errors of reading: DATA_LOSS naming the artifact for anything that is not exactly
// this; NOT_FOUND for a blob that is gone. Whether scales fit a model is FoldScales's to say.
#pragma once

#include "common/artifact/artifact.h"
#include "common/status/status.h"
#include "worker/qat/api/prepare.h"

namespace lwq::worker {

StatusOr<ArtifactRef> PublishScales(ArtifactStore& store, const qat::BlockScales& scales);
StatusOr<qat::BlockScales> LoadScales(BlobSource& blobs, const ArtifactRef& artifact);

}  // namespace lwq::worker
