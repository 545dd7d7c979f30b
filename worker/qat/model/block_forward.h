// SPDX-License-Identifier: Apache-2.0
// The forward pass of one decoder block of the Llama family as pure functions of tensors.
//
// Numerics: the residual stream, RMSNorm (variance and division) and the rotation are float32; matrix products run in
// the dtype of the linear weights, their inputs cast to it (so bf16 weights give bf16 autocast's arithmetic without its
// global state; products.h). Softmax of bf16 scores accumulates in float32. With float64 weights and input everything
// is float64. Works on any device, and is differentiable twice.
//
// Attention runs over chunks of kQueryChunk queries against the keys those can see, so that scores take
// kQueryChunk · seqlen elements a head at a time and the upper triangle is neither computed nor (in training) kept.
//
// Shapes: B batch, T tokens, D hidden, H query heads, K key/value heads, E head_dim.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "common/model/llama_config.h"
#include "worker/qat/api/activations.h"
#include "worker/qat/model/block_tensors.h"
#include "worker/qat/model/sequence_tables.h"

namespace lwq::qat {

inline constexpr int64_t kQueryChunk = 256;

// hidden [B, T, D] (float32, or any float type, which is widened to float32) → [B, T, D] float32. tables.seqlen() ≥ T.
at::Tensor BlockForward(const LlamaConfig& config, const BlockTensors& block, const SequenceTables& tables,
                        const at::Tensor& hidden);

// The same, in float32 by the fused kernels too where there are any: for perplexities and measurements,
// on which no training depends.
at::Tensor BlockForwardForLosses(const LlamaConfig& config, const BlockTensors& block, const SequenceTables& tables,
                                 const at::Tensor& hidden);

// The same composed of at:: operators: on any device and in any type, differentiable any number of times. BlockForward
// is fused_block.h in bf16 where the CPU has AVX-512; this is its reference.
at::Tensor ComposedBlockForward(const LlamaConfig& config, const BlockTensors& block, const SequenceTables& tables,
                                const at::Tensor& hidden);

// Whether BlockForward is that one for these: then the two halves one after another give its bits, forward and
// backward.
bool IsComposed(const BlockTensors& block, const at::Tensor& hidden);

// The composed block's halves. From what the block reads to the stream in its middle, by q, k, v, o and the first norm;
// with kRecomputed the scores of attention are not kept for backward, which computes a chunk of them at a time again.
at::Tensor AttentionHalf(const LlamaConfig& config, const BlockTensors& block, const SequenceTables& tables,
                         const at::Tensor& hidden, Activations scores = Activations::kKept);
// From there to what the block returns, by gate, up, down and the second norm.
at::Tensor FeedForwardHalf(const LlamaConfig& config, const BlockTensors& block, const at::Tensor& attended);

// What the linears of a block read, by the composed block, in the dtype of their products.
struct LinearInputs {
  at::Tensor qkv;      // [B, T, D]
  at::Tensor o;        // [B, T, H·E], head by head
  at::Tensor gate_up;  // [B, T, D]
  at::Tensor down;     // [B, T, intermediate]
};
LinearInputs InputsOfLinears(const LlamaConfig& config, const BlockTensors& block, const SequenceTables& tables,
                             const at::Tensor& hidden);

// One of them alone, without what comes after it in the block; by the fused kernels where there are any, in float32
// too.
at::Tensor InputOfLinear(const LlamaConfig& config, const BlockTensors& block, const SequenceTables& tables,
                         const at::Tensor& hidden, LinearInput which);

// x / sqrt(mean(x²) + eps) · weight over the last dimension, computed in float32 (float64 for float64).
at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps);

// q [B, H, T, E] and k [B, K, T, E] rotated, and v [B, K, T, E] → [B, H, T, E]; head h reads key/value
// head h·K/H.
at::Tensor Attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const SequenceTables& tables,
                     const LlamaConfig& config, Activations scores = Activations::kKept);

// x [B, heads, T, E] rotated by position, halves paired as Hugging Face does (element i with i + E/2); computed in
// float32 at least, returned in x's dtype.
at::Tensor Rotate(const at::Tensor& x, const SequenceTables& tables);

}  // namespace lwq::qat
