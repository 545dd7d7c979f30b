// SPDX-License-Identifier: Apache-2.0
// A(k) and G(k + 1) of a shard → G(k) and the weight gradients of block k.
#include "common/task/task_params.h"
#include "worker/qat/api/sensitivity.h"
#include "worker/tasks/gradient_sum.h"
#include "worker/tasks/model_inputs.h"
#include "worker/tasks/sensitivity_inputs.h"
#include "worker/tasks/task.h"

namespace lwq::worker {

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kBackwardBlock>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const BackwardBlockParams params, BackwardBlockParams::FromJson(task.params));
  LWQ_ASSIGN_OR_RETURN(const auto model, ModelInput::Open(task, context));
  LWQ_ASSIGN_OR_RETURN(const auto activations,
                       OpenShard(task, context, "activations", params.first_sample, params.samples));
  LWQ_ASSIGN_OR_RETURN(const auto gradients, OpenSet(task, context, "gradients"));
  std::unique_ptr<SampleSetWriter> out;
  if (params.block > 0) {
    LWQ_ASSIGN_OR_RETURN(out, NewGradients(context, *activations));
  }
  LWQ_ASSIGN_OR_RETURN(const qat::BlockState block, model->TaskBlock(params.block));
  const qat::SensitivityOptions options{.execution = context.execution};
  LWQ_ASSIGN_OR_RETURN(const qat::BlockGradients found,
                       qat::BackwardBlock(model->config(), block, *activations, *gradients, out.get(),
                                          params.sum_gradients, options, context.progress, *context.cancel));
  TaskOutcome outcome;
  LWQ_ASSIGN_OR_RETURN(outcome.result.metrics["squared_gradient_norms"],
                       FiniteNumbers(found.squared_norms, "squared_gradient_norms"));
  if (out != nullptr) {
    LWQ_ASSIGN_OR_RETURN(outcome.result.outputs["gradients"], out->Finish());
  }
  if (params.sum_gradients) {
    LWQ_ASSIGN_OR_RETURN(outcome.result.outputs["gradient_sum"], PublishGradientSum(*context.store, found.sum));
  }
  return outcome;
}

}  // namespace lwq::worker
