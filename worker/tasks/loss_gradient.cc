// SPDX-License-Identifier: Apache-2.0
// A(n) and the token windows → the loss of every sample of a shard and its gradient with respect to A(n).
#include "common/export/model_blocks.h"
#include "common/task/task_params.h"
#include "worker/qat/api/sensitivity.h"
#include "worker/tasks/model_inputs.h"
#include "worker/tasks/sensitivity_inputs.h"
#include "worker/tasks/task.h"

namespace lwq::worker {

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kLossGradient>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const LossGradientParams params, LossGradientParams::FromJson(task.params));
  LWQ_ASSIGN_OR_RETURN(const auto model, ModelInput::Open(task, context));
  LWQ_ASSIGN_OR_RETURN(const auto activations,
                       OpenShard(task, context, "activations", params.first_sample, params.samples));
  LWQ_ASSIGN_OR_RETURN(const auto tokens, OpenShard(task, context, "tokens", params.first_sample, params.samples));
  LWQ_ASSIGN_OR_RETURN(const auto gradients, NewGradients(context, *activations));
  LWQ_ASSIGN_OR_RETURN(const qat::HeadWeights head, qat::LoadHead(model->tensors(), model->config()));
  const qat::SensitivityOptions options{.execution = context.execution};
  LWQ_ASSIGN_OR_RETURN(const std::vector<double> losses,
                       qat::LossGradient(model->config(), head, *activations, *tokens, *gradients, options,
                                         context.progress, *context.cancel));
  TaskOutcome outcome;
  LWQ_ASSIGN_OR_RETURN(outcome.result.metrics["losses"], FiniteNumbers(losses, "losses"));
  LWQ_ASSIGN_OR_RETURN(outcome.result.outputs["gradients"], gradients->Finish());
  return outcome;
}

}  // namespace lwq::worker
