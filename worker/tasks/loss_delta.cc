// SPDX-License-Identifier: Apache-2.0
// A(k) of a shard → the losses of the model as it is, and with block k alone replaced by each candidate.
#include "absl/strings/str_cat.h"
#include "common/export/block_checkpoint.h"
#include "common/export/model_blocks.h"
#include "common/task/task_params.h"
#include "worker/qat/api/sensitivity.h"
#include "worker/tasks/model_inputs.h"
#include "worker/tasks/sensitivity_inputs.h"
#include "worker/tasks/task.h"

namespace lwq::worker {

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kLossDelta>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const LossDeltaParams params, LossDeltaParams::FromJson(task.params));
  LWQ_ASSIGN_OR_RETURN(const auto model, ModelInput::Open(task, context));
  LWQ_ASSIGN_OR_RETURN(const auto activations,
                       OpenShard(task, context, "activations", params.first_sample, params.samples));
  LWQ_ASSIGN_OR_RETURN(const auto tokens, OpenShard(task, context, "tokens", params.first_sample, params.samples));
  LWQ_ASSIGN_OR_RETURN(std::vector<BlockMaker> candidates, RtnCandidates(*model, params.block, RtnChoices(params)));
  for (int64_t i = 0; i < params.candidates; ++i) {
    LWQ_ASSIGN_OR_RETURN(const ArtifactRef checkpoint, InputOf(task, absl::StrCat("candidate.", i)));
    candidates.push_back([&context, checkpoint] { return qat::LoadBlockCheckpoint(*context.blobs, checkpoint); });
  }
  LWQ_ASSIGN_OR_RETURN(const qat::HeadWeights head, qat::LoadHead(model->tensors(), model->config()));
  const auto load_block = [&model](int64_t block) { return model->CurrentBlock(block); };
  const qat::SensitivityOptions options{.execution = context.execution, .scratch_directory = context.scratch_directory};
  LWQ_ASSIGN_OR_RETURN(const qat::LossDeltaResult losses,
                       qat::LossDelta(model->config(), head, params.block, load_block, candidates, *activations,
                                      *tokens, options, context.progress, *context.cancel));
  TaskOutcome outcome;
  LWQ_RETURN_IF_ERROR(FiniteNumbers({losses.loss_sum}, "loss_sum").status());
  outcome.result.metrics["loss_sum"] = losses.loss_sum;
  LWQ_ASSIGN_OR_RETURN(outcome.result.metrics["loss_sums"], FiniteNumbers(losses.loss_sums, "loss_sums"));
  return outcome;
}

}  // namespace lwq::worker
