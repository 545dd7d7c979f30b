// SPDX-License-Identifier: Apache-2.0
// What depends on positions only and is computed once for a sequence length: rotary cosines and sines, and the
// attention mask.
//
// Frequencies and angles are computed as transformers does (rotary_frequencies.h). With rope type "dynamic" they depend
// on the length of the sequence: tables of one length are then not the beginning of those of a longer one.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "common/model/llama_config.h"

namespace lwq::qat {

// The composed block also takes tables that each sequence of a batch has for itself: cos and sin
// [B, 1, seqlen, head_dim / 2], mask [B, 1, 1, seqlen, seqlen].
struct SequenceTables {
  at::Tensor cos;   // [seqlen, head_dim / 2], float32
  at::Tensor sin;   // [seqlen, head_dim / 2], float32
  at::Tensor mask;  // [seqlen, seqlen], float32: 0 where query (row) sees key (column), −inf elsewhere

  int64_t seqlen() const { return cos.size(-2); }
};

// Query i sees keys j with max(0, i − sliding_window + 1) ≤ j ≤ i (no lower limit without a window).
SequenceTables MakeSequenceTables(const LlamaConfig& config, int64_t seqlen, at::Device device);

}  // namespace lwq::qat
