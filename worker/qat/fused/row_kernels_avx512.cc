// SPDX-License-Identifier: Apache-2.0
// The kernels of rows for AVX-512; see row_kernels_body.h.
#include "worker/qat/fused/row_kernels_body.h"

namespace lwq::qat::internal {

const RowKernels& Avx512RowKernels(bool bf16) {
  static constexpr RowKernels kBf16 = MakeRowKernels<Bf16>(), kF32 = MakeRowKernels<F32>();
  return bf16 ? kBf16 : kF32;
}

}  // namespace lwq::qat::internal
