// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/sensitivity/inner_product.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstdint>

namespace lwq::qat {
namespace {

// Elements widened at a time: 1 MiB of float64.
constexpr int64_t kWidenedElements = 1 << 17;

}  // namespace

double InnerProduct(const at::Tensor& a, const at::Tensor& b) {
  const int64_t rows = a.size(0);
  const int64_t step = std::max<int64_t>(1, kWidenedElements * rows / std::max<int64_t>(1, a.numel()));
  at::Tensor sum = at::zeros({}, a.options().dtype(at::kDouble).requires_grad(false));  // read once, at the end
  for (int64_t first = 0; first < rows; first += step) {
    const int64_t count = std::min(step, rows - first);
    const at::Tensor wide = a.narrow(0, first, count).to(at::kDouble);
    sum.add_(wide.mul(b.narrow(0, first, count)).sum());
  }
  return sum.item<double>();
}

}  // namespace lwq::qat
