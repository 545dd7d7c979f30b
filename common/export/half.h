// SPDX-License-Identifier: Apache-2.0
// IEEE fp16 and bf16 as bits, without LibTorch and without a particular instruction set: the same result everywhere.
//
// Rounding is to nearest, ties to even, subnormals kept, overflow to infinity: what torch's .half() and every serving
// kernel does. Thread-safety: pure functions.
#pragma once

#include <bit>
#include <cstdint>

#include "common/artifact/tensor.h"
#include "common/status/status.h"

namespace lwq::qat {

inline uint16_t HalfFromFloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude >= 0x47800000u) {  // 65536 and above, infinity, NaN
    return static_cast<uint16_t>(sign | (magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u));
  }
  if (magnitude < 0x38800000u) {  // below 2^-14: adding 0.5, whose ulp is fp16's smallest subnormal, rounds for us
    const float aligned = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(aligned) - 0x3f000000u));
  }
  const uint32_t odd = (magnitude >> 13) & 1u;
  return static_cast<uint16_t>(sign | ((magnitude - 0x38000000u + 0xfffu + odd) >> 13));
}

inline float FloatFromHalf(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t magnitude = half & 0x7fffu;
  if (magnitude >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13));
  if (magnitude >= 0x400u) return std::bit_cast<float>(sign | ((magnitude << 13) + 0x38000000u));
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(static_cast<float>(magnitude) * 0x1p-24f));
}

// The same values as F32 (exact); `tensor` itself when it is F32 already. INVALID_ARGUMENT naming `what` for another
// dtype.
StatusOr<HostTensor> ToF32(const HostTensor& tensor, std::string_view what);

// F32 → F16, and what that cost.
struct HalfRounding {
  int64_t changed = 0;            // values that fp16 cannot represent
  double max_relative_error = 0;  // of those, |fp16 − fp32| / |fp32|
};
// INVALID_ARGUMENT naming `what` when a value is not finite in fp16.
StatusOr<HostTensor> RoundToF16(const HostTensor& tensor, std::string_view what, HalfRounding* rounding);

}  // namespace lwq::qat
