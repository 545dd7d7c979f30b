// SPDX-License-Identifier: Apache-2.0
// The losses of a shard of a text's windows by the model with the given block checkpoints, and how far its next-token
// distributions are from those of the reference, whose hidden states come in.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "common/task/task_params.h"
#include "worker/qat/api/divergence.h"
#include "worker/tasks/task.h"
#include "worker/tasks/text_shard.h"
#include "worker/tasks/window_divergences.h"

namespace lwq::worker {
namespace {

StatusOr<qat::ComparedWindows> Compare(const Task& task, const TaskContext& context, const TextShard& shard,
                                       int64_t micro_batch) {
  LWQ_ASSIGN_OR_RETURN(const ArtifactRef hidden, InputOf(task, "reference"));
  LWQ_ASSIGN_OR_RETURN(const auto reference, SampleSetReader::Open(context.blobs, hidden));
  LWQ_ASSIGN_OR_RETURN(const EvaluatedModel model, OpenEvaluatedModel(task, context));
  SampleRange tokens = shard.tokens();
  LWQ_ASSIGN_OR_RETURN(qat::ComparedWindows compared,
                       qat::CompareWithReference(model.config(), model.head, model.load_block, tokens, *reference,
                                                 PassOptions(context, micro_batch), context.progress, *context.cancel));
  LWQ_RETURN_IF_ERROR(shard.CheckFinite(compared.losses));
  const auto bad = std::find_if(compared.divergences.begin(), compared.divergences.end(), [](const auto& window) {
    return !std::isfinite(window.sum) || !std::isfinite(window.square_sum);
  });
  if (bad == compared.divergences.end()) return compared;
  return absl::FailedPreconditionError(absl::StrCat("the KL divergence of window ",
                                                    shard.first() + (bad - compared.divergences.begin()), " is ",
                                                    bad->sum, ": the logits of one of the models are not finite"));
}

}  // namespace

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kEvaluateKl>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const EvaluateKlParams params, EvaluateKlParams::FromJson(task.params));
  LWQ_ASSIGN_OR_RETURN(const TextShard shard,
                       TextShard::Open(task, context, params.micro_batch, params.shard, params.shards));
  qat::ComparedWindows compared;
  if (shard.windows() > 0) {
    LWQ_ASSIGN_OR_RETURN(compared, Compare(task, context, shard, params.micro_batch));
  }
  TaskOutcome outcome;
  LWQ_ASSIGN_OR_RETURN(outcome.result.outputs["losses"],
                       PublishWindowLosses(*context.store, {shard.seqlen(), std::move(compared.losses)}));
  LWQ_ASSIGN_OR_RETURN(outcome.result.outputs["divergences"],
                       PublishWindowDivergences(*context.store, {shard.seqlen(), std::move(compared.divergences)}));
  outcome.result.metrics = shard.Metrics();
  return outcome;
}

}  // namespace lwq::worker
