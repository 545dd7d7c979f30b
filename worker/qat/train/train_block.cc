// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>

#include "worker/qat/api/train_block.h"
#include "worker/qat/device/cpu_allocator.h"
#include "worker/qat/device/device.h"
#include "worker/qat/device/threads.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/model/streaming.h"
#include "worker/qat/train/best_keeper.h"
#include "worker/qat/train/early_stop.h"
#include "worker/qat/train/train_options.h"
#include "worker/qat/train/unit_trainer.h"

namespace lwq::qat {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// One call of TrainBlock: the loop around UnitTrainer.
class Training {
 public:
  Training(const LlamaConfig& config, const std::vector<BlockState>& unit, const TrainInputs& inputs,
           const TrainOptions& options, const TrainPlan& plan, at::Device device, const ProgressSink& progress,
           const CancelToken& cancel)
      : inputs_(inputs),
        options_(options),
        plan_(plan),
        device_(device),
        progress_(progress),
        cancel_(cancel),
        trainer_(config, unit, options, plan.seqlen, device, inputs.start),
        early_stop_(options.early_stop, options.early_stop_resets) {
    outcome_.steps_planned = plan.steps;
  }

  TrainOutcome Run() {
    if (!ValidateInitialState()) return std::move(outcome_);
    while (outcome_.steps < plan_.steps && !outcome_.stopped_early) {
      if (!TrainEpoch()) return std::move(outcome_);
    }
    Finish();
    return std::move(outcome_);
  }

 private:
  bool validates() const { return plan_.val_samples > 0; }
  double epochs_done() const {
    return outcome_.steps == 0 ? 0 : static_cast<double>(outcome_.steps) / static_cast<double>(plan_.batches_per_epoch);
  }

  // False when the loss is not finite; the outcome then says where.
  bool CheckFinite(double loss) {
    if (std::isfinite(loss)) return true;
    outcome_.diverged = Divergence{.epoch = epochs_done(), .step = outcome_.steps, .loss = loss};
    return false;
  }

  bool ValidateInitialState() {
    outcome_.initial_val_loss = ValidationLoss();
    if (validates() && !CheckFinite(outcome_.initial_val_loss)) return false;
    ObserveValidation(outcome_.initial_val_loss);
    return true;
  }

  std::vector<TrainedBlock> Present() const {
    std::vector<TrainedBlock> blocks;
    for (const LatentBlock& block : trainer_.blocks()) {
      blocks.push_back({.block = block.Derive(), .latent = options_.keep_latent ? block.Latent() : BlockState{}});
    }
    return blocks;
  }

  void ObserveValidation(double val_loss) {
    outcome_.final_val_loss = val_loss;
    best_val_loss_ = std::min(best_val_loss_, val_loss);
    if (options_.keep_best && validates()) best_.Offer(val_loss, [&] { return Present(); });
  }

  // Steps up to the next validation: a whole epoch, or what is left of the plan. False when diverged.
  bool TrainEpoch() {
    const auto start = std::chrono::steady_clock::now();
    const int64_t first = outcome_.steps;
    const int64_t last = std::min(plan_.steps, first + plan_.batches_per_epoch);
    while (outcome_.steps < last) {
      if (!TrainStep(outcome_.steps - first)) return false;
    }
    const double val_loss = ValidationLoss();
    if (validates() && !CheckFinite(val_loss)) return false;
    const auto losses = outcome_.train_losses.end() - (last - first);
    outcome_.epochs.push_back(
        {.epoch = epochs_done(),
         .step = last,
         .train_loss = std::accumulate(losses, outcome_.train_losses.end(), 0.0) / static_cast<double>(last - first),
         .val_loss = val_loss,
         .seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()});
    ObserveValidation(val_loss);
    outcome_.stopped_early = validates() && early_stop_.Observe(val_loss) && last < plan_.steps;
    return true;
  }

  // One optimizer step on batch `batch` of the epoch. False when diverged.
  bool TrainStep(int64_t batch) {
    const int64_t begin = batch * options_.batch_size;
    const int64_t end = std::min(plan_.train_samples, begin + options_.batch_size);
    double loss = 0;
    for (int64_t first = begin; first < end; first += plan_.micro_batch) {
      ThrowIfCancelled(cancel_);
      const int64_t count = std::min(plan_.micro_batch, end - first);
      const double share = static_cast<double>(count) / static_cast<double>(end - begin);
      const at::Tensor in = ReadSamples(*inputs_.train_in, first, count, device_);
      const at::Tensor target = ReadSamples(*inputs_.train_target, first, count, device_);
      loss += share * trainer_.Accumulate(in, target, share).item<double>();
      if (!CheckFinite(loss)) return false;
      Report("train", outcome_.steps, plan_.steps, loss);
    }
    const double grad_norm = trainer_.GradNorm();
    if (!std::isfinite(grad_norm)) return CheckFinite(grad_norm);
    trainer_.ScaleGradients(ClipFactor(grad_norm, options_.clip_grad));
    trainer_.Step(RatesAt(outcome_.steps));
    outcome_.train_losses.push_back(loss);
    outcome_.grad_norms.push_back(grad_norm);
    ++outcome_.steps;
    return true;
  }

  LearningRates RatesAt(int64_t step) const {
    const auto rate = [&](double base_lr) {
      return LearningRate(options_.lr_schedule, std::ldexp(base_lr, -options_.lr_halvings), options_.min_lr_factor,
                          step, plan_.steps);
    };
    return {.quant = rate(options_.quant_lr),
            .zero_point = rate(options_.zp_lr.value_or(options_.quant_lr)),
            .weight = rate(options_.weight_lr)};
  }

  // Mean over the validation samples, with the weights as they would be served; NaN without samples.
  double ValidationLoss() {
    if (!validates()) return kNaN;
    const std::vector<BlockTensors> served = trainer_.ServedWeights();
    double sum = 0;
    for (int64_t first = 0; first < plan_.val_samples; first += plan_.micro_batch) {
      ThrowIfCancelled(cancel_);
      const int64_t count = std::min(plan_.micro_batch, plan_.val_samples - first);
      const at::Tensor in = ReadSamples(*inputs_.val_in, first, count, device_);
      const at::Tensor target = ReadSamples(*inputs_.val_target, first, count, device_);
      sum += static_cast<double>(count) * trainer_.Loss(served, in, target);
      Report("validate", first + count, plan_.val_samples, kNaN);
    }
    return sum / static_cast<double>(plan_.val_samples);
  }

  void Finish() {
    if (options_.keep_best && validates()) {
      outcome_.final_val_loss = best_.loss();
      outcome_.blocks = best_.Take();
    } else {
      outcome_.blocks = Present();
    }
    outcome_.best_val_loss = validates() ? best_val_loss_ : kNaN;
    outcome_.epochs_trained = epochs_done();
    CountFlips();
  }

  void CountFlips() {
    for (size_t i = 0; i < outcome_.blocks.size(); ++i) {
      TrainedBlock& trained = outcome_.blocks[i];
      const LatentBlock::ZeroPointFlips count = trainer_.blocks()[i].CountFlips(trained.block);
      trained.zero_point_flips = count.flips;
      trained.zero_points = count.groups;
      outcome_.zero_point_flips += count.flips;
      outcome_.zero_points += count.groups;
    }
  }

  void Report(std::string_view stage, int64_t step, int64_t steps, double loss) const {
    if (progress_) progress_({.stage = std::string(stage), .step = step, .steps = steps, .loss = loss});
  }

  const TrainInputs& inputs_;
  const TrainOptions& options_;
  const TrainPlan& plan_;
  at::Device device_;
  const ProgressSink& progress_;
  const CancelToken& cancel_;
  UnitTrainer trainer_;
  EarlyStop early_stop_;
  BestKeeper best_;
  double best_val_loss_ = std::numeric_limits<double>::infinity();
  TrainOutcome outcome_;
};

}  // namespace

StatusOr<TrainOutcome> TrainBlock(const LlamaConfig& config, const std::vector<BlockState>& unit,
                                  const TrainInputs& inputs, const TrainOptions& options, const ProgressSink& progress,
                                  const CancelToken& cancel) {
  return TorchGuard("training a block", [&]() -> StatusOr<TrainOutcome> {
    LWQ_ASSIGN_OR_RETURN(const TrainPlan plan, PlanTraining(config, unit.size(), inputs, options));
    LWQ_ASSIGN_OR_RETURN(const at::Device device, OpenDevice(options.execution.device));
    const ScopedThreads threads(options.execution.threads);
    // Training needs the most memory and takes long: what tasks before left in the caches fits its tensors badly.
    CpuTensorMemory().ReleaseCached();
    return Training(config, unit, inputs, options, plan, device, progress, cancel).Run();
  });
}

}  // namespace lwq::qat
