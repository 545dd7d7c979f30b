// SPDX-License-Identifier: Apache-2.0
#include "common/export/half.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>

namespace lwq::qat {

StatusOr<HostTensor> ToF32(const HostTensor& tensor, std::string_view what) {
  if (tensor.dtype == DType::kF32) return tensor;
  if (!IsFloat(tensor.dtype)) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " is ", DTypeName(tensor.dtype), ", expected F32, F16 or BF16"));
  }
  const size_t count = tensor.bytes.size() / 2;
  const bool half = tensor.dtype == DType::kF16;
  std::string out(count * sizeof(float), '\0');
  for (size_t i = 0; i < count; ++i) {
    uint16_t stored;
    std::memcpy(&stored, tensor.bytes.data() + i * 2, 2);
    const float value = half ? FloatFromHalf(stored) : std::bit_cast<float>(static_cast<uint32_t>(stored) << 16);
    std::memcpy(out.data() + i * sizeof(float), &value, sizeof(float));
  }
  return HostTensor{DType::kF32, tensor.shape, Bytes::FromString(std::move(out))};
}

StatusOr<HostTensor> RoundToF16(const HostTensor& tensor, std::string_view what, HalfRounding* rounding) {
  LWQ_CHECK(tensor.dtype == DType::kF32, what, " is ", DTypeName(tensor.dtype));
  const size_t count = tensor.bytes.size() / sizeof(float);
  std::string out(count * 2, '\0');
  for (size_t i = 0; i < count; ++i) {
    float value;
    std::memcpy(&value, tensor.bytes.data() + i * sizeof(float), sizeof(float));
    const uint16_t half = HalfFromFloat(value);
    const float back = FloatFromHalf(half);
    if (!std::isfinite(back)) {
      return absl::InvalidArgumentError(
          absl::StrCat(what, " holds ", value, ", which fp16 cannot; its largest number is 65504"));
    }
    if (back != value) {
      ++rounding->changed;
      const double error = std::abs(static_cast<double>(back) - value) / std::abs(static_cast<double>(value));
      rounding->max_relative_error = std::max(rounding->max_relative_error, error);
    }
    std::memcpy(out.data() + i * 2, &half, 2);
  }
  return HostTensor{DType::kF16, tensor.shape, Bytes::FromString(std::move(out))};
}

}  // namespace lwq::qat
