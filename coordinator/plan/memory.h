// How much memory a task needs at its peak, from the model's shape alone: what placement compares with what a worker
// has.
//
//   train a block:   7 × block parameters × 4 B   weights, gradients, two moments, the quantized copy and its gradient,
//                                                 and the full-precision original
//                    + activations of one micro-batch (ActivationBytes) + four chunks of stored samples
//   train a unit:    the same with the parameters of all its blocks; beside one block's activations what backward
//                    needs of the others (KeptActivationBytes)
//   advance:         block parameters × 4 B + forward activations + four chunks
//   evaluate:        the larger of a block and the head with its logits, + activations
//   the others:      the tensors they hold at once
//
// Everything is counted in fp32, an upper bound for bf16. Pure; thread-safe. Bytes throughout.
#pragma once

#include <cstdint>

#include "common/model/llama_config.h"
#include "common/task/task_def.h"
#include "coordinator/plan/recipe.h"

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

// Peak of training a unit of that many blocks as one.
int64_t TrainMemoryBytes(const LlamaConfig& config, const Recipe& recipe, int64_t blocks_in_unit);

// Peak of one task of the kind in a run of the recipe; of train_block: of the largest unit it may have.
int64_t TaskMemoryBytes(TaskKind kind, const LlamaConfig& config, const Recipe& recipe);

}  // namespace lwq::coordinator
