// SPDX-License-Identifier: Apache-2.0
// The divergence of one sample's next-token distributions from a reference's, both through the same final norm and
// head. Rows are taken a slice at a time, as in head_loss.h: kLogitElements logits of each model exist at once, beside
// four float64 tensors of that many elements.
//
// Shapes: reference, hidden [seqlen, hidden], seqlen ≥ 2. No state. Call inside TorchGuard.
#pragma once

#include <ATen/core/Tensor.h>

#include "common/model/llama_config.h"
#include "worker/qat/api/divergence.h"
#include "worker/qat/model/head_loss.h"

namespace lwq::qat {

WindowDivergence SampleDivergence(const LlamaConfig& config, const HeadTensors& head, const at::Tensor& reference,
                                  const at::Tensor& hidden);

}  // namespace lwq::qat
