// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/model/rotary_frequencies.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/scalar_tensor.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace lwq::qat {
namespace {

constexpr float kPi = std::numbers::pi_v<float>;

at::Tensor Exponents(const LlamaConfig& config) {
  return at::arange(0, config.head_dim, 2, at::kLong).to(at::kFloat).div(static_cast<double>(config.head_dim));
}

// 1/wavelength · 2π, before any scaling.
at::Tensor Unscaled(const LlamaConfig& config) {
  return at::pow(config.rope_theta, Exponents(config)).reciprocal();
}

// float arithmetic throughout, in transformers' order of operations.
float BlendLlama3(float inv_freq, const RopeLlama3& scaling) {
  const auto factor = static_cast<float>(scaling.factor);
  const auto low = static_cast<float>(scaling.low_freq_factor);
  const auto high = static_cast<float>(scaling.high_freq_factor);
  const auto original = static_cast<float>(scaling.original_max_position_embeddings);
  const float wavelength = 2 * kPi / inv_freq;
  if (wavelength > original / low) return inv_freq / factor;
  if (wavelength < original / high) return inv_freq;
  const float smooth = (original / wavelength - low) / (high - low);
  return (1 - smooth) * inv_freq / factor + smooth * inv_freq;
}

// The dimension (a fraction) that turns `rotations` times over the original length.
double CorrectionDimension(double rotations, const LlamaConfig& config, const RopeYarn& scaling) {
  const auto original = static_cast<double>(scaling.original_max_position_embeddings);
  return static_cast<double>(config.head_dim) * std::log(original / (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(config.rope_theta));
}

// Computes the frequencies for one type of scaling.
struct FrequenciesFor {
  const LlamaConfig& config;
  int64_t seqlen;

  at::Tensor operator()(std::monostate) const { return Unscaled(config); }
  at::Tensor operator()(const RopeLinear& scaling) const { return Unscaled(config).div(scaling.factor); }

  at::Tensor operator()(const RopeDynamic& scaling) const {
    const int64_t longest = config.max_position_embeddings;
    if (seqlen <= longest) return Unscaled(config);
    const auto dimensions = static_cast<double>(config.head_dim);
    // transformers holds the length in a tensor, so the base is a float32 number.
    const at::Tensor length = at::scalar_tensor(static_cast<double>(seqlen), at::kFloat);
    const at::Tensor growth = length.mul(scaling.factor).div(static_cast<double>(longest)).sub(scaling.factor - 1);
    const at::Tensor base = growth.pow(dimensions / (dimensions - 2)).mul(config.rope_theta);
    return at::pow(base, Exponents(config)).reciprocal();
  }

  at::Tensor operator()(const RopeLlama3& scaling) const {
    at::Tensor inv_freq = Unscaled(config);
    float* values = inv_freq.data_ptr<float>();
    for (int64_t i = 0; i < inv_freq.numel(); ++i) values[i] = BlendLlama3(values[i], scaling);
    return inv_freq;
  }

  at::Tensor operator()(const RopeYarn& scaling) const {
    double low = CorrectionDimension(scaling.beta_fast, config, scaling);
    double high = CorrectionDimension(scaling.beta_slow, config, scaling);
    if (scaling.truncate) {
      low = std::floor(low);
      high = std::ceil(high);
    }
    low = std::max(low, 0.0);
    high = std::min(high, static_cast<double>(config.head_dim - 1));
    if (low == high) high += 0.001;
    const at::Tensor ramp = at::clamp(at::arange(config.head_dim / 2, at::kFloat).sub(low).div(high - low), 0, 1);
    const at::Tensor kept = ramp.mul(-1).add(1);
    const at::Tensor wavelengths = at::pow(config.rope_theta, Exponents(config));
    const at::Tensor interpolated = wavelengths.mul(scaling.factor).reciprocal();
    return interpolated.mul(kept.mul(-1).add(1)).add(wavelengths.reciprocal().mul(kept));
  }
};

}  // namespace

at::Tensor InverseFrequencies(const LlamaConfig& config, int64_t seqlen) {
  return std::visit(FrequenciesFor{config, seqlen}, config.rope_scaling);
}

double RotaryMagnitude(const LlamaConfig& config) {
  const auto* yarn = std::get_if<RopeYarn>(&config.rope_scaling);
  return yarn == nullptr ? 1.0 : yarn->attention_factor;
}

}  // namespace lwq::qat
