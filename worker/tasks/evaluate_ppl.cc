// SPDX-License-Identifier: Apache-2.0
// The losses of a shard of a text's windows, by the model with the given block checkpoints or by the model as it is.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "common/artifact/samples.h"
#include "common/export/model_blocks.h"
#include "common/task/task_params.h"
#include "worker/qat/api/block_ops.h"
#include "worker/tasks/model_inputs.h"
#include "worker/tasks/task.h"
#include "worker/tasks/window_losses.h"

namespace lwq::worker {
namespace {

// A model that a recipe has broken still has losses, however large. One that is no number says nothing.
Status CheckFiniteLosses(const std::vector<double>& losses, int64_t first_window) {
  const auto bad = std::find_if(losses.begin(), losses.end(), [](double loss) { return !std::isfinite(loss); });
  if (bad == losses.end()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the loss of window ", first_window + (bad - losses.begin()), " is ", *bad,
                   ": the model's weights or activations are not finite, so it has no perplexity"));
}

Status CheckParams(const EvaluatePplParams& params) {
  if (params.micro_batch >= 1 && params.shard >= 0 && params.shard < params.shards) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("evaluate_ppl of shard ", params.shard, " of ", params.shards,
                                                 " with micro_batch ", params.micro_batch, " does not exist"));
}

}  // namespace

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kEvaluatePpl>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const EvaluatePplParams params, EvaluatePplParams::FromJson(task.params));
  LWQ_RETURN_IF_ERROR(CheckParams(params));
  LWQ_ASSIGN_OR_RETURN(const ArtifactRef tokens_ref, InputOf(task, "tokens"));
  LWQ_ASSIGN_OR_RETURN(const auto tokens, SampleSetReader::Open(context.blobs, tokens_ref));
  if (tokens->samples() == 0 || tokens->sample_shape().size() != 1) {
    return absl::InvalidArgumentError("there are no token windows to measure perplexity on");
  }
  const WindowRange range = WindowsOfShard(tokens->samples(), params.micro_batch, params.shard, params.shards);
  WindowLosses measured{.seqlen = tokens->sample_shape()[0], .losses = {}};
  if (range.count > 0) {
    LWQ_ASSIGN_OR_RETURN(const auto model, ModelInput::Open(task, context));
    LWQ_ASSIGN_OR_RETURN(const qat::HeadWeights head, qat::LoadHead(model->tensors(), model->config()));
    const qat::PerplexityOptions options{.micro_batch = params.micro_batch,
                                         .execution = context.execution,
                                         .scratch_directory = context.scratch_directory};
    const auto load_block = [&model](int64_t block) { return model->CurrentBlock(block); };
    SampleRange shard(tokens.get(), range.first, range.count);
    LWQ_ASSIGN_OR_RETURN(measured.losses, qat::MeasureWindowLosses(model->config(), head, load_block, shard, options,
                                                                   context.progress, *context.cancel));
    LWQ_RETURN_IF_ERROR(CheckFiniteLosses(measured.losses, range.first));
  }
  TaskOutcome outcome;
  LWQ_ASSIGN_OR_RETURN(outcome.result.outputs["losses"], PublishWindowLosses(*context.store, measured));
  outcome.result.metrics = Json{{"first_window", range.first}, {"windows", range.count}};
  return outcome;
}

}  // namespace lwq::worker
