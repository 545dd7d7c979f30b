// SPDX-License-Identifier: Apache-2.0
// The frequencies of rotary position embedding, by the model's rope type.
//
// Computed as transformers 5.23 does (modeling_rope_utils: float32, torch's pow, its order of operations), so that long
// contexts agree with it to the last bits of the angle:
//   default   f_i = theta^(−2i/E), E head_dim, i = 0 … E/2 − 1
//   linear    f_i / factor
//   dynamic   theta grows to theta · (factor · n / L − (factor − 1))^(E/(E − 2)) for sequences of n tokens beyond
//             L = max_position_embeddings; at n ≤ L there is no scaling
//   llama3    wavelengths longer than original/low_freq_factor are stretched by `factor`, shorter than
//             original/high_freq_factor kept, those between blended
//   yarn      dimensions that turn more than beta_fast times in the original length are kept, less than beta_slow times
//             divided by `factor`, those between blended by a ramp (arXiv 2309.00071)
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "common/model/llama_config.h"

namespace lwq::qat {

// float32 [head_dim / 2] on the CPU, for sequences of `seqlen` tokens.
at::Tensor InverseFrequencies(const LlamaConfig& config, int64_t seqlen);

// What cosines and sines are multiplied by: 1 for every type but yarn.
double RotaryMagnitude(const LlamaConfig& config);

}  // namespace lwq::qat
