#include "worker/qat/model/sequence_tables.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/pow.h>

#include <limits>
#include <numbers>

namespace lwq::qat {
namespace {

constexpr float kPi = std::numbers::pi_v<float>;

// float arithmetic throughout, in transformers' order of operations.
float ScaleFrequency(float inv_freq, const RopeScalingLlama3& scaling) {
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

}  // namespace

at::Tensor InverseFrequencies(const LlamaConfig& config) {
  const at::Tensor exponents =
      at::arange(0, config.head_dim, 2, at::kLong).to(at::kFloat).div(static_cast<double>(config.head_dim));
  at::Tensor inv_freq = at::pow(config.rope_theta, exponents).reciprocal();
  if (config.rope_scaling) {
    float* values = inv_freq.data_ptr<float>();
    for (int64_t i = 0; i < inv_freq.numel(); ++i) values[i] = ScaleFrequency(values[i], *config.rope_scaling);
  }
  return inv_freq;
}

SequenceTables MakeSequenceTables(const LlamaConfig& config, int64_t seqlen, at::Device device) {
  const at::Tensor positions = at::arange(seqlen, at::kFloat);
  const at::Tensor angles = at::outer(positions, InverseFrequencies(config));
  const auto hidden = -std::numeric_limits<double>::infinity();
  at::Tensor mask = at::full({seqlen, seqlen}, hidden, at::kFloat).triu_(1);
  if (config.sliding_window && *config.sliding_window < seqlen) {
    mask.add_(at::full({seqlen, seqlen}, hidden, at::kFloat).tril_(-*config.sliding_window));
  }
  return {.cos = angles.cos().to(device), .sin = angles.sin().to(device), .mask = mask.to(device)};
}

}  // namespace lwq::qat
