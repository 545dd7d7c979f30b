// SPDX-License-Identifier: Apache-2.0
// Block-AP of a block, or of a unit of consecutive blocks: what the coordinator planned, on the activations it names.
#include "worker/qat/api/train_block.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/export/block_checkpoint.h"
#include "common/task/task_outputs.h"
#include "common/task/task_params.h"
#include "worker/tasks/model_inputs.h"
#include "worker/tasks/number_or_null.h"
#include "worker/tasks/task.h"
#include "worker/tasks/training_samples.h"

namespace lwq::worker {
namespace {

qat::TrainOptions OptionsFrom(const TrainBlockParams& params, const Task& task, const TaskContext& context) {
  qat::TrainOptions options;
  static_cast<TrainSettings&>(options) = params;
  options.bits = params.bits;
  options.group_size = params.group_size;
  options.rest = params.rest;
  options.lr_halvings = task.lr_halvings;
  options.keep_latent = params.keep_latent;
  options.execution = context.execution;
  return options;
}

// "block 3", or "blocks 3 to 5" of a unit.
std::string BlocksOf(const TrainBlockParams& params) {
  if (params.rest.empty()) return absl::StrCat("block ", params.block);
  return absl::StrCat("blocks ", params.block, " to ", params.block + static_cast<int64_t>(params.rest.size()));
}

Status CheckUnit(const TrainBlockParams& params, const LlamaConfig& config) {
  const int64_t blocks = 1 + static_cast<int64_t>(params.rest.size());
  if (params.block >= 0 && params.block + blocks <= config.num_hidden_layers) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("train_block of ", BlocksOf(params), ": the model has blocks 0 to ", config.num_hidden_layers - 1));
}

Json BlockMetricsOf(const TrainBlockParams& params, const qat::TrainOptions& options,
                    const qat::TrainOutcome& outcome) {
  const std::vector<QuantChoice> choices = qat::UnitChoices(options);
  Json blocks = Json::array();
  for (size_t i = 0; i < choices.size(); ++i) {
    blocks.push_back({{"layer_idx", params.block + static_cast<int64_t>(i)},
                      {"bits", choices[i].bits},
                      {"group_size", choices[i].group_size},
                      {"zero_point_flips", outcome.blocks[i].zero_point_flips},
                      {"zero_points", outcome.blocks[i].zero_points}});
  }
  return blocks;
}

// Learning rates are those that were used: after halvings.
Json MetricsOf(const TrainBlockParams& params, const qat::TrainOptions& options, const qat::TrainOutcome& outcome) {
  Json epochs = Json::array();
  for (const qat::EpochStats& epoch : outcome.epochs) {
    epochs.push_back({{"epoch", epoch.epoch},
                      {"step", epoch.step},
                      {"train_loss", NumberOrNull(epoch.train_loss)},
                      {"val_loss", NumberOrNull(epoch.val_loss)},
                      {"seconds", epoch.seconds}});
  }
  return Json{{"initial_val_loss", NumberOrNull(outcome.initial_val_loss)},
              {"best_val_loss", NumberOrNull(outcome.best_val_loss)},
              {"final_val_loss", NumberOrNull(outcome.final_val_loss)},
              {"epochs_planned", params.epochs},
              {"epochs_trained", outcome.epochs_trained},
              {"steps", outcome.steps},
              {"stopped_early", outcome.stopped_early},
              {"activations", outcome.activations == qat::Activations::kKept ? "kept" : "recomputed"},
              {"zero_point_flips", outcome.zero_point_flips},
              {"zero_points", outcome.zero_points},
              {"epochs", std::move(epochs)},
              {"bits", params.bits},
              {"group_size", params.group_size},
              {"quant_lr", std::ldexp(params.quant_lr, -options.lr_halvings)},
              {"weight_lr", std::ldexp(params.weight_lr, -options.lr_halvings)},
              {"blocks", BlockMetricsOf(params, options, outcome)}};
}

// What the training starts from: the model's blocks, or what an earlier training left.
struct Beginning {
  std::vector<qat::BlockState> unit;
  std::vector<qat::BlockState> start;  // empty, or as many
};

StatusOr<Beginning> BeginningOf(const TrainBlockParams& params, const Task& task, const TaskContext& context,
                                ModelInput& model) {
  const bool goes_on = task.inputs.contains("start");
  Beginning beginning;
  for (size_t i = 0; i <= params.rest.size(); ++i) {
    if (!goes_on) {
      LWQ_ASSIGN_OR_RETURN(qat::BlockState block, model.Block(params.block + static_cast<int64_t>(i)));
      beginning.unit.push_back(std::move(block));
      continue;
    }
    LWQ_ASSIGN_OR_RETURN(const ArtifactRef start_ref, InputOf(task, UnitRole("start", static_cast<int64_t>(i))));
    LWQ_ASSIGN_OR_RETURN(const ArtifactRef latent_ref, InputOf(task, UnitRole("latent", static_cast<int64_t>(i))));
    LWQ_ASSIGN_OR_RETURN(qat::BlockState start, qat::LoadBlockCheckpoint(*context.blobs, start_ref));
    LWQ_ASSIGN_OR_RETURN(qat::BlockState latent, qat::LoadBlockCheckpoint(*context.blobs, latent_ref));
    beginning.start.push_back(std::move(start));
    beginning.unit.push_back(std::move(latent));
  }
  return beginning;
}

}  // namespace

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kTrainBlock>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const TrainBlockParams params, TrainBlockParams::FromJson(task.params));
  const qat::TrainOptions options = OptionsFrom(params, task, context);
  LWQ_ASSIGN_OR_RETURN(const auto model, ModelInput::Open(task, context));
  LWQ_RETURN_IF_ERROR(CheckUnit(params, model->config()));
  LWQ_ASSIGN_OR_RETURN(const auto samples, TrainingSamples::Open(task, context, params.train_size, params.val_size));
  LWQ_ASSIGN_OR_RETURN(const Beginning beginning, BeginningOf(params, task, context, *model));
  qat::TrainInputs inputs = samples->inputs();
  inputs.start = beginning.start;
  LWQ_ASSIGN_OR_RETURN(const qat::TrainOutcome trained,
                       qat::TrainBlock(model->config(), beginning.unit, inputs, options, context.progress,
                                       *context.cancel, context.checkpoints, context.learnt));
  TaskOutcome outcome;
  if (trained.diverged.has_value()) {
    outcome.diverged = Diverged{absl::StrFormat(
        "training diverged: %s, epoch %.2f, step %d, %d bits, quant_lr %g, weight_lr %g, loss %g", BlocksOf(params),
        trained.diverged->epoch, trained.diverged->step, params.bits, params.quant_lr / (1 << task.lr_halvings),
        params.weight_lr / (1 << task.lr_halvings), trained.diverged->loss)};
    return outcome;
  }
  for (size_t i = 0; i < trained.blocks.size(); ++i) {
    const qat::TrainedBlock& block = trained.blocks[i];
    LWQ_ASSIGN_OR_RETURN(outcome.result.outputs[UnitRole("block", static_cast<int64_t>(i))],
                         qat::PublishBlock(*context.store, block.block));
    if (!params.keep_latent) continue;
    LWQ_ASSIGN_OR_RETURN(outcome.result.outputs[UnitRole("latent", static_cast<int64_t>(i))],
                         qat::PublishBlock(*context.store, block.latent));
  }
  outcome.result.metrics = MetricsOf(params, options, trained);
  return outcome;
}

}  // namespace lwq::worker
