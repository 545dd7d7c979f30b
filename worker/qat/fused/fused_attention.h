// SPDX-License-Identifier: Apache-2.0
// Causal attention of grouped heads on the CPU, forward and backward, a block of queries at a time: scores exist for
// at most kFusedQueries queries of one head at once, in forward for a tile of their keys; keys that no query of the
// block sees are left out. Of the softmax, which forward carries from tile to tile, only the logarithm of each row's
// sum is kept for backward, which computes the scores again.
//
// Layout as the linear layers give it: q and o [B·T, H·E], k and v [B·T, K·E], contiguous, all of one type, bf16 or
// float32. Bits depend on the instruction set, not on threads. Needs HasGemmKernels().
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace lwq::qat {

inline constexpr int64_t kFusedQueries = 64;

struct AttentionShape {
  int64_t batch = 0;
  int64_t tokens = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t window = 0;  // a query sees that many keys, itself included; at least 1, `tokens` where there is no limit
};

// Fills `o`; and `log_sums` [B, H, T], float32.
void FusedAttention(const AttentionShape& shape, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                    const at::Tensor& o, const at::Tensor& log_sums);

// Fills dq, dk, dv, of the shapes and type of q, k, v, from `d_o`, the gradient of `o`.
void FusedAttentionBackward(const AttentionShape& shape, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const at::Tensor& o, const at::Tensor& log_sums, const at::Tensor& d_o,
                            const at::Tensor& dq, const at::Tensor& dk, const at::Tensor& dv);

}  // namespace lwq::qat
