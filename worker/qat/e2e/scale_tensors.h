// SPDX-License-Identifier: Apache-2.0
// All scales of a block as one vector that the optimizer moves, and what lies between it and the block: the scales that
// are served, and the gradient that the decoded weights' gradients come to.
//
// Values; call inside TorchGuard, everything throws StatusError.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "common/model/llama_config.h"
#include "worker/qat/api/block.h"
#include "worker/qat/api/train_scales.h"

namespace lwq::qat {

// One block's scales while they are trained. float32 [scales] each, in the order of BlockScaleState.
struct ScaleTensors {
  at::Tensor scales;
  at::Tensor exp_avg;
  at::Tensor exp_avg_sq;
  at::Tensor gradient;
};

// INVALID_ARGUMENT naming block and linear where one is not quantized or does not fit the model.
void CheckQuantized(const LlamaConfig& config, int64_t index, const BlockState& block);

// Number of the block's scales. Requires CheckQuantized.
int64_t ScalesOf(const BlockState& block);

// All linears' scales, one after the other: float32.
at::Tensor JoinedScales(const BlockState& block, at::Device device);

// The block with the scales that are served for these (rounded to fp16, or clamped).
BlockState WithScales(const BlockState& block, const at::Tensor& scales, bool fp16_scales);

// Adds Σ over each group of (code − zero) · gradient to `sum` [scales]: `weight_gradients` of the seven linears, in the
// order of kAllLinears, any float type.
void AddScaleGradients(const BlockState& block, const std::vector<at::Tensor>& weight_gradients, at::Tensor& sum);

}  // namespace lwq::qat
