#include "worker/qat/pack/fake_quant_weight.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>

#include "worker/qat/pack/half.h"

namespace lwq::qat {
namespace {

// Calls `visit(first element, codes, elements, scale, zero)` for every group in row-major order.
template <typename Visit>
void ForEachGroup(const QuantizedLinear& linear, const Visit& visit) {
  const auto* codes = reinterpret_cast<const uint8_t*>(linear.codes.bytes.data());
  const auto* zeros = reinterpret_cast<const uint8_t*>(linear.zeros.bytes.data());
  const int64_t groups = linear.out_features * (linear.in_features / linear.group_size);
  for (int64_t g = 0; g < groups; ++g) {
    float scale;
    std::memcpy(&scale, linear.scales.bytes.data() + g * 4, 4);
    visit(g * linear.group_size, codes + g * linear.group_size, linear.group_size, scale, static_cast<int>(zeros[g]));
  }
}

float Decode(uint8_t code, float scale, int zero) {
  return scale * static_cast<float>(static_cast<int>(code) - zero);
}

}  // namespace

HostTensor DecodeToF32(const QuantizedLinear& linear) {
  std::string out(static_cast<size_t>(linear.out_features * linear.in_features) * 4, '\0');
  ForEachGroup(linear, [&out](int64_t first, const uint8_t* codes, int64_t count, float scale, int zero) {
    for (int64_t i = 0; i < count; ++i) {
      const float weight = Decode(codes[i], scale, zero);
      std::memcpy(out.data() + (first + i) * 4, &weight, 4);
    }
  });
  return HostTensor{DType::kF32, {linear.out_features, linear.in_features}, Bytes::FromString(std::move(out))};
}

StatusOr<HostTensor> DecodeToF16(const QuantizedLinear& linear, std::string_view what, DecodeRounding* rounding) {
  std::string out(static_cast<size_t>(linear.out_features * linear.in_features) * 2, '\0');
  bool fits = true;
  ForEachGroup(linear, [&](int64_t first, const uint8_t* codes, int64_t count, float scale, int zero) {
    for (int64_t i = 0; i < count; ++i) {
      const float weight = Decode(codes[i], scale, zero);
      const uint16_t half = HalfFromFloat(weight);
      const float back = FloatFromHalf(half);
      if (back != weight) {
        ++rounding->changed;
        rounding->max_absolute_error =
            std::max(rounding->max_absolute_error, std::abs(static_cast<double>(back) - weight));
        fits = fits && std::isfinite(back);
      }
      std::memcpy(out.data() + (first + i) * 2, &half, 2);
    }
  });
  if (!fits) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " holds weights beyond fp16's largest number, 65504; they cannot be exported in fp16"));
  }
  return HostTensor{DType::kF16, {linear.out_features, linear.in_features}, Bytes::FromString(std::move(out))};
}

}  // namespace lwq::qat
