// Seeded tensors and their comparison byte by byte, for tests of the kernels.
#pragma once

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/Tensor.h>

#include <cstring>
#include <vector>

namespace lwq::qat {

inline at::Generator Seeded(uint64_t seed) {
  return at::detail::createCPUGenerator(seed);
}

inline bool SameBytes(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() &&
         std::memcmp(a.contiguous().data_ptr(), b.contiguous().data_ptr(), a.nbytes()) == 0;
}

}  // namespace lwq::qat
