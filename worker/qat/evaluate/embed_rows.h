// SPDX-License-Identifier: Apache-2.0
// Embedding lookup on bytes: only the rows that occur are touched and converted, never the whole table.
#pragma once

#include "common/artifact/tensor.h"
#include "common/model/llama_config.h"
#include "common/status/status.h"

namespace lwq::qat {

// INVALID_ARGUMENT unless `embedding` is [vocab, hidden] of a float type and holds its bytes.
Status CheckEmbedding(const LlamaConfig& config, const HostTensor& embedding);

// tokens [n, seqlen] (I32) → [n, seqlen, hidden] in the embedding's type. INVALID_ARGUMENT for a token outside the
// vocabulary. Requires CheckEmbedding.
StatusOr<HostTensor> EmbedRows(const LlamaConfig& config, const HostTensor& embedding, const HostTensor& tokens);

}  // namespace lwq::qat
