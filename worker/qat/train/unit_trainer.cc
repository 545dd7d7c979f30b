// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/train/unit_trainer.h"

#include <ATen/ops/stack.h>
#include <c10/core/GradMode.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "worker/qat/model/block_forward.h"
#include "worker/qat/train/mean_squared_error.h"

namespace lwq::qat {

UnitTrainer::UnitTrainer(const LlamaConfig& config, const std::vector<BlockState>& unit, const TrainOptions& options,
                         int64_t seqlen, at::Device device, const std::vector<BlockState>& start)
    : config_(config),
      tables_(MakeSequenceTables(config, seqlen, device)),
      optimizer_(AdamWOptions{}, std::vector<AdamW::Group>(kParameterGroups, {.lr = 0, .weight_decay = options.wd})) {
  const std::vector<QuantChoice> choices = UnitChoices(options);
  for (size_t i = 0; i < unit.size(); ++i) {
    blocks_.emplace_back(config, unit[i], choices[i], options, device, start.empty() ? nullptr : &start[i]);
    for (const LatentBlock::NamedParameter& parameter : blocks_.back().parameters()) {
      if (parameter.tensor.requires_grad()) optimizer_.AddParameter(parameter.tensor, parameter.group);
    }
  }
}

// Neither weights nor the streams between blocks are held here: backward drops what it has used.
at::Tensor UnitTrainer::Forward(const at::Tensor& in) const {
  at::Tensor hidden = in;
  for (const LatentBlock& block : blocks_) hidden = BlockForward(config_, block.FakeQuantized(), tables_, hidden);
  return hidden;
}

at::Tensor UnitTrainer::Accumulate(const at::Tensor& in, const at::Tensor& target, double share) {
  const at::Tensor loss = MeanSquaredError(Forward(in), target);
  (share == 1 ? loss : loss.mul(share)).backward();
  return loss.detach();
}

double UnitTrainer::GradNorm() const {
  std::vector<at::Tensor> norms;
  for (const LatentBlock& block : blocks_) {
    for (const LatentBlock::NamedParameter& parameter : block.parameters()) {
      if (parameter.tensor.grad().defined()) norms.push_back(parameter.tensor.grad().norm());
    }
  }
  return at::stack(norms).norm().item<double>();
}

void UnitTrainer::ScaleGradients(double factor) {
  if (factor == 1) return;
  const c10::NoGradGuard no_grad;
  for (const LatentBlock& block : blocks_) {
    for (const LatentBlock::NamedParameter& parameter : block.parameters()) {
      if (parameter.tensor.grad().defined()) parameter.tensor.grad().mul_(factor);
    }
  }
}

void UnitTrainer::Step(const LearningRates& rates) {
  optimizer_.SetLr(kQuantGroup, rates.quant);
  optimizer_.SetLr(kZeroPointGroup, rates.zero_point);
  optimizer_.SetLr(kWeightGroup, rates.weight);
  optimizer_.Step();
  optimizer_.ZeroGrad();
}

std::vector<LatentBlock::NamedParameter> UnitTrainer::TrainedParameters() const {
  std::vector<LatentBlock::NamedParameter> trained;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    for (LatentBlock::NamedParameter& parameter : blocks_[i].parameters()) {
      if (!parameter.tensor.requires_grad()) continue;
      parameter.name = absl::StrCat(i, ".", parameter.name);
      trained.push_back(std::move(parameter));
    }
  }
  return trained;
}

std::vector<BlockTensors> UnitTrainer::ServedWeights() const {
  const c10::NoGradGuard no_grad;
  std::vector<BlockTensors> served;
  for (const LatentBlock& block : blocks_) served.push_back(block.FakeQuantized());
  return served;
}

double UnitTrainer::Loss(const std::vector<BlockTensors>& served, const at::Tensor& in,
                         const at::Tensor& target) const {
  const c10::NoGradGuard no_grad;
  at::Tensor hidden = in;
  for (const BlockTensors& block : served) hidden = BlockForward(config_, block, tables_, hidden);
  return MeanSquaredError(hidden, target).item<double>();
}

}  // namespace lwq::qat
