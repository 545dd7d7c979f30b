// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/api/fit_rounding.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "worker/qat/device/cpu_allocator.h"
#include "worker/qat/device/device.h"
#include "worker/qat/device/threads.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/model/streaming.h"
#include "worker/qat/quant/quantizer_reference.h"
#include "worker/qat/rounding/fitted_block.h"
#include "worker/qat/train/best_keeper.h"
#include "worker/qat/train/train_options.h"

namespace lwq::qat {
namespace {

constexpr double kNoLoss = std::numeric_limits<double>::quiet_NaN();

Status RequireOption(bool condition, const std::string& message) {
  return condition ? absl::OkStatus() : absl::InvalidArgumentError(message);
}

Status CheckFit(const LlamaConfig& config, const TrainInputs& inputs, const FitOptions& options) {
  CheckBits(options.bits);
  for (const LinearKind kind : kAllLinears) ResolveGroupSize(ShapeOf(config, kind).in_features, options.group_size);
  const auto is_rate = [](double rate) { return std::isfinite(rate) && rate >= 0; };
  LWQ_RETURN_IF_ERROR(RequireOption(options.steps >= 0, absl::StrCat("steps is ", options.steps, ": at least 0")));
  LWQ_RETURN_IF_ERROR(
      RequireOption(options.batch_size >= 1, absl::StrCat("batch_size is ", options.batch_size, ": at least 1")));
  LWQ_RETURN_IF_ERROR(RequireOption(is_rate(options.offset_lr) && is_rate(options.range_lr),
                                    absl::StrCat("offset_lr is ", options.offset_lr, " and range_lr ", options.range_lr,
                                                 ": they must be finite and not negative")));
  LWQ_RETURN_IF_ERROR(RequireOption(
      options.fit == RoundingFit::kSignRound || options.offset_lr == 0,
      absl::StrCat(WordOf(options.fit), " has no offsets, but offset_lr is ", options.offset_lr, ": it must be 0")));
  LWQ_RETURN_IF_ERROR(RequireOption(options.steps == 0 || options.offset_lr + options.range_lr > 0,
                                    "offset_lr and range_lr are both 0: nothing would be fitted (steps: 0 is "
                                    "round-to-nearest)"));
  return RequireOption(inputs.start.empty(),
                       "fitting starts from the model's weights, but an earlier training is given");
}

// One call of FitRounding: the loop around FittedBlock.
class FitLoop {
 public:
  FitLoop(const LlamaConfig& config, const BlockState& block, const TrainInputs& inputs, const FitOptions& options,
          int64_t seqlen, at::Device device, const ProgressSink& progress, const CancelToken& cancel)
      : inputs_(inputs),
        options_(options),
        device_(device),
        progress_(progress),
        cancel_(cancel),
        train_samples_(inputs.train_in->samples()),
        block_(config, block, options, seqlen, device) {}

  FitOutcome Run() {
    outcome_.initial_val_loss = outcome_.best_val_loss = outcome_.final_val_loss = Validate();
    if (options_.steps > 0) block_.Begin();
    while (Steps() < options_.steps) Pass();
    Finish();
    return std::move(outcome_);
  }

 private:
  int64_t Steps() const { return std::ssize(outcome_.train_losses); }
  bool KeepsBest() const { return options_.keep_best && inputs_.val_in->samples() > 0; }

  std::vector<TrainedBlock> Present() const {
    std::vector<TrainedBlock> unit;
    unit.push_back({.block = block_.Derive(), .latent = options_.keep_latent ? block_.Latent() : BlockState{}});
    return unit;
  }

  // Over the train samples once, or as far as there are steps left; then a validation.
  void Pass() {
    const auto start = std::chrono::steady_clock::now();
    const int64_t before = Steps();
    for (int64_t first = 0; first < train_samples_ && Steps() < options_.steps; first += options_.batch_size) {
      TakeStep(first, std::min(train_samples_, first + options_.batch_size));
    }
    const double val_loss = Validate();
    const double sum = std::accumulate(outcome_.train_losses.begin() + before, outcome_.train_losses.end(), 0.0);
    outcome_.validations.push_back(
        {.step = Steps(),
         .train_loss = sum / static_cast<double>(Steps() - before),
         .val_loss = val_loss,
         .seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()});
    outcome_.final_val_loss = val_loss;
    outcome_.best_val_loss = std::min(outcome_.best_val_loss, val_loss);
  }

  void TakeStep(int64_t begin, int64_t end) {
    const double share = 1.0 / static_cast<double>(end - begin);
    double loss = 0;
    for (int64_t sample = begin; sample < end; ++sample) {
      ThrowIfCancelled(cancel_);
      const at::Tensor in = ReadSamples(*inputs_.train_in, sample, 1, device_);
      const at::Tensor target = ReadSamples(*inputs_.train_target, sample, 1, device_);
      loss += share * Finite(block_.Accumulate(in, target, share).item<double>());
      Report("fit", Steps(), options_.steps, loss);
    }
    block_.Step(Steps());
    outcome_.train_losses.push_back(loss);
  }

  // Mean over the validation samples, with the weights as they would be served; the state is kept where it is the best
  // so far. NaN without samples.
  double Validate() {
    const int64_t samples = inputs_.val_in->samples();
    if (samples == 0) return kNoLoss;
    const BlockTensors served = block_.Served();
    double sum = 0;
    for (int64_t sample = 0; sample < samples; ++sample) {
      ThrowIfCancelled(cancel_);
      const at::Tensor in = ReadSamples(*inputs_.val_in, sample, 1, device_);
      const at::Tensor target = ReadSamples(*inputs_.val_target, sample, 1, device_);
      sum += Finite(block_.Loss(served, in, target));
      Report("validate", sample + 1, samples, kNoLoss);
    }
    const double loss = sum / static_cast<double>(samples);
    if (KeepsBest()) best_.Offer(loss, [&] { return Present(); });
    return loss;
  }

  double Finite(double loss) const {
    if (std::isfinite(loss)) return loss;
    throw StatusError(absl::FailedPreconditionError(
        absl::StrCat("the error of the block's output is ", loss, " at step ", Steps(),
                     ": its activations or the model are damaged, or too large for the precision")));
  }

  void Finish() {
    if (KeepsBest()) outcome_.final_val_loss = best_.loss();
    TrainedBlock kept = std::move((KeepsBest() ? best_.Take() : Present()).front());
    outcome_.block = std::move(kept.block);
    outcome_.latent = std::move(kept.latent);
  }

  void Report(std::string_view stage, int64_t step, int64_t steps, double loss) const {
    if (progress_) progress_({.stage = std::string(stage), .step = step, .steps = steps, .loss = loss});
  }

  const TrainInputs& inputs_;
  const FitOptions& options_;
  at::Device device_;
  const ProgressSink& progress_;
  const CancelToken& cancel_;
  int64_t train_samples_;
  FittedBlock block_;
  BestKeeper best_;
  FitOutcome outcome_;
};

}  // namespace

StatusOr<FitOutcome> FitRounding(const LlamaConfig& config, const BlockState& block, const TrainInputs& inputs,
                                 const FitOptions& options, const ProgressSink& progress, const CancelToken& cancel) {
  return TorchGuard("fitting a block's rounding", [&]() -> StatusOr<FitOutcome> {
    LWQ_RETURN_IF_ERROR(CheckFit(config, inputs, options));
    LWQ_ASSIGN_OR_RETURN(const int64_t seqlen, CheckSamples(config, inputs));
    if (options.steps > 0 && inputs.train_in->samples() == 0) {
      return absl::InvalidArgumentError("there are no training samples");
    }
    LWQ_ASSIGN_OR_RETURN(const at::Device device, OpenDevice(options.execution.device));
    const ScopedThreads threads(options.execution.threads);
    CpuTensorMemory().ReleaseCached();  // as before a training
    return FitLoop(config, block, inputs, options, seqlen, device, progress, cancel).Run();
  });
}

double FitRate(RoundingFit fit, double base, int64_t step, int64_t steps) {
  if (fit == RoundingFit::kOmniQuant) return base;
  return base * (1 - static_cast<double>(step) / static_cast<double>(steps));
}

}  // namespace lwq::qat
