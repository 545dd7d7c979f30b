// SPDX-License-Identifier: Apache-2.0
// Sums over float32 tensors in float64, without a float64 copy of the whole.
//
// No state; any device. Call inside TorchGuard.
#pragma once

#include <ATen/core/Tensor.h>

namespace lwq::qat {

// Σ a · b over all elements; equal shapes, at least one dimension.
double InnerProduct(const at::Tensor& a, const at::Tensor& b);

}  // namespace lwq::qat
