// SPDX-License-Identifier: Apache-2.0
// A(k) and G(k + 1) of a shard → how much each choice of bits and groups moves the block's output where the loss feels
// it.
#include "common/task/task_params.h"
#include "worker/qat/api/sensitivity.h"
#include "worker/tasks/model_inputs.h"
#include "worker/tasks/sensitivity_inputs.h"
#include "worker/tasks/task.h"

namespace lwq::worker {

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kOutputFisher>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const OutputFisherParams params, OutputFisherParams::FromJson(task.params));
  LWQ_ASSIGN_OR_RETURN(const auto model, ModelInput::Open(task, context));
  LWQ_ASSIGN_OR_RETURN(const auto activations,
                       OpenShard(task, context, "activations", params.first_sample, params.samples));
  LWQ_ASSIGN_OR_RETURN(const auto gradients, OpenSet(task, context, "gradients"));
  LWQ_ASSIGN_OR_RETURN(const qat::BlockState block, model->TaskBlock(params.block));
  LWQ_ASSIGN_OR_RETURN(const std::vector<BlockMaker> candidates,
                       RtnCandidates(*model, params.block, RtnChoices(params)));
  const qat::SensitivityOptions options{.execution = context.execution, .scratch_directory = context.scratch_directory};
  LWQ_ASSIGN_OR_RETURN(const std::vector<double> sums,
                       qat::OutputFisher(model->config(), block, candidates, *activations, *gradients, options,
                                         context.progress, *context.cancel));
  TaskOutcome outcome;
  LWQ_ASSIGN_OR_RETURN(outcome.result.metrics["sums"], FiniteNumbers(sums, "sums"));
  return outcome;
}

}  // namespace lwq::worker
