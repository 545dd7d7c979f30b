// SPDX-License-Identifier: Apache-2.0
#include <c10/core/GradMode.h>

#include <cmath>
#include <limits>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "worker/qat/api/gptq.h"
#include "worker/qat/device/device.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/device/threads.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/gptq/gptq_linear.h"
#include "worker/qat/gptq/input_hessian.h"
#include "worker/qat/model/block_forward.h"
#include "worker/qat/model/load_block.h"
#include "worker/qat/model/streaming.h"
#include "worker/qat/quant/derive_codes.h"
#include "worker/qat/quant/quantizer_reference.h"

namespace lwq::qat {
namespace {

// Linears that read the same, in the order in which they are rounded.
struct Stage {
  LinearInput reads;
  std::span<const LinearKind> linears;
};
constexpr LinearKind kQkvLinears[] = {LinearKind::kQ, LinearKind::kK, LinearKind::kV};
constexpr LinearKind kOLinears[] = {LinearKind::kO};
constexpr LinearKind kGateUpLinears[] = {LinearKind::kGate, LinearKind::kUp};
constexpr LinearKind kDownLinears[] = {LinearKind::kDown};
constexpr Stage kStages[] = {{LinearInput::kQkv, kQkvLinears},
                             {LinearInput::kO, kOLinears},
                             {LinearInput::kGateUp, kGateUpLinears},
                             {LinearInput::kDown, kDownLinears}};

class Gptq {
 public:
  Gptq(const LlamaConfig& config, const BlockState& block, SampleSource& activations, const GptqOptions& options,
       at::Device device, const ProgressSink& progress, const CancelToken& cancel)
      : config_(config),
        block_(block),
        activations_(activations),
        options_(options),
        device_(device),
        progress_(progress),
        cancel_(cancel),
        seqlen_(CheckActivations(config, activations, "activations")),
        compute_type_(ComputeType(options.execution.precision)) {
    Check();
    tensors_ = LoadBlock(config, block, compute_type_, device);
    outcome_.linears.resize(std::size(kAllLinears));
    outcome_.block = LoadRest(config, block);
    if (options.keep_latent) outcome_.latent = outcome_.block;
  }

  GptqOutcome Run() {
    for (const Stage& stage : kStages) RoundStage(stage);
    return std::move(outcome_);
  }

 private:
  void Check() const {
    CheckBits(options_.bits);
    for (const LinearKind kind : kAllLinears) {
      ResolveGroupSize(ShapeOf(config_, kind).in_features, options_.group_size);
    }
    if (activations_.samples() < 1) {
      throw StatusError(absl::InvalidArgumentError("there are no samples to round the block by"));
    }
    if (options_.damp_percent > 0 && options_.damp_percent <= 1) return;
    throw StatusError(absl::InvalidArgumentError(
        absl::StrCat("damp_percent is ", options_.damp_percent, ": it must be above 0 and at most 1")));
  }

  at::Tensor HessianOf(const Stage& stage) {
    const SequenceTables tables = MakeSequenceTables(config_, seqlen_, device_);
    InputHessian hessian;
    for (int64_t sample = 0; sample < activations_.samples(); ++sample) {
      ThrowIfCancelled(cancel_);
      const at::Tensor hidden = ReadSamples(activations_, sample, 1, device_);
      hessian.Add(InputOfLinear(config_, tensors_, tables, hidden, stage.reads));
      Report();
    }
    at::Tensor sum = hessian.Take();
    // A column that holds one number that is not finite has no finite sum of squares.
    if (sum.diagonal().isfinite().all().item<bool>()) return sum;
    throw StatusError(absl::FailedPreconditionError(
        absl::StrCat("what ", LinearName(stage.linears[0]), " reads is not finite in some of the samples")));
  }

  void RoundStage(const Stage& stage) {
    const std::optional<ReadColumns> columns = ReadColumnsOf(HessianOf(stage), options_);
    if (!columns.has_value()) {
      throw StatusError(absl::FailedPreconditionError(
          absl::StrCat("the Hessian of what ", LinearName(stage.linears[0]),
                       " reads is not positive definite, whatever damp_percent is: its inputs are damaged")));
    }
    for (const LinearKind kind : stage.linears) RoundLinear(kind, *columns);
  }

  void RoundLinear(LinearKind kind, const ReadColumns& columns) {
    ThrowIfCancelled(cancel_);
    const at::Tensor weight = LoadLinear(config_, block_, kind, at::kFloat, at::kCPU);
    if (!weight.isfinite().all().item<bool>()) {
      throw StatusError(absl::InvalidArgumentError(
          absl::StrCat(LinearName(kind), " has a weight that is not finite: the model is damaged")));
    }
    RoundedLinear rounded = RoundByGptq(weight, columns, options_);
    if (!std::isfinite(rounded.error)) {
      throw StatusError(absl::FailedPreconditionError(absl::StrCat("the errors of the columns of ", LinearName(kind),
                                                                   " outgrow float32: give a larger damp_percent")));
    }
    tensors_[kind] = Dequantize(rounded.quantized, device_).to(compute_type_);
    outcome_.linears[static_cast<size_t>(kind)] = {.kind = kind,
                                                   .error = rounded.error,
                                                   .damp_percent = columns.factor.damp_percent,
                                                   .dead_columns = columns.dead.sum().item<int64_t>()};
    outcome_.block.linears[kind] = std::move(rounded.quantized);
    if (options_.keep_latent) outcome_.latent.linears[kind] = ToHostTensor(rounded.latent);
  }

  void Report() {
    ++done_;
    if (!progress_) return;
    const int64_t steps = activations_.samples() * static_cast<int64_t>(std::size(kStages));
    progress_({.stage = "gptq", .step = done_, .steps = steps, .loss = std::numeric_limits<double>::quiet_NaN()});
  }

  const LlamaConfig& config_;
  const BlockState& block_;
  SampleSource& activations_;
  const GptqOptions& options_;
  at::Device device_;
  const ProgressSink& progress_;
  const CancelToken& cancel_;
  int64_t seqlen_;
  at::ScalarType compute_type_;
  int64_t done_ = 0;
  BlockTensors tensors_;  // the block as it is so far
  GptqOutcome outcome_;
};

}  // namespace

StatusOr<GptqOutcome> QuantizeGptq(const LlamaConfig& config, const BlockState& block, SampleSource& activations,
                                   const GptqOptions& options, const ProgressSink& progress,
                                   const CancelToken& cancel) {
  return TorchGuard("GPTQ", [&]() -> StatusOr<GptqOutcome> {
    const c10::NoGradGuard no_grad;
    const ScopedThreads threads(options.execution.threads);
    LWQ_ASSIGN_OR_RETURN(const at::Device device, OpenDevice(options.execution.device));
    return Gptq(config, block, activations, options, device, progress, cancel).Run();
  });
}

}  // namespace lwq::qat
