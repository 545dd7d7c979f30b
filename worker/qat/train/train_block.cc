// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "worker/qat/api/train_block.h"
#include "worker/qat/device/cpu_allocator.h"
#include "worker/qat/device/device.h"
#include "worker/qat/device/threads.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/model/streaming.h"
#include "worker/qat/train/train_options.h"
#include "worker/qat/train/training_state.h"
#include "worker/qat/train/unit_trainer.h"

namespace lwq::qat {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Seconds of an epoch, those before an interruption included.
class EpochClock {
 public:
  void Start(double seconds_before) {
    seconds_before_ = seconds_before;
    start_ = std::chrono::steady_clock::now();
  }
  double Seconds() const {
    return seconds_before_ + std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  double seconds_before_ = 0;
  std::chrono::steady_clock::time_point start_;
};

// One call of TrainBlock: the loop around UnitTrainer.
class Training {
 public:
  Training(const LlamaConfig& config, const std::vector<BlockState>& unit, const TrainInputs& inputs,
           const TrainOptions& options, const TrainPlan& plan, at::Device device, const ProgressSink& progress,
           const CancelToken& cancel, Checkpoints* checkpoints, LearntMemory* learnt)
      : inputs_(inputs),
        options_(options),
        plan_(plan),
        device_(device),
        progress_(progress),
        cancel_(cancel),
        checkpoints_(checkpoints),
        learnt_(learnt),
        shape_(TrainingShape(config, options, plan.seqlen)),
        state_{.trainer = UnitTrainer(config, unit, options, plan.seqlen, device, inputs.start),
               .early_stop = EarlyStop(options.early_stop, options.early_stop_resets),
               .best = {},
               .outcome = {}} {
    state_.outcome.steps_planned = plan.steps;
    if (learnt != nullptr && learnt->Recomputes(shape_)) state_.outcome.activations = Activations::kRecomputed;
  }

  // Instead of the beginning. Errors of RestoreTraining, after which this object is of no use.
  Status Restore(CheckpointReader& earlier) { return RestoreTraining(earlier, plan_, options_, state_); }

  TrainOutcome Run() {
    if (state_.outcome.steps == 0 && !ValidateInitialState()) return std::move(state_.outcome);
    while (state_.outcome.steps < plan_.steps && !state_.outcome.stopped_early) {
      if (!TrainEpoch()) return std::move(state_.outcome);
    }
    Finish();
    return std::move(state_.outcome);
  }

 private:
  bool validates() const { return plan_.val_samples > 0; }
  double epochs_done() const {
    return state_.outcome.steps == 0
               ? 0
               : static_cast<double>(state_.outcome.steps) / static_cast<double>(plan_.batches_per_epoch);
  }

  // False when the loss is not finite; the outcome then says where.
  bool CheckFinite(double loss) {
    if (std::isfinite(loss)) return true;
    state_.outcome.diverged = Divergence{.epoch = epochs_done(), .step = state_.outcome.steps, .loss = loss};
    return false;
  }

  bool ValidateInitialState() {
    state_.outcome.initial_val_loss = ValidationLoss();
    if (validates() && !CheckFinite(state_.outcome.initial_val_loss)) return false;
    ObserveValidation(state_.outcome.initial_val_loss);
    return true;
  }

  std::vector<TrainedBlock> Present() const {
    std::vector<TrainedBlock> blocks;
    for (const LatentBlock& block : state_.trainer.blocks()) {
      blocks.push_back({.block = block.Derive(), .latent = options_.keep_latent ? block.Latent() : BlockState{}});
    }
    return blocks;
  }

  void ObserveValidation(double val_loss) {
    state_.outcome.final_val_loss = val_loss;
    state_.best_val_loss = std::min(state_.best_val_loss, val_loss);
    if (options_.keep_best && validates()) state_.best.Offer(val_loss, [&] { return Present(); });
  }

  // Steps up to the next validation: a whole epoch, or what is left of the plan. False when diverged.
  bool TrainEpoch() {
    epoch_.Start(state_.epoch_seconds);
    const int64_t first = state_.outcome.steps - state_.outcome.steps % plan_.batches_per_epoch;
    const int64_t last = std::min(plan_.steps, first + plan_.batches_per_epoch);
    while (state_.outcome.steps < last) {
      OfferCheckpoint();
      if (!TrainStep(state_.outcome.steps - first)) return false;
    }
    const double val_loss = ValidationLoss();
    if (validates() && !CheckFinite(val_loss)) return false;
    const auto losses = state_.outcome.train_losses.end() - (last - first);
    state_.outcome.epochs.push_back({.epoch = epochs_done(),
                                     .step = last,
                                     .train_loss = std::accumulate(losses, state_.outcome.train_losses.end(), 0.0) /
                                                   static_cast<double>(last - first),
                                     .val_loss = val_loss,
                                     .seconds = epoch_.Seconds()});
    state_.epoch_seconds = 0;
    ObserveValidation(val_loss);
    state_.outcome.stopped_early = validates() && state_.early_stop.Observe(val_loss) && last < plan_.steps;
    return true;
  }

  // Between two steps. Throws CANCELLED where the training is to end here.
  void OfferCheckpoint() {
    if (checkpoints_ == nullptr) return;
    OrThrow(checkpoints_->AtStep(state_.outcome.steps, plan_.steps, [&](CheckpointWriter& writer) -> Status {
      state_.epoch_seconds = epoch_.Seconds();
      return SaveTraining(state_, writer);
    }));
  }

  // One optimizer step on batch `batch` of the epoch. False when diverged.
  bool TrainStep(int64_t batch) {
    const std::optional<double> loss = LossAndGradients(batch);
    if (!loss.has_value()) return false;
    const double grad_norm = state_.trainer.GradNorm();
    if (!std::isfinite(grad_norm)) return CheckFinite(grad_norm);
    state_.trainer.ScaleGradients(ClipFactor(grad_norm, options_.clip_grad));
    state_.trainer.Step(RatesAt(state_.outcome.steps));
    state_.outcome.train_losses.push_back(*loss);
    state_.outcome.grad_norms.push_back(grad_norm);
    ++state_.outcome.steps;
    return true;
  }

  // The loss of a batch; its gradients are then the parameters'. Nothing when diverged. Where memory does not suffice,
  // it is made again with less.
  std::optional<double> LossAndGradients(int64_t batch) {
    try {
      return Accumulate(batch);
    } catch (...) {
      const Status reason = StatusFromCurrentException("a step");
      if (!IsOutOfMemory(reason) || state_.outcome.activations == Activations::kRecomputed) throw;
      if (learnt_ != nullptr) learnt_->DidNotFit(shape_, reason, state_.outcome.steps, plan_.steps);
    }
    state_.trainer.DropGradients();
    state_.outcome.activations = Activations::kRecomputed;
    return Accumulate(batch);
  }

  std::optional<double> Accumulate(int64_t batch) {
    const int64_t begin = batch * options_.batch_size;
    const int64_t end = std::min(plan_.train_samples, begin + options_.batch_size);
    double loss = 0;
    for (int64_t first = begin; first < end; first += plan_.micro_batch) {
      ThrowIfCancelled(cancel_);
      const int64_t count = std::min(plan_.micro_batch, end - first);
      const double share = static_cast<double>(count) / static_cast<double>(end - begin);
      const at::Tensor in = ReadSamples(*inputs_.train_in, first, count, device_);
      const at::Tensor target = ReadSamples(*inputs_.train_target, first, count, device_);
      loss += share * state_.trainer.Accumulate(in, target, share, state_.outcome.activations).item<double>();
      if (!CheckFinite(loss)) return std::nullopt;
      Report("train", state_.outcome.steps, plan_.steps, loss);
    }
    return loss;
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
    const std::vector<BlockTensors> served = state_.trainer.ServedWeights();
    double sum = 0;
    for (int64_t first = 0; first < plan_.val_samples; first += plan_.micro_batch) {
      ThrowIfCancelled(cancel_);
      const int64_t count = std::min(plan_.micro_batch, plan_.val_samples - first);
      const at::Tensor in = ReadSamples(*inputs_.val_in, first, count, device_);
      const at::Tensor target = ReadSamples(*inputs_.val_target, first, count, device_);
      sum += static_cast<double>(count) * state_.trainer.Loss(served, in, target);
      Report("validate", first + count, plan_.val_samples, kNaN);
    }
    return sum / static_cast<double>(plan_.val_samples);
  }

  void Finish() {
    if (options_.keep_best && validates()) {
      state_.outcome.final_val_loss = state_.best.loss();
      state_.outcome.blocks = state_.best.Take();
    } else {
      state_.outcome.blocks = Present();
    }
    state_.outcome.best_val_loss = validates() ? state_.best_val_loss : kNaN;
    state_.outcome.epochs_trained = epochs_done();
    CountFlips();
  }

  void CountFlips() {
    for (size_t i = 0; i < state_.outcome.blocks.size(); ++i) {
      TrainedBlock& trained = state_.outcome.blocks[i];
      const LatentBlock::ZeroPointFlips count = state_.trainer.blocks()[i].CountFlips(trained.block);
      trained.zero_point_flips = count.flips;
      trained.zero_points = count.groups;
      state_.outcome.zero_point_flips += count.flips;
      state_.outcome.zero_points += count.groups;
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
  Checkpoints* const checkpoints_;  // null: none
  LearntMemory* const learnt_;      // null: nothing
  const std::string shape_;
  TrainingState state_;
  EpochClock epoch_;
};

// From what an earlier attempt left, where it left something of use. True when it turned out to be of none while it was
// read: then `training` is of none either.
StatusOr<bool> GoOn(Checkpoints* checkpoints, Training& training) {
  if (checkpoints == nullptr) return false;
  LWQ_ASSIGN_OR_RETURN(std::optional<CheckpointReader> earlier, checkpoints->Earlier());
  if (!earlier.has_value()) return false;
  const Status restored = training.Restore(*earlier);
  if (restored.ok()) {
    checkpoints->GoesOnFrom(earlier->stamp());
    return false;
  }
  if (!IsUnusableCheckpoint(restored)) return restored;
  checkpoints->Refused(restored);
  return true;
}

// Beside activations that are recomputed, which change no bits.
std::string WhatTakesLess(const TrainOptions& options) {
  std::vector<std::string> ways;
  if (options.batch_size > options.gradient_accumulation_steps) ways.push_back("more gradient_accumulation_steps");
  if (!options.rest.empty()) ways.push_back("a smaller block_grouping");
  ways.push_back("a smaller training_seqlen");
  return absl::StrJoin(ways, " or ");
}

}  // namespace

StatusOr<TrainOutcome> TrainBlock(const LlamaConfig& config, const std::vector<BlockState>& unit,
                                  const TrainInputs& inputs, const TrainOptions& options, const ProgressSink& progress,
                                  const CancelToken& cancel, Checkpoints* checkpoints, LearntMemory* learnt) {
  std::string shape;
  StatusOr<TrainOutcome> outcome = TorchGuard("training a block", [&]() -> StatusOr<TrainOutcome> {
    LWQ_ASSIGN_OR_RETURN(const TrainPlan plan, PlanTraining(config, unit.size(), inputs, options));
    shape = TrainingShape(config, options, plan.seqlen);
    LWQ_ASSIGN_OR_RETURN(const at::Device device, OpenDevice(options.execution.device));
    const ScopedThreads threads(options.execution.threads);
    // Training needs the most memory and takes long: what tasks before left in the caches fits its tensors badly.
    CpuTensorMemory().ReleaseCached();
    std::optional<Training> training;
    const auto begin = [&] {
      training.reset();
      training.emplace(config, unit, inputs, options, plan, device, progress, cancel, checkpoints, learnt);
    };
    begin();
    LWQ_ASSIGN_OR_RETURN(const bool half_restored, GoOn(checkpoints, *training));
    if (half_restored) begin();
    return training->Run();
  });
  if (!IsOutOfMemory(outcome.status())) return outcome;
  return absl::ResourceExhaustedError(
      absl::StrCat(outcome.status().message(), " (", shape, "; less is taken by ", WhatTakesLess(options), ")"));
}

}  // namespace lwq::qat
