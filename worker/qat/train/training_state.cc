// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/train/training_state.h"

#include <c10/core/GradMode.h>

#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/export/block_checkpoint.h"
#include "worker/qat/device/host_tensor.h"

namespace lwq::qat {
namespace {

constexpr int64_t kEpochNumbers = 5;

template <typename T>
HostTensor HostTensorOf(DType dtype, std::vector<int64_t> shape, const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return {dtype, std::move(shape), Bytes::FromString(std::move(bytes))};
}

HostTensor Doubles(const std::vector<double>& values) {
  return HostTensorOf(DType::kF64, {std::ssize(values)}, values);
}
HostTensor Integers(const std::vector<int64_t>& values) {
  return HostTensorOf(DType::kI64, {std::ssize(values)}, values);
}

template <typename T>
std::vector<T> ValuesOf(const HostTensor& tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

StatusOr<std::vector<double>> TakeDoubles(CheckpointReader& reader, const std::string& name,
                                          const std::vector<int64_t>& shape) {
  LWQ_ASSIGN_OR_RETURN(const HostTensor tensor, reader.Take(name, DType::kF64, shape));
  return ValuesOf<double>(tensor);
}
StatusOr<std::vector<int64_t>> TakeIntegers(CheckpointReader& reader, const std::string& name, int64_t count) {
  LWQ_ASSIGN_OR_RETURN(const HostTensor tensor, reader.Take(name, DType::kI64, {count}));
  return ValuesOf<int64_t>(tensor);
}

Status NotOfThisTraining(std::string_view what) {
  return absl::DataLossError(absl::StrCat("the checkpoint is not of this training: ", what));
}

int64_t BestBlocks(const TrainingState& state) {
  return state.best.best() == nullptr ? 0 : std::ssize(*state.best.best());
}

Status SaveProgress(const TrainingState& state, CheckpointWriter& writer) {
  const TrainOutcome& outcome = state.outcome;
  const int64_t validations = std::ssize(outcome.epochs);
  LWQ_RETURN_IF_ERROR(writer.Add(
      "progress.counts", Integers({outcome.steps, state.early_stop.failures(), BestBlocks(state), validations})));
  LWQ_RETURN_IF_ERROR(
      writer.Add("progress.numbers", Doubles({outcome.initial_val_loss, outcome.final_val_loss, state.best_val_loss,
                                              state.best.loss(), state.early_stop.best(), state.epoch_seconds})));
  LWQ_RETURN_IF_ERROR(writer.Add("progress.train_losses", Doubles(outcome.train_losses)));
  LWQ_RETURN_IF_ERROR(writer.Add("progress.grad_norms", Doubles(outcome.grad_norms)));
  std::vector<double> epochs;
  for (const EpochStats& epoch : outcome.epochs) {
    epochs.insert(epochs.end(),
                  {epoch.epoch, static_cast<double>(epoch.step), epoch.train_loss, epoch.val_loss, epoch.seconds});
  }
  return writer.Add("progress.epochs", HostTensorOf(DType::kF64, {validations, kEpochNumbers}, epochs));
}

Status SaveParameters(const UnitTrainer& trainer, CheckpointWriter& writer) {
  const std::vector<LatentBlock::NamedParameter> trained = trainer.TrainedParameters();
  std::vector<int64_t> steps;
  for (size_t i = 0; i < trained.size(); ++i) steps.push_back(trainer.optimizer().state(i).steps);
  LWQ_RETURN_IF_ERROR(writer.Add("optimizer.steps", Integers(steps)));
  for (size_t i = 0; i < trained.size(); ++i) {
    const AdamW::ParameterState& moments = trainer.optimizer().state(i);
    LWQ_RETURN_IF_ERROR(writer.Add(trained[i].name, ToHostTensor(trained[i].tensor.detach())));
    if (moments.steps == 0) continue;
    LWQ_RETURN_IF_ERROR(writer.Add(trained[i].name + ".exp_avg", ToHostTensor(moments.exp_avg)));
    LWQ_RETURN_IF_ERROR(writer.Add(trained[i].name + ".exp_avg_sq", ToHostTensor(moments.exp_avg_sq)));
  }
  return absl::OkStatus();
}

Status SaveBlock(const std::string& name, const BlockState& block, CheckpointWriter& writer) {
  LWQ_ASSIGN_OR_RETURN(std::string file, SerializeBlock(block));
  const auto bytes = static_cast<int64_t>(file.size());
  return writer.Add(name, {DType::kU8, {bytes}, Bytes::FromString(std::move(file))});
}

std::string BestName(size_t block) {
  return absl::StrCat("best.", block);
}

Status SaveBest(const TrainingState& state, CheckpointWriter& writer) {
  for (size_t i = 0; i < static_cast<size_t>(BestBlocks(state)); ++i) {
    const TrainedBlock& block = (*state.best.best())[i];
    LWQ_RETURN_IF_ERROR(SaveBlock(BestName(i), block.block, writer));
    if (block.latent.linears.empty()) continue;
    LWQ_RETURN_IF_ERROR(SaveBlock(BestName(i) + ".latent", block.latent, writer));
  }
  return absl::OkStatus();
}

// Returns how many blocks the best state has.
StatusOr<int64_t> RestoreProgress(CheckpointReader& reader, const TrainPlan& plan, TrainingState& state) {
  TrainOutcome& outcome = state.outcome;
  LWQ_ASSIGN_OR_RETURN(const std::vector<int64_t> counts, TakeIntegers(reader, "progress.counts", 4));
  const int64_t steps = counts[0], validations = counts[3];
  const auto unit = std::ssize(state.trainer.blocks());
  if (steps < 1 || steps >= plan.steps || steps != reader.stamp().step) return NotOfThisTraining("steps");
  if (counts[2] != 0 && counts[2] != unit) return NotOfThisTraining("blocks of the best state");
  if (validations != steps / plan.batches_per_epoch) return NotOfThisTraining("validations");
  LWQ_ASSIGN_OR_RETURN(const std::vector<double> numbers, TakeDoubles(reader, "progress.numbers", {6}));
  outcome.steps = steps;
  outcome.initial_val_loss = numbers[0];
  outcome.final_val_loss = numbers[1];
  state.best_val_loss = numbers[2];
  state.best.Restore(numbers[3], std::nullopt);
  state.early_stop.Restore(numbers[4], counts[1]);
  state.epoch_seconds = numbers[5];
  LWQ_ASSIGN_OR_RETURN(outcome.train_losses, TakeDoubles(reader, "progress.train_losses", {steps}));
  LWQ_ASSIGN_OR_RETURN(outcome.grad_norms, TakeDoubles(reader, "progress.grad_norms", {steps}));
  LWQ_ASSIGN_OR_RETURN(const std::vector<double> epochs,
                       TakeDoubles(reader, "progress.epochs", {validations, kEpochNumbers}));
  for (size_t i = 0; i < epochs.size(); i += kEpochNumbers) {
    outcome.epochs.push_back({.epoch = epochs[i],
                              .step = static_cast<int64_t>(epochs[i + 1]),
                              .train_loss = epochs[i + 2],
                              .val_loss = epochs[i + 3],
                              .seconds = epochs[i + 4]});
  }
  return counts[2];
}

Status RestoreParameters(CheckpointReader& reader, UnitTrainer& trainer) {
  const c10::NoGradGuard no_grad;
  const std::vector<LatentBlock::NamedParameter> trained = trainer.TrainedParameters();
  LWQ_ASSIGN_OR_RETURN(const std::vector<int64_t> steps, TakeIntegers(reader, "optimizer.steps", std::ssize(trained)));
  for (size_t i = 0; i < trained.size(); ++i) {
    const at::Tensor& parameter = trained[i].tensor;
    const auto take = [&](const std::string& suffix) -> StatusOr<at::Tensor> {
      LWQ_ASSIGN_OR_RETURN(const HostTensor tensor,
                           reader.Take(trained[i].name + suffix, DType::kF32, parameter.sizes().vec()));
      return ToTensor(tensor, at::kFloat, parameter.device());
    };
    LWQ_ASSIGN_OR_RETURN(const at::Tensor values, take(""));
    parameter.copy_(values);
    if (steps[i] == 0) continue;
    if (steps[i] < 0) return NotOfThisTraining("optimizer.steps");
    AdamW::ParameterState moments{.exp_avg = {}, .exp_avg_sq = {}, .steps = steps[i]};
    LWQ_ASSIGN_OR_RETURN(moments.exp_avg, take(".exp_avg"));
    LWQ_ASSIGN_OR_RETURN(moments.exp_avg_sq, take(".exp_avg_sq"));
    trainer.optimizer().SetState(i, std::move(moments));
  }
  return absl::OkStatus();
}

StatusOr<BlockState> TakeBlock(CheckpointReader& reader, const std::string& name) {
  LWQ_ASSIGN_OR_RETURN(const HostTensor file, reader.Take(name, DType::kU8));
  return ParseBlock(file.bytes, absl::StrCat("the checkpoint's ", name));
}

Status RestoreBest(CheckpointReader& reader, int64_t blocks, bool with_latent, BestKeeper& best) {
  if (blocks == 0) return absl::OkStatus();
  std::vector<TrainedBlock> state;
  for (size_t i = 0; i < static_cast<size_t>(blocks); ++i) {
    TrainedBlock& block = state.emplace_back();
    LWQ_ASSIGN_OR_RETURN(block.block, TakeBlock(reader, BestName(i)));
    if (!with_latent) continue;
    LWQ_ASSIGN_OR_RETURN(block.latent, TakeBlock(reader, BestName(i) + ".latent"));
  }
  best.Restore(best.loss(), std::move(state));
  return absl::OkStatus();
}

}  // namespace

Status SaveTraining(const TrainingState& state, CheckpointWriter& writer) {
  LWQ_RETURN_IF_ERROR(SaveProgress(state, writer));
  LWQ_RETURN_IF_ERROR(SaveParameters(state.trainer, writer));
  return SaveBest(state, writer);
}

Status RestoreTraining(CheckpointReader& reader, const TrainPlan& plan, const TrainOptions& options,
                       TrainingState& state) {
  LWQ_ASSIGN_OR_RETURN(const int64_t best_blocks, RestoreProgress(reader, plan, state));
  if ((best_blocks > 0) != (options.keep_best && plan.val_samples > 0)) {
    return NotOfThisTraining("whether the best state is kept");
  }
  LWQ_RETURN_IF_ERROR(RestoreParameters(reader, state.trainer));
  LWQ_RETURN_IF_ERROR(RestoreBest(reader, best_blocks, options.keep_latent, state.best));
  return reader.CheckAllTaken();
}

}  // namespace lwq::qat
