// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/fused/row_kernels.h"

#include "common/status/status.h"
#include "worker/qat/device/cpu_features.h"

namespace lwq::qat {

const RowKernels& ActiveRowKernels(bool bf16) {
  LWQ_CHECK(ActiveInstructionSet() >= InstructionSet::kAvx512, "this instruction set has no kernels of rows");
#if defined(__x86_64__)
  if (ActiveInstructionSet() >= InstructionSet::kAvx512Bf16 && bf16) return internal::Avx512Bf16RowKernels();
  return internal::Avx512RowKernels(bf16);
#else
  LWQ_CHECK(false, "no kernels of rows on this architecture");
#endif
}

}  // namespace lwq::qat
