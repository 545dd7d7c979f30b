// SPDX-License-Identifier: Apache-2.0
#include "common/export/fake_quant/fake_quant_weight.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>

#include "common/export/half.h"

namespace lwq::qat {
namespace {

constexpr int64_t kRunCodes = 256;

// Calls `visit(first element, codes, count, scale, zero)` for every group, in runs of at most kRunCodes, in row-major
// order.
template <typename Visit>
void ForEachRun(const QuantizedLinear& linear, const Visit& visit) {
  const auto* codes = reinterpret_cast<const uint8_t*>(linear.codes.bytes.data());
  const auto* zeros = reinterpret_cast<const uint8_t*>(linear.zeros.bytes.data());
  const int64_t groups = linear.out_features * (linear.in_features / linear.group_size);
  for (int64_t g = 0; g < groups; ++g) {
    float scale;
    std::memcpy(&scale, linear.scales.bytes.data() + g * 4, 4);
    const int64_t end = (g + 1) * linear.group_size;
    for (int64_t first = g * linear.group_size; first < end; first += kRunCodes) {
      const auto count = static_cast<size_t>(std::min(kRunCodes, end - first));
      visit(first, codes + first, count, scale, static_cast<int>(zeros[g]));
    }
  }
}

float Decode(uint8_t code, float scale, int zero) {
  return scale * static_cast<float>(static_cast<int>(code) - zero);
}

struct Rounded {
  uint16_t half = 0;
  uint32_t error = 0;  // |fp16 − fp32|, itself an fp32 number, as bits: they order like the magnitudes they stand for
};

Rounded Round(uint8_t code, float scale, int zero) {
  const float weight = Decode(code, scale, zero);
  const uint16_t half = HalfFromFloat(weight);
  return {half, std::bit_cast<uint32_t>(FloatFromHalf(half) - weight) & 0x7fffffffu};
}

// One run of codes with one scale; `round(code)` gives its fp16 weight. Returns the largest error's bits.
template <typename Rounder>
uint32_t RoundRun(const uint8_t* codes, size_t count, const Rounder& round, uint16_t* halves, int64_t* changed) {
  uint32_t max_error = 0;
  int64_t changes = 0;
  for (size_t i = 0; i < count; ++i) {
    const Rounded rounded = round(codes[i]);
    halves[i] = rounded.half;
    changes += rounded.error != 0 ? 1 : 0;
    max_error = std::max(max_error, rounded.error);
  }
  *changed += changes;
  return max_error;
}

}  // namespace

HostTensor DecodeToF32(const QuantizedLinear& linear) {
  std::string out(static_cast<size_t>(linear.out_features * linear.in_features) * 4, '\0');
  ForEachRun(linear, [&out](int64_t first, const uint8_t* codes, size_t count, float scale, int zero) {
    std::array<float, kRunCodes> weights;
    for (size_t i = 0; i < count; ++i) weights[i] = Decode(codes[i], scale, zero);
    std::memcpy(out.data() + first * 4, weights.data(), count * 4);
  });
  return HostTensor{DType::kF32, {linear.out_features, linear.in_features}, Bytes::FromString(std::move(out))};
}

StatusOr<HostTensor> DecodeToF16(const QuantizedLinear& linear, std::string_view what, DecodeRounding* rounding) {
  std::string out(static_cast<size_t>(linear.out_features * linear.in_features) * 2, '\0');
  const size_t values = size_t{1} << linear.bits;
  uint32_t error = 0;
  ForEachRun(linear, [&](int64_t first, const uint8_t* codes, size_t count, float scale, int zero) {
    std::array<uint16_t, kRunCodes> halves;
    const auto round = [scale, zero](uint8_t code) { return Round(code, scale, zero); };
    uint32_t run_error = 0;
    if (values <= count) {  // fewer values than codes: round each value once
      std::array<Rounded, 256> table;
      for (size_t code = 0; code < values; ++code) table[code] = round(static_cast<uint8_t>(code));
      const auto look_up = [&table](uint8_t code) { return table[code]; };
      run_error = RoundRun(codes, count, look_up, halves.data(), &rounding->changed);
    } else {
      run_error = RoundRun(codes, count, round, halves.data(), &rounding->changed);
    }
    error = std::max(error, run_error);
    std::memcpy(out.data() + first * 2, halves.data(), count * 2);
  });
  const float max_error = std::bit_cast<float>(error);
  if (!std::isfinite(max_error)) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " holds weights beyond fp16's largest number, 65504; they cannot be exported in fp16"));
  }
  rounding->max_absolute_error = std::max(rounding->max_absolute_error, static_cast<double>(max_error));
  return HostTensor{DType::kF16, {linear.out_features, linear.in_features}, Bytes::FromString(std::move(out))};
}

}  // namespace lwq::qat
