#include "worker/qat/gemm/gemm_kernels.h"

#include "common/status/status.h"

namespace lwq::qat {

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
