// SPDX-License-Identifier: Apache-2.0
// How far round-to-nearest moves a block's weights: no activations.
#include "common/task/task_params.h"
#include "worker/qat/api/sensitivity.h"
#include "worker/tasks/model_inputs.h"
#include "worker/tasks/sensitivity_inputs.h"
#include "worker/tasks/task.h"

namespace lwq::worker {

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kWeightError>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const WeightErrorParams params, WeightErrorParams::FromJson(task.params));
  LWQ_ASSIGN_OR_RETURN(const auto model, ModelInput::Open(task, context));
  LWQ_ASSIGN_OR_RETURN(const qat::BlockState block, model->Block(params.block));
  LWQ_RETURN_IF_ERROR(CheckCancelled(*context.cancel));
  LWQ_ASSIGN_OR_RETURN(const std::vector<double> errors, qat::WeightErrors(model->config(), block, RtnChoices(params)));
  TaskOutcome outcome;
  LWQ_ASSIGN_OR_RETURN(outcome.result.metrics["squared_errors"], FiniteNumbers(errors, "squared_errors"));
  return outcome;
}

}  // namespace lwq::worker
