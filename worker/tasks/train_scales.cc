// SPDX-License-Identifier: Apache-2.0
// A segment of E2E-QP: some optimizer steps of all blocks' scales, from the checkpoints or from where another worker
// stopped.
#include "worker/qat/api/train_scales.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/artifact/samples.h"
#include "common/export/block_checkpoint.h"
#include "common/export/model_blocks.h"
#include "common/task/task_outputs.h"
#include "common/task/task_params.h"
#include "worker/tasks/model_inputs.h"
#include "worker/tasks/number_or_null.h"
#include "worker/tasks/scale_state.h"
#include "worker/tasks/task.h"

namespace lwq::worker {
namespace {

qat::TrainScalesOptions OptionsFrom(const TrainScalesParams& params, const Task& task, const TaskContext& context) {
  return {.steps = params.steps,
          .total_steps = params.total_steps,
          .batch_size = params.batch_size,
          .lr = params.lr,
          .lr_halvings = task.lr_halvings,
          .warmup_ratio = params.warmup_ratio,
          .clip_grad = params.clip_grad,
          .fp16_scales = params.fp16_scales,
          .validates_first = params.first_step == 0,
          .execution = context.execution,
          .scratch_directory = context.scratch_directory};
}

StatusOr<std::vector<qat::BlockState>> BlocksOf(const TrainScalesParams& params, const Task& task,
                                                const TaskContext& context, const LlamaConfig& config) {
  if (params.blocks != config.num_hidden_layers) {
    return absl::InvalidArgumentError(
        absl::StrCat("train_scales of ", params.blocks, " blocks: the model has ", config.num_hidden_layers));
  }
  std::vector<qat::BlockState> blocks;
  for (int64_t k = 0; k < params.blocks; ++k) {
    LWQ_RETURN_IF_ERROR(CheckCancelled(*context.cancel));
    LWQ_ASSIGN_OR_RETURN(const ArtifactRef ref, InputOf(task, absl::StrCat("block.", k)));
    LWQ_ASSIGN_OR_RETURN(qat::BlockState block, qat::LoadBlockCheckpoint(*context.blobs, ref));
    blocks.push_back(std::move(block));
  }
  return blocks;
}

StatusOr<qat::ScaleState> StartOf(const TrainScalesParams& params, const Task& task, const TaskContext& context,
                                  const LlamaConfig& config, const std::vector<qat::BlockState>& blocks) {
  if (params.first_step == 0) return qat::InitialScaleState(config, blocks);
  LWQ_ASSIGN_OR_RETURN(const ArtifactRef ref, InputOf(task, "state"));
  LWQ_ASSIGN_OR_RETURN(qat::ScaleState state, LoadScaleState(*context.blobs, ref));
  if (state.steps == params.first_step) return state;
  return absl::InvalidArgumentError(absl::StrCat("train_scales from step ", params.first_step,
                                                 " on was given a state after ", state.steps, " steps"));
}

Json MetricsOf(const TrainScalesParams& params, const Task& task, const qat::TrainScalesOutcome& outcome) {
  return Json{{"first_step", params.first_step},
              {"steps", params.steps},
              {"train_losses", outcome.train_losses},
              {"grad_norms", outcome.grad_norms},
              {"lr", std::ldexp(params.lr, -task.lr_halvings)},
              {"initial_val_loss", NumberOrNull(outcome.initial_val_loss)},
              {"final_val_loss", NumberOrNull(outcome.final_val_loss)}};
}

}  // namespace

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kTrainScales>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const TrainScalesParams params, TrainScalesParams::FromJson(task.params));
  LWQ_ASSIGN_OR_RETURN(const auto model, ModelInput::Open(task, context));
  LWQ_ASSIGN_OR_RETURN(const ArtifactRef tokens_ref, InputOf(task, "tokens"));
  LWQ_ASSIGN_OR_RETURN(const auto train_tokens, SampleSetReader::Open(context.blobs, tokens_ref));
  LWQ_ASSIGN_OR_RETURN(const auto val_tokens, SampleSetReader::Open(context.blobs, tokens_ref));
  SampleRange train(train_tokens.get(), 0, params.train_size);
  SampleRange validation(val_tokens.get(), params.train_size, params.val_size);
  LWQ_ASSIGN_OR_RETURN(const auto blocks, BlocksOf(params, task, context, model->config()));
  LWQ_ASSIGN_OR_RETURN(const auto start, StartOf(params, task, context, model->config(), blocks));
  LWQ_ASSIGN_OR_RETURN(const qat::HeadWeights head, qat::LoadHead(model->tensors(), model->config()));
  LWQ_ASSIGN_OR_RETURN(const qat::TrainScalesOutcome trained,
                       qat::TrainScales(model->config(), head, blocks, start, train, validation,
                                        OptionsFrom(params, task, context), context.progress, *context.cancel));
  TaskOutcome outcome;
  if (trained.diverged.has_value()) {
    outcome.diverged = Diverged{
        absl::StrFormat("training of scales diverged: step %d of %d, e2e_lr %g, loss %g, gradient norm %g",
                        trained.diverged->step + 1, params.total_steps, std::ldexp(params.lr, -task.lr_halvings),
                        trained.diverged->loss, trained.diverged->grad_norm)};
    return outcome;
  }
  if (params.is_last()) {
    LWQ_ASSIGN_OR_RETURN(const auto served, qat::WithTrainedScales(blocks, trained.state, params.fp16_scales));
    for (int64_t k = 0; k < params.blocks; ++k) {
      LWQ_ASSIGN_OR_RETURN(outcome.result.outputs[UnitRole("block", k)],
                           qat::PublishBlock(*context.store, served[static_cast<size_t>(k)]));
    }
  } else {
    LWQ_ASSIGN_OR_RETURN(outcome.result.outputs["state"], PublishScaleState(*context.store, trained.state));
  }
  outcome.result.metrics = MetricsOf(params, task, trained);
  return outcome;
}

}  // namespace lwq::worker
