// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/gemm/gemm_kernels.h"

#include <cstddef>

#include "common/status/status.h"

namespace lwq::qat {

bool ReadsInPlace(const GemmKernels& kernels, const GemmOperand& a, int64_t count, int64_t depth) {
  return kernels.reads_rows && a.along_depth && count == kPanel && depth % kPanel == 0;
}

GemmRows RowsForProduct(const GemmKernels& kernels, const GemmOperand& a, int64_t first, int64_t count, int64_t depth,
                        void* panel) {
  if (ReadsInPlace(kernels, a, count, depth)) {
    const int64_t row_bytes = a.stride * kernels.element_bytes;
    return {static_cast<const std::byte*>(a.data) + first * row_bytes, row_bytes, kPanel / 2 * row_bytes,
            kPanel * kernels.element_bytes};
  }
  kernels.pack_rows(a, first, count, depth, panel);
  return PackedRows(kernels, panel);
}

GemmRows PackedRows(const GemmKernels& kernels, const void* panel) {
  constexpr int64_t kPackedRowBytes = 64;
  return {panel, kPackedRowBytes, kPanel / 2 * kPackedRowBytes, kernels.block_bytes};
}

GemmResult CornerOf(const GemmResult& result, int64_t row, int64_t column) {
  const int64_t offset = row * result.stride + column;
  GemmResult corner = result;
  corner.data = static_cast<std::byte*>(result.data) + offset * (result.kind == GemmResult::Kind::kBf16 ? 2 : 4);
  if (corner.addend != nullptr) corner.addend += offset;
  return corner;
}

bool HasGemmKernels() {
  return ActiveInstructionSet() >= InstructionSet::kAvx512;
}

const GemmKernels& ActiveGemmKernels(bool bf16) {
  LWQ_CHECK(HasGemmKernels(), "this instruction set has no packed matrix products");
#if defined(__x86_64__)
  if (ActiveInstructionSet() == InstructionSet::kAmx) return internal::AmxGemmKernels(bf16);
  if (ActiveInstructionSet() == InstructionSet::kAvx512Bf16 && bf16) return internal::Avx512Bf16GemmKernels();
  return internal::Avx512GemmKernels(bf16);
#else
  LWQ_CHECK(false, "no packed matrix products on this architecture");
#endif
}

}  // namespace lwq::qat
