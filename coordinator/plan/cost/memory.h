// SPDX-License-Identifier: Apache-2.0
// How much memory the parts of a task need at their peak, from the model's shape alone: activations, training, chunks
// of stored samples, logits. What a task of each kind needs of them: task_costs.h.
//
//   train a block:   7 × block parameters × 4 B   weights, gradients, two moments, the quantized copy and its gradient,
//                                                 and the full-precision original
//                    + activations of one micro-batch (ActivationBytes) + four chunks of stored samples
//   train a unit:    the same with the parameters of all its blocks; beside one block's activations what backward
//                    needs of the others (KeptActivationBytes)
//   at the least:    activations recomputed, half a block at a time (LeastTrainMemoryBytes)
//
// Everything is counted in fp32, an upper bound for bf16. Pure; thread-safe. Bytes throughout.
#pragma once

#include <cstdint>

#include "common/model/llama_config.h"
#include "coordinator/plan/recipe/recipe.h"

namespace lwq::coordinator {

// Activations that training a block keeps from forward to backward, and what is alive beside them at the worst moment,
// for `micro_batch` samples of `seqlen` tokens. Per token, 4 B each: 10 vectors of the hidden size, 5 of all query
// heads, 6 of all key/value heads, 6 of the intermediate size, and rows of attention scores: half of heads × seqlen is
// kept (causal), and three times heads × min(seqlen, 256) is in flight (attention is computed in chunks of queries).
int64_t ActivationBytes(const LlamaConfig& config, int64_t micro_batch, int64_t seqlen);

// The part of it that waits for backward while another block of the unit is at work. Per token, 4 B each: 8 vectors of
// the hidden size, 2 of all query heads, 1 of all key/value heads and the values once a chunk of queries that reads
// them, 4 of the intermediate size, and the kept half of the attention scores, whole in the diagonal's chunks.
int64_t KeptActivationBytes(const LlamaConfig& config, int64_t micro_batch, int64_t seqlen);

// Peak of training a unit of that many blocks as one, with all activations kept.
int64_t TrainMemoryBytes(const LlamaConfig& config, const Recipe& recipe, int64_t blocks_in_unit);

// What a worker must have: the peak with activations recomputed (worker/qat/api/activations.h), which it falls back to,
// or with all of them kept where that is less. Recomputed, in place of ActivationBytes per token of a micro-batch, 4 B
// each: 2 · blocks + 3 vectors of the hidden size, the streams between halves of blocks; and the larger half, 6 of the
// hidden size and 6 of the intermediate size, or 6 of the hidden size, 7 of all query heads, 8 of all key/value heads
// and four times heads × min(seqlen, 256) of attention scores. Once, the mask of seqlen × seqlen.
int64_t LeastTrainMemoryBytes(const LlamaConfig& config, const Recipe& recipe, int64_t blocks_in_unit);

// A forward pass without backward holds about a third of what training keeps.
int64_t ForwardBytes(const LlamaConfig& config, int64_t micro_batch, int64_t seqlen);

// Stored samples that a task holds: four chunks of 8 MiB, or of one sample where that is larger.
int64_t ChunkBytes(const LlamaConfig& config, int64_t seqlen);

// What the object store holds of one boundary between blocks: the calibration windows' activations, as they are stored.
int64_t StoredActivationBytes(const LlamaConfig& config, const Recipe& recipe);

// What it holds of the hidden states of a text that models are compared on, float32; four bytes of text make a token.
int64_t StoredHiddenBytes(const LlamaConfig& config, int64_t text_bytes);

// Sensitivity takes the logits of a sample 16 MiB at a time, those of one token at least; `copies` tensors of that size
// are alive at once.
int64_t LogitBytes(const LlamaConfig& config, int64_t seqlen, int64_t copies);

}  // namespace lwq::coordinator
