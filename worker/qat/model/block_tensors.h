// SPDX-License-Identifier: Apache-2.0
// The weights of one decoder block as tensors, ready for BlockForward.
//
// The seven linears may be plain, fake-quantized or decoded; their dtype is the dtype of the block's matrix products
// (float32, bfloat16 or float64), which biases have, too. Norm weights stay float32 (float64 in double-precision
// checks). A value: copies share storage.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>

#include "common/model/llama_config.h"

namespace lwq::qat {

struct BlockTensors {
  std::array<at::Tensor, std::size(kAllLinears)> linears;  // by LinearKind, [out, in]
  std::array<at::Tensor, std::size(kAllLinears)> biases;   // [out]; undefined where the linear has none
  at::Tensor input_norm;                                   // [hidden]
  at::Tensor post_attention_norm;                          // [hidden]
  at::Tensor query_norm;                                   // [head_dim]; undefined in architectures without it
  at::Tensor key_norm;

  const at::Tensor& operator[](LinearKind kind) const { return linears[static_cast<size_t>(kind)]; }
  at::Tensor& operator[](LinearKind kind) { return linears[static_cast<size_t>(kind)]; }
  const at::Tensor& bias(LinearKind kind) const { return biases[static_cast<size_t>(kind)]; }
};

// What linears of a block read: those of one enumerator the same.
enum class LinearInput { kQkv, kO, kGateUp, kDown };

}  // namespace lwq::qat
