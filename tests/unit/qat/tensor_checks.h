// SPDX-License-Identifier: Apache-2.0
// For tests of the kernels: seeded tensors, their comparison byte by byte, the instruction sets to try.
#pragma once

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/Tensor.h>

#include <cstring>
#include <vector>

#include "worker/qat/device/cpu_features.h"

namespace lwq::qat {

inline at::Generator Seeded(uint64_t seed) {
  return at::detail::createCPUGenerator(seed);
}

inline bool SameBytes(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() &&
         std::memcmp(a.contiguous().data_ptr(), b.contiguous().data_ptr(), a.nbytes()) == 0;
}

// Those of this CPU.
inline std::vector<InstructionSet> AvailableInstructionSets() {
  std::vector<InstructionSet> sets;
  for (const InstructionSet set : {InstructionSet::kScalar, InstructionSet::kAvx2, InstructionSet::kAvx512,
                                   InstructionSet::kAvx512Bf16, InstructionSet::kAmx}) {
    if (set <= DetectInstructionSet()) sets.push_back(set);
  }
  return sets;
}

}  // namespace lwq::qat
