// SPDX-License-Identifier: Apache-2.0
// A(k) and the state of block k → A(k+1), for the full-precision chain and for the quantized one.
#include "common/artifact/samples.h"
#include "common/task/task_params.h"
#include "worker/qat/api/block_ops.h"
#include "worker/tasks/model_inputs.h"
#include "worker/tasks/task.h"

namespace lwq::worker {

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kAdvance>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const AdvanceParams params, AdvanceParams::FromJson(task.params));
  LWQ_ASSIGN_OR_RETURN(const DType dtype, ParseDType(params.dtype));
  LWQ_ASSIGN_OR_RETURN(const auto model, ModelInput::Open(task, context));
  LWQ_ASSIGN_OR_RETURN(const ArtifactRef activations, InputOf(task, "activations"));
  LWQ_ASSIGN_OR_RETURN(const auto in, SampleSetReader::Open(context.blobs, activations));
  LWQ_ASSIGN_OR_RETURN(const qat::BlockState block, model->TaskBlock(params.block));

  const std::vector<int64_t> shape = in->sample_shape();
  if (shape.size() != 2) return absl::InvalidArgumentError("activations must be [samples, seqlen, hidden]");
  SampleSetWriter writer(context.store, dtype, shape,
                         ChunkSamples(shape[0] * shape[1] * DTypeBytes(dtype), params.micro_batch));
  const qat::AdvanceOptions options{
      .micro_batch = params.micro_batch, .out_dtype = dtype, .execution = context.execution};
  LWQ_RETURN_IF_ERROR(
      qat::AdvanceBlock(model->config(), block, *in, writer, options, context.progress, *context.cancel));
  TaskOutcome outcome;
  LWQ_ASSIGN_OR_RETURN(outcome.result.outputs["activations"], writer.Finish());
  return outcome;
}

}  // namespace lwq::worker
