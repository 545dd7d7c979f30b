// SPDX-License-Identifier: Apache-2.0
// Boundary activations and gradients of a shard → the curvature along one probe.
#include "absl/strings/str_cat.h"
#include "common/export/model_blocks.h"
#include "common/task/task_params.h"
#include "worker/qat/api/sensitivity.h"
#include "worker/tasks/model_inputs.h"
#include "worker/tasks/sensitivity_inputs.h"
#include "worker/tasks/task.h"

namespace lwq::worker {

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kHessian>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const HessianParams params, HessianParams::FromJson(task.params));
  LWQ_ASSIGN_OR_RETURN(const auto model, ModelInput::Open(task, context));
  LWQ_ASSIGN_OR_RETURN(const auto tokens, OpenShard(task, context, "tokens", params.first_sample, params.samples));
  LWQ_ASSIGN_OR_RETURN(const qat::HeadWeights head, qat::LoadHead(model->tensors(), model->config()));
  const qat::HessianProbe probe{
      .first_block = params.first_block, .blocks = params.blocks, .vector = [&](int64_t block, LinearKind kind) {
        return qat::RademacherVector(model->config(), params.seed, params.probe, block, kind);
      }};
  const qat::HessianInputs inputs{
      .head = &head,
      .load_block = [&](int64_t block) { return model->CurrentBlock(block); },
      .activations =
          [&](int64_t boundary) {
            return OpenShard(task, context, absl::StrCat("activations.", boundary), params.first_sample,
                             params.samples);
          },
      .gradients = [&](int64_t boundary) { return OpenSet(task, context, absl::StrCat("gradients.", boundary)); },
      .tokens = tokens.get()};
  const qat::SensitivityOptions options{.execution = context.execution, .scratch_directory = context.scratch_directory};
  LWQ_ASSIGN_OR_RETURN(
      const std::vector<double> curvatures,
      qat::HessianCurvatures(model->config(), probe, inputs, options, context.progress, *context.cancel));
  TaskOutcome outcome;
  LWQ_ASSIGN_OR_RETURN(outcome.result.metrics["curvatures"], FiniteNumbers(curvatures, "curvatures"));
  return outcome;
}

}  // namespace lwq::worker
