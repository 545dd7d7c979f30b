// What depends on positions only and is computed once for a sequence length: rotary cosines and sines, and the
// attention mask.
//
// inv_freq and the angles are computed as Hugging Face's LlamaRotaryEmbedding does (float32, torch's pow), including
// rope_scaling "llama3"; so long contexts agree with transformers to the last bit of the angle.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "common/model/llama_config.h"

namespace lwq::qat {

struct SequenceTables {
  at::Tensor cos;   // [seqlen, head_dim / 2], float32
  at::Tensor sin;   // [seqlen, head_dim / 2], float32
  at::Tensor mask;  // [seqlen, seqlen], float32: 0 where query (row) sees key (column), −inf elsewhere

  int64_t seqlen() const { return cos.size(0); }
};

// float32 [head_dim / 2] on the CPU: theta^(−2i/head_dim), then the Llama-3 scaling where the config has one:
// wavelengths longer than original/low_freq_factor are stretched by `factor`, shorter than original/high_freq_factor
// kept, those between blended.
at::Tensor InverseFrequencies(const LlamaConfig& config);

// Query i sees keys j with max(0, i − sliding_window + 1) ≤ j ≤ i (no lower limit without a window).
SequenceTables MakeSequenceTables(const LlamaConfig& config, int64_t seqlen, at::Device device);

}  // namespace lwq::qat
