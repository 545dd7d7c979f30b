// SPDX-License-Identifier: Apache-2.0
// The loss of every training of a block: how far its output is from the full-precision one.
//
// Any device, meta included. Thread-safety: no state.
#pragma once

#include <ATen/core/Tensor.h>

namespace lwq::qat {

// The mean of (out − target)² over all elements, a scalar. Differentiable by `out`, once.
at::Tensor MeanSquaredError(const at::Tensor& out, const at::Tensor& target);

}  // namespace lwq::qat
