// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/train/latent_block.h"

#include <c10/core/GradMode.h>

#include "worker/qat/device/host_tensor.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/model/load_block.h"
#include "worker/qat/quant/derive_codes.h"
#include "worker/qat/quant/fake_quant.h"
#include "worker/qat/quant/quantizer_reference.h"

namespace lwq::qat {
namespace {

// The trained quantizer of a linear, in the shapes of InitQuantizer.
QuantizerInit QuantizerOf(const LinearWeight& weight, at::Device device) {
  const auto& quantized = std::get<QuantizedLinear>(weight);
  return {.scale = ToTensor(quantized.scales, at::kFloat, device).view({-1, 1}),
          .zero_point = ToTensor(quantized.zeros, at::kFloat, device).view({-1, 1})};
}

// A copy: the state must not change when training goes on.
HostTensor Snapshot(const at::Tensor& parameter) {
  return ToHostTensor(parameter.detach().clone());
}

}  // namespace

LatentBlock::LatentBlock(const LlamaConfig& config, const BlockState& weights, const QuantChoice& choice,
                         const TrainOptions& options, at::Device device, const BlockState* start)
    : choice_(choice),
      fp16_scales_(options.fp16_scales),
      zero_points_(ZeroPointsOf(options)),
      compute_type_(ComputeType(options.execution.precision)) {
  for (const LinearKind kind : kAllLinears) {
    TrainedLinear& linear = linears_[static_cast<size_t>(kind)];
    linear.weight = LoadLinear(config, weights, kind, at::kFloat, device);
    const QuantizerInit init =
        start == nullptr ? InitQuantizer(linear.weight, choice.bits, choice.group_size, options.range_contains_zero,
                                         fp16_scales_ ? kMinScale : kEfficientQatMinScale, zero_points_)
                         : QuantizerOf(start->linears.at(kind), device);
    linear.scale = init.scale;
    linear.zero_point = init.zero_point;
    linear.initial_zeros = init.zero_point.clamp(0, (1 << choice.bits) - 1).to(at::kByte);
    linear.weight.set_requires_grad(options.weight_lr != 0);
    linear.scale.set_requires_grad(options.quant_lr != 0);
    linear.zero_point.set_requires_grad(zero_points_ != ZeroPoints::kSymmetric &&
                                        options.zp_lr.value_or(options.quant_lr) != 0);
  }
  input_norm_ = LoadNorm(config, weights.input_norm, kInputNorm, device);
  post_attention_norm_ = LoadNorm(config, weights.post_attention_norm, kPostAttentionNorm, device);
  query_norm_ = LoadHeadNorm(config, weights.query_norm, kQueryNorm, device);
  key_norm_ = LoadHeadNorm(config, weights.key_norm, kKeyNorm, device);
  for (at::Tensor* norm : {&input_norm_, &post_attention_norm_, &query_norm_, &key_norm_}) {
    if (norm->defined()) norm->set_requires_grad(options.weight_lr != 0);
  }
  stored_biases_ = weights.biases;
  for (const LinearKind kind : kAllLinears) {
    biases_[static_cast<size_t>(kind)] = LoadBias(config, weights, kind, compute_type_, device);
  }
}

at::Tensor LatentBlock::ServedScale(const TrainedLinear& linear) const {
  return fp16_scales_ ? RoundScaleToFp16Ste(linear.scale) : ClampScaleAsEfficientQat(linear.scale);
}

at::Tensor LatentBlock::ServedZeroPoint(const TrainedLinear& linear) const {
  const bool confined = zero_points_ == ZeroPoints::kMiddle && choice_.bits == 2;
  return confined ? ConfineZeroPointSte(linear.zero_point) : linear.zero_point;
}

BlockTensors LatentBlock::FakeQuantized(absl::Span<const LinearKind> linears) const {
  BlockTensors block;
  for (const LinearKind kind : linears) {
    const TrainedLinear& linear = linears_[static_cast<size_t>(kind)];
    block[kind] = FakeQuant(linear.weight, ServedScale(linear), ServedZeroPoint(linear), choice_.bits,
                            choice_.group_size, compute_type_);
  }
  block.biases = biases_;
  block.input_norm = input_norm_;
  block.post_attention_norm = post_attention_norm_;
  block.query_norm = query_norm_;
  block.key_norm = key_norm_;
  return block;
}

BlockState LatentBlock::Derive() const {
  const c10::NoGradGuard no_grad;
  BlockState state;
  for (const LinearKind kind : kAllLinears) {
    const TrainedLinear& linear = linears_[static_cast<size_t>(kind)];
    state.linears[kind] = OrThrow(DeriveQuantizedLinear(linear.weight, ServedScale(linear), ServedZeroPoint(linear),
                                                        choice_.bits, choice_.group_size));
  }
  CopyRest(state);
  return state;
}

void LatentBlock::CopyRest(BlockState& state) const {
  state.biases = stored_biases_;
  state.input_norm = Snapshot(input_norm_);
  state.post_attention_norm = Snapshot(post_attention_norm_);
  if (query_norm_.defined()) state.query_norm = Snapshot(query_norm_);
  if (key_norm_.defined()) state.key_norm = Snapshot(key_norm_);
}

BlockState LatentBlock::Latent() const {
  BlockState state;
  for (const LinearKind kind : kAllLinears) state.linears[kind] = Snapshot(linears_[static_cast<size_t>(kind)].weight);
  CopyRest(state);
  return state;
}

LatentBlock::ZeroPointFlips LatentBlock::CountFlips(const BlockState& block) const {
  ZeroPointFlips count;
  for (const LinearKind kind : kAllLinears) {
    const auto& quantized = std::get<QuantizedLinear>(block.linears.at(kind));
    const at::Tensor& initial = linears_[static_cast<size_t>(kind)].initial_zeros;
    const at::Tensor zeros = ToTensor(quantized.zeros, at::kByte, initial.device()).view_as(initial);
    count.flips += zeros.ne(initial).sum().item<int64_t>();
    count.groups += initial.numel();
  }
  return count;
}

std::vector<LatentBlock::NamedParameter> LatentBlock::parameters() const {
  std::vector<NamedParameter> all;
  for (const LinearKind kind : kAllLinears) {
    const TrainedLinear& linear = linears_[static_cast<size_t>(kind)];
    const std::string name(LinearName(kind));
    all.push_back({name + ".weight", linear.weight, kWeightGroup});
    all.push_back({name + ".weight_quantizer.scale", linear.scale, kQuantGroup});
    all.push_back({name + ".weight_quantizer.zero_point", linear.zero_point, kZeroPointGroup});
  }
  all.push_back({std::string(kInputNorm), input_norm_, kWeightGroup});
  all.push_back({std::string(kPostAttentionNorm), post_attention_norm_, kWeightGroup});
  if (query_norm_.defined()) all.push_back({std::string(kQueryNorm), query_norm_, kWeightGroup});
  if (key_norm_.defined()) all.push_back({std::string(kKeyNorm), key_norm_, kWeightGroup});
  return all;
}

}  // namespace lwq::qat
