// SPDX-License-Identifier: Apache-2.0
// Σ x xᵀ of what a linear reads, and the factor of its inverse that GPTQ goes by.
//
// Thread-safety: none. Throws StatusError and LibTorch's exceptions: use inside TorchGuard.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <utility>

namespace lwq::qat {

// The sum over tokens, float64 on the CPU. Each call's products are summed in float32 (bf16 ones are exact there), the
// calls in float64: of some thousand tokens a float32 sum keeps seven digits, of a whole calibration set it would not.
class InputHessian {
 public:
  // x [..., columns], float32 or bf16.
  void Add(const at::Tensor& x);
  bool empty() const { return !sum_.defined(); }
  // [columns, columns], moved out.
  at::Tensor Take() { return std::move(sum_); }

 private:
  at::Tensor sum_;
};

// What GPTQ needs of a Hessian.
struct InverseFactor {
  at::Tensor upper;          // float32 [n, n]: U with Uᵀ U = (H + λ)⁻¹, 0 below the diagonal
  double lambda = 0;         // what was added to the diagonal of columns that are not dead
  double dead_diagonal = 1;  // what the others have there instead
  double damp_percent = 0;   // λ over the mean of their diagonal
};

// Of a Hessian [n, n] in float64, symmetric, finite. Rows and columns of a dead column (0 on the diagonal) become those
// of the identity times the others' mean; where all are dead, U is the identity and λ is 0. `damp_percent` is raised by
// 0.01 up to 1 until H + λ is positive definite; nothing where it never is.
//
// With J the reversal of rows or columns and J (H + λ) J = L Lᵀ, H + λ = R Rᵀ where R = J L J is upper triangular, so
// that U = R⁻¹ = J L⁻¹ J: one factorization and one triangular inverse, where the paper's way takes two factorizations
// and a whole inverse.
std::optional<InverseFactor> FactorOfInverse(const at::Tensor& hessian, double damp_percent);

// The columns through which nothing flows, bool [n].
at::Tensor DeadColumns(const at::Tensor& hessian);

}  // namespace lwq::qat
