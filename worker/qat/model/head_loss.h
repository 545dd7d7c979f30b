// SPDX-License-Identifier: Apache-2.0
// The next-token loss of one sample through the final norm and the head, and its derivatives with respect to the hidden
// states the head reads.
//
// A row's loss depends on that row alone, so rows are taken a slice at a time: no more than kLogitElements logits (one
// row, where the vocabulary is larger) exist at once, beside a few tensors of their size that softmax and its
// derivatives need. Losses are summed in float64.
//
// Shapes: hidden [seqlen, hidden]; ids [seqlen] int64, every one inside the vocabulary; seqlen ≥ 2. No state. Call
// inside TorchGuard.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "common/model/llama_config.h"

namespace lwq::qat {

// 16 MiB of float32.
inline constexpr int64_t kLogitElements = 4 << 20;

struct HeadTensors {
  at::Tensor final_norm;  // [hidden]
  at::Tensor lm_head;     // [vocab, hidden]
};

// Mean cross-entropy of the seqlen − 1 next tokens, in nats. Records no gradient.
double SampleLoss(const LlamaConfig& config, const HeadTensors& head, const at::Tensor& hidden, const at::Tensor& ids);

// The losses of several samples: hidden [samples, seqlen, hidden], ids [samples, seqlen]. A sample's loss has the same
// bits whatever stands beside it. Where the CPU has AVX-512 no logits are kept at all (fused_head.h), and samples share
// what is read of the head.
std::vector<double> SampleLosses(const LlamaConfig& config, const HeadTensors& head, const at::Tensor& hidden,
                                 const at::Tensor& ids);

struct LossAndGradient {
  double loss = 0;
  at::Tensor gradient;  // ∂loss/∂hidden [seqlen, hidden]; the last row, which predicts nothing, is 0
};
LossAndGradient SampleLossGradient(const LlamaConfig& config, const HeadTensors& head, const at::Tensor& hidden,
                                   const at::Tensor& ids);

// The Hessian of the loss with respect to `hidden` times `direction`; shapes of `hidden`.
at::Tensor SampleLossHessianProduct(const LlamaConfig& config, const HeadTensors& head, const at::Tensor& hidden,
                                    const at::Tensor& ids, const at::Tensor& direction);

}  // namespace lwq::qat
