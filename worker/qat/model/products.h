// SPDX-License-Identifier: Apache-2.0
// The matrix products of a model, in the dtype of their operands.
//
// bf16 on a CPU without bf16 instructions: oneDNN emulates it at a quarter of the speed of fp32. There the operands are
// widened to float32, multiplied, and the product is rounded to bf16: the same arithmetic (products of bf16 numbers are
// exact in float32 and are summed in float32), in another order of summation. Which of the two runs is part of the
// numerics class (execution.h, instruction_set).
//
// bf16 blocks on a CPU with AVX-512 do not come here, unless they have biases or norms of queries and keys:
// fused_block.h. Everywhere else these are the plain at:: operators. Differentiable twice, on any device.
// Thread-safety: no state but the test hook's.
#pragma once

#include <ATen/core/Tensor.h>

namespace lwq::qat {

// Whether bf16 products on the CPU are widened: where it does not multiply bf16 itself.
bool WidensProducts();

// Widened copies live only during a call: what autograd keeps is the operands as they are.

// x [..., in] times weight [out, in] transposed, plus the bias [out] where it is defined → [..., out]. Where products
// are widened, the bias is added before rounding.
at::Tensor Linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias = {});

// a [..., m, k] times b [..., k, n], the same batch dimensions in both → [..., m, n].
at::Tensor Matmul(const at::Tensor& a, const at::Tensor& b);

// Test hook: while it lives, bf16 products on the CPU are widened or not, whatever the CPU has.
class ScopedWidenedProducts {
 public:
  explicit ScopedWidenedProducts(bool widened);
  ~ScopedWidenedProducts();
  ScopedWidenedProducts(const ScopedWidenedProducts&) = delete;
  ScopedWidenedProducts& operator=(const ScopedWidenedProducts&) = delete;

 private:
  bool before_;
};

}  // namespace lwq::qat
