// SPDX-License-Identifier: Apache-2.0
// A block's state at rest: what training and round-to-nearest publish, and what advance, evaluation and export read.
//
// Artifact kind "block": meta is the block's format (block_format.h), its one part "block.safetensors" holds
//   <linear>.codes   I32 [out, ceil(in·bits/32)]   codes as dense streams along the input (bit_pack.h)
//   <linear>.scales  F16, or F32 when any scale is not an fp16 number   [out, in / group_size]
//   <linear>.zeros   U8 [out, in / group_size]
//   <linear>.weight  as it is, for a linear kept at full precision
//   <linear>.bias    as it is, where there is one
//   input_layernorm.weight, post_attention_layernorm.weight   as they are; likewise self_attn.q_norm.weight and
//                    self_attn.k_norm.weight where there are such
// with the canonical JSON of the format as metadata "lwq_block". Neither block index nor recipe is in it: equal
// states are equal bytes, and reading returns the state that was written, bit for bit. A 7B block at 2 bits takes
// about 55 MB.
//
// Thread-safety: free functions. Errors of reading: DATA_LOSS naming artifact and tensor for anything that is not
// exactly this; NOT_FOUND for a blob that is gone.
#pragma once

#include <string>
#include <string_view>

#include "common/artifact/artifact.h"
#include "common/export/block.h"
#include "common/export/block_format.h"
#include "common/status/status.h"

namespace lwq::qat {

inline constexpr std::string_view kBlockArtifactKind = "block";

// INVALID_ARGUMENT when the block is not well formed (CheckBlock).
StatusOr<std::string> SerializeBlock(const BlockState& block);
StatusOr<BlockState> ParseBlock(Bytes file, std::string_view what);

StatusOr<ArtifactRef> PublishBlock(ArtifactStore& store, const BlockState& block);
StatusOr<BlockState> LoadBlockCheckpoint(BlobSource& blobs, const ArtifactRef& artifact);
// From the manifest alone.
StatusOr<BlockFormat> LoadBlockFormat(BlobSource& blobs, const ArtifactRef& artifact);

}  // namespace lwq::qat
