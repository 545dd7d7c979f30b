// SPDX-License-Identifier: Apache-2.0
// BlockForward on a CPU with AVX-512: seven products, attention and four passes over rows, with a backward pass of
// their own, in place of a hundred operators. Same arithmetic as the composed block but for roundings: sums of products
// reach the residual stream and the scores unrounded.
//
// Bits depend on the instruction set, not on threads or on the number of sequences. When its backward is to be
// differentiated again (create_graph), the composed block is run in its place. Kept for backward, per token: 4 B × (2
// hidden + 2 + query heads) and, in the type of the products, 2 × hidden, 2 × queries, 2 × keys and 2 × intermediate.
#pragma once

#include <ATen/core/Tensor.h>

#include "common/model/llama_config.h"
#include "worker/qat/model/block_tensors.h"
#include "worker/qat/model/sequence_tables.h"

namespace lwq::qat {

// Everything lies on a CPU that can, the linears are contiguous and all float32 or all bf16, the norms float32; there
// are no biases and no norms of queries and keys.
bool CanFuseBlock(const BlockTensors& block, const at::Tensor& hidden);

// As InputOfLinear (block_forward.h), not differentiable. Requires CanFuseBlock.
at::Tensor FusedInputOfLinear(const LlamaConfig& config, const BlockTensors& block, const SequenceTables& tables,
                              const at::Tensor& hidden, LinearInput which);

// As BlockForward. Requires CanFuseBlock.
at::Tensor FusedBlockForward(const LlamaConfig& config, const BlockTensors& block, const SequenceTables& tables,
                             const at::Tensor& hidden);

}  // namespace lwq::qat
