// SPDX-License-Identifier: Apache-2.0
// The losses of a shard of a text's windows, by the model with the given block checkpoints or by the model as it is.
#include "common/task/task_params.h"
#include "worker/qat/api/block_ops.h"
#include "worker/tasks/task.h"
#include "worker/tasks/text_shard.h"

namespace lwq::worker {

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kEvaluatePpl>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const EvaluatePplParams params, EvaluatePplParams::FromJson(task.params));
  LWQ_ASSIGN_OR_RETURN(const TextShard shard,
                       TextShard::Open(task, context, params.micro_batch, params.shard, params.shards));
  WindowLosses measured{.seqlen = shard.seqlen(), .losses = {}};
  if (shard.windows() > 0) {
    LWQ_ASSIGN_OR_RETURN(const EvaluatedModel model, OpenEvaluatedModel(task, context));
    SampleRange tokens = shard.tokens();
    LWQ_ASSIGN_OR_RETURN(measured.losses, qat::MeasureWindowLosses(model.config(), model.head, model.load_block, tokens,
                                                                   PassOptions(context, params.micro_batch),
                                                                   context.progress, *context.cancel));
    LWQ_RETURN_IF_ERROR(shard.CheckFinite(measured.losses));
  }
  TaskOutcome outcome;
  LWQ_ASSIGN_OR_RETURN(outcome.result.outputs["losses"], PublishWindowLosses(*context.store, measured));
  outcome.result.metrics = shard.Metrics();
  return outcome;
}

}  // namespace lwq::worker
