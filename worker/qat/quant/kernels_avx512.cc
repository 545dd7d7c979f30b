// SPDX-License-Identifier: Apache-2.0
// The kernels for AVX-512 without AVX512_BF16.
#include "worker/qat/quant/avx512_lanes.h"
#include "worker/qat/quant/kernels_body.h"

namespace lwq::qat::internal {
const KernelSet& Avx512Kernels() {
  static constexpr KernelSet kKernels = MakeKernels<Avx512Lanes>();
  return kKernels;
}
}  // namespace lwq::qat::internal
