#include "worker/qat/train/block_trainer.h"

#include <ATen/ops/stack.h>
#include <c10/core/GradMode.h>

#include "worker/qat/model/block_forward.h"
#include "worker/qat/model/load_block.h"
#include "worker/qat/quant/derive_codes.h"
#include "worker/qat/quant/fake_quant.h"
#include "worker/qat/quant/quantizer_reference.h"
#include "worker/qat/runtime/host_tensor.h"
#include "worker/qat/runtime/torch_guard.h"

namespace lwq::qat {
namespace {

// Not at::mse_loss: its backward has no meta kernel in LibTorch 1.13.
at::Tensor MeanSquaredError(const at::Tensor& out, const at::Tensor& target) {
  return out.sub(target).pow(2).mean();
}

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

BlockTrainer::BlockTrainer(const LlamaConfig& config, const BlockState& full_precision, const TrainOptions& options,
                           int64_t seqlen, at::Device device, const BlockState* start)
    : config_(config),
      options_(options),
      compute_type_(ComputeType(options.execution.precision)),
      tables_(MakeSequenceTables(config, seqlen, device)),
      optimizer_(AdamWOptions{}, std::vector<AdamW::Group>(3, {.lr = 0, .weight_decay = options.wd})) {
  const double zp_lr = options.zp_lr.value_or(options.quant_lr);
  for (const LinearKind kind : kAllLinears) {
    TrainedLinear& linear = linears_[static_cast<size_t>(kind)];
    linear.weight = LoadLinear(config, full_precision, kind, at::kFloat, device);
    const QuantizerInit init =
        start == nullptr ? InitQuantizer(linear.weight, options.bits, options.group_size, options.range_contains_zero)
                         : QuantizerOf(start->linears.at(kind), device);
    linear.scale = init.scale;
    linear.zero_point = init.zero_point;
    linear.initial_zeros = init.zero_point.clamp(0, (1 << options.bits) - 1).to(at::kByte);
    AddParameter(linear.scale, kQuant, options.quant_lr);
    AddParameter(linear.zero_point, kZeroPoint, zp_lr);
    AddParameter(linear.weight, kWeight, options.weight_lr);
  }
  input_norm_ = LoadNorm(config, full_precision.input_norm, kInputNorm, device);
  post_attention_norm_ = LoadNorm(config, full_precision.post_attention_norm, kPostAttentionNorm, device);
  AddParameter(input_norm_, kWeight, options.weight_lr);
  AddParameter(post_attention_norm_, kWeight, options.weight_lr);
}

void BlockTrainer::AddParameter(at::Tensor& tensor, Group group, double base_lr) {
  if (base_lr == 0) return;
  tensor.set_requires_grad(true);
  optimizer_.AddParameter(tensor, group);
}

at::Tensor BlockTrainer::ServedScale(const TrainedLinear& linear) const {
  return options_.fp16_scales ? RoundScaleToFp16Ste(linear.scale) : linear.scale;
}

BlockTensors BlockTrainer::FakeQuantized() const {
  BlockTensors block;
  for (const LinearKind kind : kAllLinears) {
    const TrainedLinear& linear = linears_[static_cast<size_t>(kind)];
    block[kind] = FakeQuant(linear.weight, ServedScale(linear), linear.zero_point, options_.bits, options_.group_size,
                            compute_type_);
  }
  block.input_norm = input_norm_;
  block.post_attention_norm = post_attention_norm_;
  return block;
}

at::Tensor BlockTrainer::Accumulate(const at::Tensor& in, const at::Tensor& target, double share) {
  const at::Tensor loss = MeanSquaredError(BlockForward(config_, FakeQuantized(), tables_, in), target);
  (share == 1 ? loss : loss.mul(share)).backward();
  return loss.detach();
}

double BlockTrainer::GradNorm() const {
  std::vector<at::Tensor> norms;
  for (const NamedParameter& parameter : parameters()) {
    if (parameter.tensor.grad().defined()) norms.push_back(parameter.tensor.grad().norm());
  }
  return at::stack(norms).norm().item<double>();
}

void BlockTrainer::Step(const LearningRates& rates) {
  optimizer_.SetLr(kQuant, rates.quant);
  optimizer_.SetLr(kZeroPoint, rates.zero_point);
  optimizer_.SetLr(kWeight, rates.weight);
  optimizer_.Step();
  optimizer_.ZeroGrad();
}

BlockTensors BlockTrainer::ServedWeights() const {
  const c10::NoGradGuard no_grad;
  return FakeQuantized();
}

double BlockTrainer::Loss(const BlockTensors& served, const at::Tensor& in, const at::Tensor& target) const {
  const c10::NoGradGuard no_grad;
  return MeanSquaredError(BlockForward(config_, served, tables_, in), target).item<double>();
}

BlockState BlockTrainer::Derive() const {
  const c10::NoGradGuard no_grad;
  BlockState state;
  for (const LinearKind kind : kAllLinears) {
    const TrainedLinear& linear = linears_[static_cast<size_t>(kind)];
    state.linears[kind] = OrThrow(DeriveQuantizedLinear(linear.weight, ServedScale(linear), linear.zero_point,
                                                        options_.bits, options_.group_size));
  }
  state.input_norm = Snapshot(input_norm_);
  state.post_attention_norm = Snapshot(post_attention_norm_);
  return state;
}

BlockState BlockTrainer::Latent() const {
  BlockState state;
  for (const LinearKind kind : kAllLinears) state.linears[kind] = Snapshot(linears_[static_cast<size_t>(kind)].weight);
  state.input_norm = Snapshot(input_norm_);
  state.post_attention_norm = Snapshot(post_attention_norm_);
  return state;
}

BlockTrainer::ZeroPointFlips BlockTrainer::CountFlips(const BlockState& block) const {
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

std::vector<BlockTrainer::NamedParameter> BlockTrainer::parameters() const {
  std::vector<NamedParameter> all;
  for (const LinearKind kind : kAllLinears) {
    const TrainedLinear& linear = linears_[static_cast<size_t>(kind)];
    const std::string name(LinearName(kind));
    all.push_back({name + ".weight", linear.weight});
    all.push_back({name + ".weight_quantizer.scale", linear.scale});
    all.push_back({name + ".weight_quantizer.zero_point", linear.zero_point});
  }
  all.push_back({std::string(kInputNorm), input_norm_});
  all.push_back({std::string(kPostAttentionNorm), post_attention_norm_});
  return all;
}

}  // namespace lwq::qat
