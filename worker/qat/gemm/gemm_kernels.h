// SPDX-License-Identifier: Apache-2.0
// Matrix products on packed panels, one set of kernels per instruction set, chosen at run time.
//
// C[m, n] = Σ_d A[m, d] · B[d, n]. Both operands are cut into panels of kPanel rows of A or columns of B, and along the
// depth into blocks of kPanel; what is missing at the edges is 0. A panel is stored block after block, in a layout of
// the kernel set's own, and multiplied with any other of the same depth.
//
// Arithmetic: bf16 operands are multiplied exactly and summed in float32. Float32 operands are multiplied in float32;
// with AMX, which has bf16 products only, each is split into three bf16 parts whose sum it is (24 bits), and the six
// products of parts that a float32 product can hold are summed, the small ones of each block first: as accurate as a
// float32 sum.
// (Numbers of the last 2^-6 below the largest float become infinite, parts below 2^-126 become 0.)
// Sums run in one fixed order along the depth, so an element's bits depend on its row, its column and the instruction
// set alone: on no partition of rows or columns.
//
// Free of LibTorch. Thread-safety: no state.
#pragma once

#include <cstdint>

#include "worker/qat/device/cpu_features.h"

namespace lwq::qat {

inline constexpr int64_t kPanel = 32;

// One operand: item i (a row of A, a column of B) at depth d is data[i · stride + d] (`along_depth`), or
// data[d · stride + i].
struct GemmOperand {
  const void* data = nullptr;  // float, or bf16 as its 16 bits
  int64_t stride = 0;
  bool along_depth = true;
};

// Up to kPanel rows of A as `multiply` reads them: a packed panel, or bf16 rows where they lie
// (GemmKernels::reads_rows).
struct GemmRows {
  const void* data = nullptr;
  int64_t row_bytes = 0;    // from a row to the next; of packed panels, within their first and second half
  int64_t half_bytes = 0;   // from the first row to row kPanel / 2
  int64_t block_bytes = 0;  // from a block of the depth to the next
};

struct GemmResult {
  enum class Kind { kBf16, kF32 };
  void* data = nullptr;
  int64_t stride = 0;
  Kind kind = Kind::kF32;
  // kF32: added to the product, elements at the same places as those of `data` (which it may be); null: nothing.
  const float* addend = nullptr;
};

// Kernels for operands of one type.
struct GemmKernels {
  int64_t element_bytes;  // of the operands
  int64_t block_bytes;    // of a panel: kPanel items × kPanel deep
  // Items [first, first + count), count ≤ kPanel, and all of `depth`, into a panel (ceil(depth / kPanel) blocks).
  void (*pack_rows)(const GemmOperand& a, int64_t first, int64_t count, int64_t depth, void* panel);
  void (*pack_columns)(const GemmOperand& b, int64_t first, int64_t count, int64_t depth, void* panel);
  // Whether `multiply` reads kPanel whole rows that lie along a depth of whole blocks where they are.
  bool reads_rows;
  // `rows` ≤ kPanel rows of A times `columns` columns of B, whose panels lie `panel_bytes` apart; the result's pointers
  // are those of its first element.
  void (*multiply)(const GemmRows& a, const void* b, int64_t panel_bytes, int64_t blocks, int64_t rows, int64_t columns,
                   const GemmResult& result);
  // Threads call both around their use of multiply.
  void (*begin)();
  void (*end)();
};

// Rows [first, first + count), count ≤ kPanel, for multiply: where they lie if the kernels read them there, else packed
// into `panel`, which must then hold ceil(depth / kPanel) blocks.
bool ReadsInPlace(const GemmKernels& kernels, const GemmOperand& a, int64_t count, int64_t depth);
GemmRows RowsForProduct(const GemmKernels& kernels, const GemmOperand& a, int64_t first, int64_t count, int64_t depth,
                        void* panel);
// A panel that pack_rows filled.
GemmRows PackedRows(const GemmKernels& kernels, const void* panel);
// The result from `row` and `column` on.
GemmResult CornerOf(const GemmResult& result, int64_t row, int64_t column);

// Those of ActiveInstructionSet(), which must be kAvx512 or better.
bool HasGemmKernels();
const GemmKernels& ActiveGemmKernels(bool bf16);

namespace internal {
const GemmKernels& Avx512GemmKernels(bool bf16);
const GemmKernels& Avx512Bf16GemmKernels();
const GemmKernels& AmxGemmKernels(bool bf16);
}  // namespace internal

}  // namespace lwq::qat
