// Block-AP of one block: what the coordinator planned, on the activations it names.
#include "worker/qat/api/train_block.h"

#include "absl/strings/str_format.h"
#include "common/artifact/samples.h"
#include "common/task/task_params.h"
#include "worker/qat/pack/block_checkpoint.h"
#include "worker/tasks/model_inputs.h"
#include "worker/tasks/task.h"

namespace lwq::worker {
namespace {

StatusOr<qat::TrainOptions> OptionsFrom(const TrainBlockParams& params, const Task& task, const TaskContext& context) {
  qat::TrainOptions options;
  options.bits = params.bits;
  options.group_size = params.group_size;
  options.epochs = params.epochs;
  options.batch_size = params.batch_size;
  options.gradient_accumulation_steps = params.gradient_accumulation_steps;
  options.quant_lr = params.quant_lr;
  options.zp_lr = params.zp_lr;
  options.weight_lr = params.weight_lr;
  options.min_lr_factor = params.min_lr_factor;
  options.wd = params.wd;
  options.early_stop = params.early_stop;
  options.early_stop_resets = params.early_stop_resets;
  options.keep_best = params.keep_best;
  options.fp16_scales = params.fp16_scales;
  options.range_contains_zero = params.range_contains_zero;
  if (params.lr_schedule == "chained_cosine") {
    options.lr_schedule = qat::LrSchedule::kChainedCosine;
  } else if (params.lr_schedule == "cosine") {
    options.lr_schedule = qat::LrSchedule::kCosine;
  } else {
    return absl::InvalidArgumentError(absl::StrCat("lr_schedule '", params.lr_schedule, "' is unknown"));
  }
  options.lr_halvings = task.lr_halvings;
  options.keep_latent = params.keep_latent;
  options.execution = context.execution;
  return options;
}

// NaN (no validation samples) has no JSON form.
Json Loss(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

Json MetricsOf(const qat::TrainOutcome& outcome) {
  Json epochs = Json::array();
  for (const qat::EpochStats& epoch : outcome.epochs) {
    epochs.push_back({{"epoch", epoch.epoch},
                      {"step", epoch.step},
                      {"train_loss", Loss(epoch.train_loss)},
                      {"val_loss", Loss(epoch.val_loss)},
                      {"seconds", epoch.seconds}});
  }
  return Json{{"initial_val_loss", Loss(outcome.initial_val_loss)},
              {"best_val_loss", Loss(outcome.best_val_loss)},
              {"final_val_loss", Loss(outcome.final_val_loss)},
              {"epochs_trained", outcome.epochs_trained},
              {"steps", outcome.steps},
              {"stopped_early", outcome.stopped_early},
              {"zero_point_flips", outcome.zero_point_flips},
              {"zero_points", outcome.zero_points},
              {"epochs", std::move(epochs)}};
}

// What the training starts from: the model's block, or what an earlier training left.
struct Beginning {
  qat::BlockState block;
  std::optional<qat::BlockState> start;
};

StatusOr<Beginning> BeginningOf(const TrainBlockParams& params, const Task& task, const TaskContext& context,
                                ModelInput& model) {
  Beginning beginning;
  if (!task.inputs.contains("start")) {
    LWQ_ASSIGN_OR_RETURN(beginning.block, model.Block(params.block));
    return beginning;
  }
  LWQ_ASSIGN_OR_RETURN(const ArtifactRef start, InputOf(task, "start"));
  LWQ_ASSIGN_OR_RETURN(const ArtifactRef latent, InputOf(task, "latent"));
  LWQ_ASSIGN_OR_RETURN(beginning.start, qat::LoadBlockCheckpoint(*context.blobs, start));
  LWQ_ASSIGN_OR_RETURN(beginning.block, qat::LoadBlockCheckpoint(*context.blobs, latent));
  return beginning;
}

}  // namespace

StatusOr<TaskOutcome> ExecuteTrainBlock(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const TrainBlockParams params, TrainBlockParams::FromJson(task.params));
  LWQ_ASSIGN_OR_RETURN(const qat::TrainOptions options, OptionsFrom(params, task, context));
  LWQ_ASSIGN_OR_RETURN(const auto model, ModelInput::Open(task, context));
  LWQ_ASSIGN_OR_RETURN(const ArtifactRef inputs_ref, InputOf(task, "inputs"));
  LWQ_ASSIGN_OR_RETURN(const ArtifactRef targets_ref, InputOf(task, "targets"));
  // Training and validation alternate between two places of the set: a reader each, so that neither loses its chunks.
  LWQ_ASSIGN_OR_RETURN(const auto train_inputs, SampleSetReader::Open(context.blobs, inputs_ref));
  LWQ_ASSIGN_OR_RETURN(const auto train_targets, SampleSetReader::Open(context.blobs, targets_ref));
  LWQ_ASSIGN_OR_RETURN(const auto val_inputs, SampleSetReader::Open(context.blobs, inputs_ref));
  LWQ_ASSIGN_OR_RETURN(const auto val_targets, SampleSetReader::Open(context.blobs, targets_ref));
  SampleRange train_in(train_inputs.get(), 0, params.train_size);
  SampleRange train_target(train_targets.get(), 0, params.train_size);
  SampleRange val_in(val_inputs.get(), params.train_size, params.val_size);
  SampleRange val_target(val_targets.get(), params.train_size, params.val_size);

  LWQ_ASSIGN_OR_RETURN(const Beginning beginning, BeginningOf(params, task, context, *model));
  const qat::TrainInputs inputs{&train_in, &train_target, &val_in, &val_target,
                                beginning.start.has_value() ? &*beginning.start : nullptr};
  LWQ_ASSIGN_OR_RETURN(const qat::TrainOutcome trained, qat::TrainBlock(model->config(), beginning.block, inputs,
                                                                        options, context.progress, *context.cancel));
  TaskOutcome outcome;
  if (trained.diverged.has_value()) {
    outcome.diverged = Diverged{absl::StrFormat(
        "training diverged: block %d, epoch %.2f, step %d, %d bits, quant_lr %g, weight_lr %g, loss %g", params.block,
        trained.diverged->epoch, trained.diverged->step, params.bits, params.quant_lr / (1 << task.lr_halvings),
        params.weight_lr / (1 << task.lr_halvings), trained.diverged->loss)};
    return outcome;
  }
  LWQ_ASSIGN_OR_RETURN(outcome.result.outputs["block"], qat::PublishBlock(*context.store, trained.block));
  if (params.keep_latent) {
    LWQ_ASSIGN_OR_RETURN(outcome.result.outputs["latent"], qat::PublishBlock(*context.store, trained.latent));
  }
  outcome.result.metrics = MetricsOf(trained);
  return outcome;
}

}  // namespace lwq::worker
