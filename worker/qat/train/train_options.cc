// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/train/train_options.h"

#include <cmath>

#include "worker/qat/device/torch_guard.h"
#include "worker/qat/model/streaming.h"
#include "worker/qat/quant/quantizer_reference.h"

namespace lwq::qat {
namespace {

constexpr double kMaxSteps = 1e9;

Status Require(bool condition, const std::string& message) {
  return condition ? absl::OkStatus() : absl::InvalidArgumentError(message);
}

Status RequireRate(double value, std::string_view name) {
  return Require(std::isfinite(value) && value >= 0,
                 absl::StrCat(name, " is ", value, ": it must be finite and not negative"));
}

Status CheckOptions(const TrainOptions& options) {
  LWQ_RETURN_IF_ERROR(RequireRate(options.epochs, "epochs"));
  LWQ_RETURN_IF_ERROR(RequireRate(options.quant_lr, "quant_lr"));
  LWQ_RETURN_IF_ERROR(RequireRate(options.zp_lr.value_or(0), "zp_lr"));
  LWQ_RETURN_IF_ERROR(RequireRate(options.weight_lr, "weight_lr"));
  LWQ_RETURN_IF_ERROR(RequireRate(options.wd, "wd"));
  LWQ_RETURN_IF_ERROR(RequireRate(options.early_stop, "early_stop"));
  LWQ_RETURN_IF_ERROR(RequireRate(options.clip_grad, "clip_grad"));
  LWQ_RETURN_IF_ERROR(Require(std::isfinite(options.min_lr_factor) && options.min_lr_factor >= 1,
                              absl::StrCat("min_lr_factor is ", options.min_lr_factor, ": it must be at least 1")));
  LWQ_RETURN_IF_ERROR(
      Require(options.batch_size >= 1, absl::StrCat("batch_size is ", options.batch_size, ": at least 1")));
  LWQ_RETURN_IF_ERROR(
      Require(options.gradient_accumulation_steps >= 1 && options.batch_size % options.gradient_accumulation_steps == 0,
              absl::StrCat("gradient_accumulation_steps ", options.gradient_accumulation_steps,
                           " does not divide batch_size ", options.batch_size)));
  return Require(options.lr_halvings >= 0 && options.lr_halvings <= 64,
                 absl::StrCat("lr_halvings is ", options.lr_halvings, ": 0 to 64"));
}

Status CheckPair(const LlamaConfig& config, const SampleSource* in, const SampleSource* target, std::string_view name) {
  LWQ_RETURN_IF_ERROR(
      Require(in != nullptr && target != nullptr, absl::StrCat(name, " inputs or targets are missing")));
  LWQ_RETURN_IF_ERROR(
      Require(in->samples() == target->samples(),
              absl::StrCat(name, " set has ", in->samples(), " inputs and ", target->samples(), " targets")));
  const int64_t seqlen = CheckActivations(config, *in, absl::StrCat(name, " inputs"));
  return Require(CheckActivations(config, *target, absl::StrCat(name, " targets")) == seqlen,
                 absl::StrCat(name, " inputs and targets differ in length"));
}

// `where`: empty, or which block of the unit.
Status CheckStart(const LlamaConfig& config, const BlockState& start, const QuantChoice& choice,
                  const std::string& where) {
  for (const LinearKind kind : kAllLinears) {
    const auto linear = start.linears.find(kind);
    const auto* quantized = linear == start.linears.end() ? nullptr : std::get_if<QuantizedLinear>(&linear->second);
    const LinearShape shape = ShapeOf(config, kind);
    const bool fits = quantized != nullptr && quantized->bits == choice.bits &&
                      quantized->group_size == ResolveGroupSize(shape.in_features, choice.group_size) &&
                      quantized->out_features == shape.out_features && quantized->in_features == shape.in_features;
    LWQ_RETURN_IF_ERROR(Require(fits, absl::StrCat("the training to go on from has no ", LinearName(kind), " of ",
                                                   choice.bits, " bits and groups of ", choice.group_size, where)));
  }
  return absl::OkStatus();
}

Status CheckUnit(const LlamaConfig& config, size_t blocks, const std::vector<BlockState>& start,
                 const TrainOptions& options) {
  const std::vector<QuantChoice> choices = UnitChoices(options);
  LWQ_RETURN_IF_ERROR(Require(
      blocks == choices.size(),
      absl::StrCat("blocks in the unit: ", blocks, ", but bits and group_size are given for ", choices.size())));
  LWQ_RETURN_IF_ERROR(
      Require(start.empty() || start.size() == blocks,
              absl::StrCat("blocks in the unit: ", blocks, ", but in the training to go on from: ", start.size())));
  for (size_t i = 0; i < blocks; ++i) {
    CheckBits(choices[i].bits);
    for (const LinearKind kind : kAllLinears)
      ResolveGroupSize(ShapeOf(config, kind).in_features, choices[i].group_size);
    if (start.empty()) continue;
    const std::string where = blocks == 1 ? "" : absl::StrCat(" in block ", i, " of the unit");
    LWQ_RETURN_IF_ERROR(CheckStart(config, start[i], choices[i], where));
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<QuantChoice> UnitChoices(const TrainOptions& options) {
  std::vector<QuantChoice> choices = {{options.bits, options.group_size}};
  choices.insert(choices.end(), options.rest.begin(), options.rest.end());
  return choices;
}

StatusOr<int64_t> CheckSamples(const LlamaConfig& config, const TrainInputs& inputs) {
  return TorchGuard("training request", [&]() -> StatusOr<int64_t> {
    LWQ_RETURN_IF_ERROR(CheckPair(config, inputs.train_in, inputs.train_target, "training"));
    LWQ_RETURN_IF_ERROR(CheckPair(config, inputs.val_in, inputs.val_target, "validation"));
    const int64_t seqlen = inputs.train_in->sample_shape()[0];
    LWQ_RETURN_IF_ERROR(
        Require(inputs.val_in->sample_shape()[0] == seqlen, "training and validation samples differ in length"));
    return seqlen;
  });
}

std::string TrainingShape(const LlamaConfig& config, const TrainOptions& options, int64_t seqlen) {
  const size_t blocks = 1 + options.rest.size();
  return absl::StrCat(blocks, blocks == 1 ? " block" : " blocks", " of hidden size ", config.hidden_size,
                      ", intermediate size ", config.intermediate_size, ", ", config.num_attention_heads, " heads and ",
                      config.num_key_value_heads, " key/value heads of ", config.head_dim, ", ",
                      options.batch_size / options.gradient_accumulation_steps, " windows of ", seqlen,
                      " tokens at a time, ", options.execution.precision == Precision::kBF16 ? "bf16" : "fp32");
}

StatusOr<TrainPlan> PlanTraining(const LlamaConfig& config, size_t blocks, const TrainInputs& inputs,
                                 const TrainOptions& options) {
  return TorchGuard("training request", [&]() -> StatusOr<TrainPlan> {
    LWQ_RETURN_IF_ERROR(CheckOptions(options));
    LWQ_RETURN_IF_ERROR(CheckUnit(config, blocks, inputs.start, options));
    TrainPlan plan;
    LWQ_ASSIGN_OR_RETURN(plan.seqlen, CheckSamples(config, inputs));
    plan.train_samples = inputs.train_in->samples();
    plan.val_samples = inputs.val_in->samples();
    plan.micro_batch = options.batch_size / options.gradient_accumulation_steps;
    plan.batches_per_epoch = PlannedSteps(1, plan.train_samples, options.batch_size);
    LWQ_RETURN_IF_ERROR(Require(options.epochs * static_cast<double>(plan.batches_per_epoch) <= kMaxSteps,
                                absl::StrCat("epochs ", options.epochs, " is more than a billion steps")));
    plan.steps = PlannedSteps(options.epochs, plan.train_samples, options.batch_size);
    LWQ_RETURN_IF_ERROR(Require(options.epochs == 0 || plan.train_samples > 0, "there are no training samples"));
    const bool trains = options.quant_lr > 0 || options.weight_lr > 0 || options.zp_lr.value_or(0) > 0;
    LWQ_RETURN_IF_ERROR(Require(plan.steps == 0 || trains,
                                "quant_lr, zp_lr and weight_lr are all 0: nothing would be trained (epochs: 0 is "
                                "round-to-nearest)"));
    return plan;
  });
}

}  // namespace lwq::qat
