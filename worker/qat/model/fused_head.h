// SPDX-License-Identifier: Apache-2.0
// The next-token loss through the final norm and the head without logits in memory: a strip of the vocabulary at a time
// is multiplied with all rows, and of its logits each row keeps the largest and the sum of exponentials.
//
// Strips are of one fixed width and joined in their order, so the bits depend on the instruction set alone. Logits are
// float32 sums, never rounded to the head's type. The reference is head_loss.h's SampleLoss.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "common/model/llama_config.h"
#include "worker/qat/model/head_loss.h"

namespace lwq::qat {

// Head and states lie on a CPU that can; the head is contiguous, float32 or bf16.
bool CanFuseHead(const HeadTensors& head, const at::Tensor& hidden);

// By sample, the mean cross-entropy of its seqlen − 1 next tokens. hidden [samples, seqlen, hidden] float32,
// ids [samples, seqlen] int64, inside the vocabulary. Requires CanFuseHead.
std::vector<double> FusedSampleLosses(const LlamaConfig& config, const HeadTensors& head, const at::Tensor& hidden,
                                      const at::Tensor& ids);

}  // namespace lwq::qat
