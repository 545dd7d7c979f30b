// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/train/unit_trainer.h"

#include <ATen/ops/stack.h>
#include <c10/core/GradMode.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "worker/qat/model/block_forward.h"
#include "worker/qat/train/mean_squared_error.h"

namespace lwq::qat {
namespace {

// Of the forward pass of a unit: a half of a block, or a block that has no halves.
struct Stage {
  enum class Part { kAttention, kFeedForward, kWhole };

  const LatentBlock* block;
  Part part;
  at::Tensor input;
};

absl::Span<const LinearKind> LinearsOf(Stage::Part part) {
  static constexpr LinearKind kAttention[] = {LinearKind::kQ, LinearKind::kK, LinearKind::kV, LinearKind::kO};
  static constexpr LinearKind kFeedForward[] = {LinearKind::kGate, LinearKind::kUp, LinearKind::kDown};
  switch (part) {
    case Stage::Part::kAttention:
      return kAttention;
    case Stage::Part::kFeedForward:
      return kFeedForward;
    case Stage::Part::kWhole:
      break;
  }
  return kAllLinears;
}

at::Tensor Run(const LlamaConfig& config, const SequenceTables& tables, const BlockTensors& weights, Stage::Part part,
               const at::Tensor& input) {
  switch (part) {
    case Stage::Part::kAttention:
      return AttentionHalf(config, weights, tables, input, Activations::kRecomputed);
    case Stage::Part::kFeedForward:
      return FeedForwardHalf(config, weights, input);
    case Stage::Part::kWhole:
      break;
  }
  return BlockForward(config, weights, tables, input);
}

void Backward(const at::Tensor& loss, double share) {
  (share == 1 ? loss : loss.mul(share)).backward();
}

}  // namespace

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

at::Tensor UnitTrainer::Accumulate(const at::Tensor& in, const at::Tensor& target, double share,
                                   Activations activations) {
  if (activations == Activations::kRecomputed) return AccumulateRecomputed(in, target, share);
  const at::Tensor loss = MeanSquaredError(Forward(in), target);
  Backward(loss, share);
  return loss.detach();
}

at::Tensor UnitTrainer::AccumulateRecomputed(const at::Tensor& in, const at::Tensor& target, double share) const {
  std::vector<Stage> stages;
  at::Tensor hidden = in;
  {
    const c10::NoGradGuard no_grad;
    for (const LatentBlock& block : blocks_) {
      const BlockTensors weights = block.FakeQuantized();
      std::vector<Stage::Part> parts = {Stage::Part::kWhole};
      if (IsComposed(weights, hidden)) parts = {Stage::Part::kAttention, Stage::Part::kFeedForward};
      for (const Stage::Part part : parts) {
        stages.push_back({&block, part, hidden});
        hidden = Run(config_, tables_, weights, part, hidden);
      }
    }
  }
  hidden.set_requires_grad(true);
  at::Tensor loss = MeanSquaredError(hidden, target);
  Backward(loss, share);
  loss = loss.detach();  // its graph would hold what the unit returns
  at::Tensor upstream = hidden.grad();
  hidden.reset();
  while (!stages.empty()) {
    const Stage stage = std::move(stages.back());
    stages.pop_back();
    // What the unit reads has no gradient: nothing comes before it.
    const at::Tensor input = stage.input.detach().set_requires_grad(!stages.empty());
    const at::Tensor out = Run(config_, tables_, stage.block->FakeQuantized(LinearsOf(stage.part)), stage.part, input);
    out.backward(upstream);
    upstream = input.grad();
  }
  return loss;
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
