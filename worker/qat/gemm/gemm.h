// SPDX-License-Identifier: Apache-2.0
// Matrix products on the CPU by packed panels (gemm_kernels.h): the linear layers of a block and its attention.
//
// Bits depend on the instruction set alone, not on threads or on how many rows are multiplied at once. Needs
// HasGemmKernels(). Scratch memory comes from LibTorch's allocator. Thread-safety: no state.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "absl/types/span.h"
#include "worker/qat/gemm/gemm_kernels.h"

namespace lwq::qat {

// `bytes` of memory, aligned to 64.
class GemmScratch {
 public:
  explicit GemmScratch(int64_t bytes);
  std::byte* data() const { return static_cast<std::byte*>(memory_.data_ptr()); }

 private:
  at::Tensor memory_;
};

inline int64_t GemmBlocks(int64_t depth) {
  return (depth + kPanel - 1) / kPanel;
}

// The columns of a right operand, packed: shared by threads, and usable for many products.
class PackedColumns {
 public:
  // Packed on all threads of the caller's team.
  PackedColumns(const GemmKernels& kernels, const GemmOperand& b, int64_t columns, int64_t depth);
  int64_t columns() const { return columns_; }
  int64_t depth() const { return depth_; }
  int64_t panel_bytes() const { return panel_bytes_; }
  // They lie one after another.
  const std::byte* panel(int64_t index) const { return scratch_.data() + index * panel_bytes_; }

 private:
  int64_t columns_;
  int64_t depth_;
  int64_t panel_bytes_;
  GemmScratch scratch_;
};

// result[rows, columns] = a · b, on all threads of the caller's team. Products with the same rows, of one depth: what
// must be packed of the rows is packed once.
struct PackedProduct {
  const PackedColumns& b;
  GemmResult result;
};
void MultiplyPacked(const GemmKernels& kernels, const GemmOperand& a, int64_t rows,
                    absl::Span<const PackedProduct> products);

// Products of contiguous tensors of one type, float32 or bf16, x [..., in]; `out` is overwritten: [rows, out] in the
// operands' type, or float32 and, with `addend` (float32, of its shape), the sum.
// x · weightᵀ
void LinearInto(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& out, const at::Tensor& addend = {});
// The same by each of some weights, without an addend.
struct LinearProduct {
  at::Tensor weight, out;
};
void LinearsInto(const at::Tensor& x, absl::Span<const LinearProduct> products);
// dy · weight
void LinearInputGradientInto(const at::Tensor& dy, const at::Tensor& weight, const at::Tensor& out,
                             const at::Tensor& addend = {});
// dyᵀ · x; x packed once serves every layer that reads it.
PackedColumns PackForWeightGradients(const at::Tensor& x);
void LinearWeightGradientInto(const at::Tensor& dy, const PackedColumns& x, const at::Tensor& out);

// A contiguous tensor's elements as an operand or a result.
GemmOperand OperandOf(const at::Tensor& tensor, bool along_depth);
GemmResult ResultOf(const at::Tensor& out, const at::Tensor& addend = {});

}  // namespace lwq::qat
