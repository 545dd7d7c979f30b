// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/gptq/input_hessian.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_cholesky_ex.h>
#include <ATen/ops/linalg_solve_triangular.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

#include "worker/qat/gemm/gemm.h"

namespace lwq::qat {
namespace {

// GPTQModel's damp_auto_increment.
constexpr double kDampIncrement = 0.01;
// The inverse of a triangle is computed so many columns at a time: of each strip only the rows that are not 0.
constexpr int64_t kStrip = 512;

// xᵀ x in float32.
at::Tensor GramMatrix(const at::Tensor& rows) {
  const bool has_kernels =
      rows.is_cpu() && HasGemmKernels() && (rows.scalar_type() == at::kFloat || rows.scalar_type() == at::kBFloat16);
  if (!has_kernels) {
    const at::Tensor wide = rows.to(at::kFloat);
    return at::mm(wide.t(), wide);
  }
  at::Tensor product = at::empty({rows.size(1), rows.size(1)}, rows.options().dtype(at::kFloat));
  LinearWeightGradientInto(rows, PackForWeightGradients(rows), product);
  return product;
}

// L⁻¹ of a lower triangle, its rows and columns reversed, in float32.
at::Tensor ReversedInverse(const at::Tensor& lower) {
  const int64_t n = lower.size(0);
  at::Tensor upper = at::zeros({n, n}, lower.options().dtype(at::kFloat));
  for (int64_t first = 0; first < n; first += kStrip) {
    const int64_t count = std::min(kStrip, n - first), rest = n - first;
    const at::Tensor corner = lower.narrow(0, first, rest).narrow(1, first, rest);
    const at::Tensor strip =
        at::linalg_solve_triangular(corner, at::eye(rest, count, lower.options()), /*upper=*/false);
    upper.narrow(0, 0, rest).narrow(1, rest - count, count).copy_(strip.flip({0, 1}));
  }
  return upper;
}

}  // namespace

void InputHessian::Add(const at::Tensor& x) {
  const at::Tensor product = GramMatrix(x.reshape({-1, x.size(-1)}).contiguous()).cpu();
  if (!sum_.defined()) sum_ = at::zeros(product.sizes(), product.options().dtype(at::kDouble));
  sum_.add_(product);
}

at::Tensor DeadColumns(const at::Tensor& hessian) {
  return hessian.diagonal().eq(0);
}

std::optional<InverseFactor> FactorOfInverse(const at::Tensor& hessian, double damp_percent) {
  const at::Tensor dead = DeadColumns(hessian);
  const auto live = static_cast<double>(hessian.size(0) - dead.sum().item<int64_t>());
  if (live == 0) return InverseFactor{.upper = at::eye(hessian.size(0), hessian.options().dtype(at::kFloat))};
  const double mean = hessian.diagonal().sum().item<double>() / live;
  for (double damp = damp_percent; damp <= 1; damp += kDampIncrement) {
    at::Tensor reversed = hessian.flip({0, 1});
    reversed.diagonal().add_(at::where(dead, mean, damp * mean).flip({0}));
    const auto [lower, info] = at::linalg_cholesky_ex(reversed);
    if (info.item<int>() != 0) continue;
    reversed.reset();
    return InverseFactor{
        .upper = ReversedInverse(lower), .lambda = damp * mean, .dead_diagonal = mean, .damp_percent = damp};
  }
  return std::nullopt;
}

}  // namespace lwq::qat
