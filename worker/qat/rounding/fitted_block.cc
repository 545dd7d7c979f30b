// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/rounding/fitted_block.h"

#include <c10/core/GradMode.h>

#include <string>
#include <utility>

#include "worker/qat/device/host_tensor.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/model/block_forward.h"
#include "worker/qat/model/load_block.h"
#include "worker/qat/train/mean_squared_error.h"

namespace lwq::qat {
namespace {

// What has a rate of its own.
enum RateGroup { kOffsetRate, kRangeRate };
constexpr int kRateGroups = 2;

std::variant<SignedDescent, AdamW> OptimizerOf(RoundingFit fit) {
  if (fit == RoundingFit::kSignRound) return SignedDescent(kRateGroups);
  return AdamW(AdamWOptions{}, std::vector<AdamW::Group>(kRateGroups));
}

}  // namespace

FittedBlock::FittedBlock(const LlamaConfig& config, const BlockState& block, const FitOptions& options, int64_t seqlen,
                         at::Device device)
    : config_(config),
      options_(options),
      tables_(MakeSequenceTables(config, seqlen, device)),
      compute_type_(ComputeType(options.execution.precision)),
      rest_(LoadRest(config, block)),
      tensors_(LoadRestTensors(config, block, compute_type_, device)),
      optimizer_(OptimizerOf(options.fit)) {
  for (const LinearKind kind : kAllLinears) {
    const at::Tensor weight = LoadLinear(config, block, kind, at::kFloat, device);
    if (!weight.isfinite().all().item<bool>()) {
      throw StatusError(absl::FailedPreconditionError(
          absl::StrCat(LinearName(kind), " has a weight that is not finite: the model is damaged")));
    }
    const FittedLinear& linear = linears_.emplace_back(weight, options);
    const auto add = [this](const at::Tensor& parameter, RateGroup group) {
      if (!parameter.defined() || !parameter.requires_grad()) return;
      std::visit([&](auto& optimizer) { optimizer.AddParameter(parameter, group); }, optimizer_);
    };
    add(linear.offsets(), kOffsetRate);
    add(linear.low(), kRangeRate);
    add(linear.high(), kRangeRate);
  }
}

void FittedBlock::Begin() {
  for (FittedLinear& linear : linears_) linear.Begin();
}

BlockTensors FittedBlock::FakeQuantized() const {
  BlockTensors block = tensors_;
  for (const LinearKind kind : kAllLinears) {
    block[kind] = linears_[static_cast<size_t>(kind)].FakeQuantized(compute_type_);
  }
  return block;
}

at::Tensor FittedBlock::Accumulate(const at::Tensor& in, const at::Tensor& target, double share) {
  const at::Tensor loss = MeanSquaredError(BlockForward(config_, FakeQuantized(), tables_, in), target);
  (share == 1 ? loss : loss.mul(share)).backward();
  return loss.detach();
}

void FittedBlock::Step(int64_t step) {
  std::visit(
      [&](auto& optimizer) {
        optimizer.SetLr(kOffsetRate, FitRate(options_.fit, options_.offset_lr, step, options_.steps));
        optimizer.SetLr(kRangeRate, FitRate(options_.fit, options_.range_lr, step, options_.steps));
        optimizer.Step();
        optimizer.ZeroGrad();
      },
      optimizer_);
  for (FittedLinear& linear : linears_) linear.Confine();
}

BlockTensors FittedBlock::Served() const {
  const c10::NoGradGuard no_grad;
  return FakeQuantized();
}

double FittedBlock::Loss(const BlockTensors& served, const at::Tensor& in, const at::Tensor& target) const {
  const c10::NoGradGuard no_grad;
  return MeanSquaredError(BlockForward(config_, served, tables_, in), target).item<double>();
}

BlockState FittedBlock::Derive() const {
  BlockState state = rest_;
  for (const LinearKind kind : kAllLinears) {
    auto linear = linears_[static_cast<size_t>(kind)].Derive();
    if (!linear.ok()) throw StatusError(Annotate(linear.status(), LinearName(kind)));
    state.linears[kind] = *std::move(linear);
  }
  return state;
}

BlockState FittedBlock::Latent() const {
  BlockState state = rest_;
  for (const LinearKind kind : kAllLinears) {
    // A copy where the latent weight is the weight itself.
    state.linears[kind] = ToHostTensor(linears_[static_cast<size_t>(kind)].Latent().clone());
  }
  return state;
}

}  // namespace lwq::qat
