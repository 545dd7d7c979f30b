// SPDX-License-Identifier: Apache-2.0
// The losses of a shard of a text's windows by the full-precision model, and the hidden states that its head reads:
// what every quantized model of it is compared with.
#include "common/task/task_params.h"
#include "worker/qat/api/divergence.h"
#include "worker/tasks/task.h"
#include "worker/tasks/text_shard.h"

namespace lwq::worker {

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kEvaluateReference>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const EvaluateReferenceParams params, EvaluateReferenceParams::FromJson(task.params));
  LWQ_ASSIGN_OR_RETURN(const TextShard shard,
                       TextShard::Open(task, context, params.micro_batch, params.shard, params.shards));
  LWQ_ASSIGN_OR_RETURN(const EvaluatedModel model, OpenEvaluatedModel(task, context));
  const std::vector<int64_t> shape = {shard.seqlen(), model.config().hidden_size};
  SampleSetWriter hidden(context.store, DType::kF32, shape,
                         ChunkSamples(shape[0] * shape[1] * DTypeBytes(DType::kF32), params.micro_batch));
  WindowLosses measured{.seqlen = shard.seqlen(), .losses = {}};
  if (shard.windows() > 0) {
    SampleRange tokens = shard.tokens();
    LWQ_ASSIGN_OR_RETURN(measured.losses, qat::MeasureReference(model.config(), model.head, model.load_block, tokens,
                                                                hidden, PassOptions(context, params.micro_batch),
                                                                context.progress, *context.cancel));
    LWQ_RETURN_IF_ERROR(shard.CheckFinite(measured.losses));
  }
  TaskOutcome outcome;
  LWQ_ASSIGN_OR_RETURN(outcome.result.outputs["losses"], PublishWindowLosses(*context.store, measured));
  LWQ_ASSIGN_OR_RETURN(outcome.result.outputs["hidden"], hidden.Finish());
  outcome.result.metrics = shard.Metrics();
  return outcome;
}

}  // namespace lwq::worker
