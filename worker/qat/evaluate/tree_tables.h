// SPDX-License-Identifier: Apache-2.0
// The tables of a batch of sequence trees: positions and who sees whom differ from tree to tree.
//
// Throws StatusError (INVALID_ARGUMENT) for a tree that is none; call inside TorchGuard.
#pragma once

#include <cstdint>

#include "common/model/llama_config.h"
#include "worker/qat/api/score_sequences.h"
#include "worker/qat/model/sequence_tables.h"

namespace lwq::qat {

// Tokens of the longest tree: what the others are padded to.
int64_t PaddedLength(const TreeBatch& batch);

// cos and sin [B, 1, T, head_dim / 2], mask [B, 1, 1, T, T]: for ComposedBlockForward. A branch's first token stands
// where the shared ones end. Padding sees the shared tokens and itself, so that its rows are finite; nobody sees it.
SequenceTables MakeTreeTables(const LlamaConfig& config, const TreeBatch& batch, at::Device device);

}  // namespace lwq::qat
