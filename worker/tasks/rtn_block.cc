// SPDX-License-Identifier: Apache-2.0
// Round-to-nearest of one block: no activations, no training.
#include "common/export/block_checkpoint.h"
#include "common/task/task_params.h"
#include "worker/qat/api/block_ops.h"
#include "worker/tasks/model_inputs.h"
#include "worker/tasks/task.h"

namespace lwq::worker {

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kRtnBlock>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const RtnBlockParams params, RtnBlockParams::FromJson(task.params));
  LWQ_ASSIGN_OR_RETURN(const auto model, ModelInput::Open(task, context));
  LWQ_ASSIGN_OR_RETURN(const qat::BlockState block, model->Block(params.block));
  LWQ_RETURN_IF_ERROR(CheckCancelled(*context.cancel));
  const qat::RtnOptions options{.bits = params.bits,
                                .group_size = params.group_size,
                                .range_contains_zero = params.range_contains_zero,
                                .fp16_scales = params.fp16_scales,
                                .zero_points = ZeroPointsOf(params)};
  LWQ_ASSIGN_OR_RETURN(const qat::BlockState quantized, qat::QuantizeRtn(model->config(), block, options));
  LWQ_RETURN_IF_ERROR(CheckCancelled(*context.cancel));
  TaskOutcome outcome;
  LWQ_ASSIGN_OR_RETURN(outcome.result.outputs["block"], qat::PublishBlock(*context.store, quantized));
  return outcome;
}

}  // namespace lwq::worker
