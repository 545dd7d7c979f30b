// SPDX-License-Identifier: Apache-2.0
// SignRound or OmniQuant of one block: A(k), its full-precision output and the model's block → a checkpoint, and the
// weights behind its integers.
#include "worker/qat/api/fit_rounding.h"

#include <utility>

#include "common/export/block_checkpoint.h"
#include "common/recipe/zero_points.h"
#include "common/task/task_params.h"
#include "worker/tasks/model_inputs.h"
#include "worker/tasks/number_or_null.h"
#include "worker/tasks/task.h"
#include "worker/tasks/training_samples.h"

namespace lwq::worker {
namespace {

qat::FitOptions FitOptionsOf(const FitRoundingParams& params, const TaskContext& context) {
  return {.fit = params.fit,
          .bits = params.bits,
          .group_size = params.group_size,
          .steps = params.steps,
          .batch_size = params.batch_size,
          .offset_lr = params.offset_lr,
          .range_lr = params.range_lr,
          .keep_best = params.keep_best,
          .fp16_scales = params.fp16_scales,
          .range_contains_zero = params.range_contains_zero,
          .zero_points = ZeroPointsOf(params),
          .keep_latent = params.keep_latent,
          .execution = context.execution};
}

Json FitMetrics(const FitRoundingParams& params, const qat::FitOutcome& outcome) {
  Json validations = Json::array();
  for (const qat::FitStats& stats : outcome.validations) {
    validations.push_back({{"step", stats.step},
                           {"train_loss", NumberOrNull(stats.train_loss)},
                           {"val_loss", NumberOrNull(stats.val_loss)},
                           {"seconds", stats.seconds}});
  }
  return Json{{"initial_val_loss", NumberOrNull(outcome.initial_val_loss)},
              {"best_val_loss", NumberOrNull(outcome.best_val_loss)},
              {"final_val_loss", NumberOrNull(outcome.final_val_loss)},
              {"steps", params.steps},
              {"validations", std::move(validations)}};
}

}  // namespace

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kFitRounding>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const FitRoundingParams params, FitRoundingParams::FromJson(task.params));
  LWQ_ASSIGN_OR_RETURN(const auto model, ModelInput::Open(task, context));
  LWQ_ASSIGN_OR_RETURN(const auto samples, TrainingSamples::Open(task, context, params.train_size, params.val_size));
  LWQ_ASSIGN_OR_RETURN(const qat::BlockState block, model->Block(params.block));
  LWQ_ASSIGN_OR_RETURN(const qat::FitOutcome fitted,
                       qat::FitRounding(model->config(), block, samples->inputs(), FitOptionsOf(params, context),
                                        context.progress, *context.cancel));
  TaskOutcome outcome;
  LWQ_ASSIGN_OR_RETURN(outcome.result.outputs["block"], qat::PublishBlock(*context.store, fitted.block));
  if (params.keep_latent) {
    LWQ_ASSIGN_OR_RETURN(outcome.result.outputs["latent"], qat::PublishBlock(*context.store, fitted.latent));
  }
  outcome.result.metrics = FitMetrics(params, fitted);
  return outcome;
}

}  // namespace lwq::worker
