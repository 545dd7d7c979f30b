// SPDX-License-Identifier: Apache-2.0
// How much memory TrainBlock takes at its peak with all activations kept: what measured peaks are held to. What a
// worker must have is decided by the simpler bounds of coordinator/plan/cost/memory.h. Free of LibTorch headers.
// Depends on nothing but the arguments and on which bf16 products this CPU has.
#pragma once

#include <cstdint>

#include "common/model/llama_config.h"
#include "worker/qat/api/train_block.h"

namespace lwq::qat {

// Upper bounds, in bytes of the allocator (samples the caller's sources hold come on top).

// What does not depend on samples: latent weights, their gradients, AdamW's two moments, fake-quantized weights,
// quantizers and the best state so far, of every block of the unit; less than 7 × the unit's weights in fp32 for groups
// of 32 and more.
int64_t EstimateParameterBytes(const LlamaConfig& config, const TrainOptions& options);

// Activations and their gradients for one micro-batch of `seqlen` tokens a sample: what backward needs of every block
// of the unit, and what one block at a time holds beside it.
int64_t EstimateActivationBytes(const LlamaConfig& config, const TrainOptions& options, int64_t seqlen);

// The sum of both.
int64_t EstimateTrainMemoryBytes(const LlamaConfig& config, const TrainOptions& options, int64_t seqlen);

}  // namespace lwq::qat
