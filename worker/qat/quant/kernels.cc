// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/quant/kernels.h"

namespace lwq::qat {

const KernelSet& ActiveKernels() {
  switch (ActiveInstructionSet()) {
#if defined(__x86_64__)
    case InstructionSet::kAmx:
    case InstructionSet::kAvx512Bf16:
      return internal::Avx512Bf16Kernels();
    case InstructionSet::kAvx512:
      return internal::Avx512Kernels();
    case InstructionSet::kAvx2:
      return internal::Avx2Kernels();
    case InstructionSet::kScalar:
      break;
#else
    case InstructionSet::kAmx:
    case InstructionSet::kAvx512Bf16:
    case InstructionSet::kAvx512:
    case InstructionSet::kAvx2:
    case InstructionSet::kScalar:
      break;
#endif
  }
  return internal::ScalarKernels();
}

}  // namespace lwq::qat
