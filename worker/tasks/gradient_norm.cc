// SPDX-License-Identifier: Apache-2.0
// Weight gradients summed by shard → the norm of their mean over all samples.
#include "absl/strings/str_cat.h"
#include "common/task/task_params.h"
#include "worker/tasks/gradient_sum.h"
#include "worker/tasks/sensitivity_inputs.h"
#include "worker/tasks/task.h"

namespace lwq::worker {

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kGradientNorm>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const GradientNormParams params, GradientNormParams::FromJson(task.params));
  std::vector<ArtifactRef> shards;
  for (size_t i = 0; i < task.inputs.size(); ++i) {
    LWQ_ASSIGN_OR_RETURN(const ArtifactRef shard, InputOf(task, absl::StrCat("sum.", i)));
    shards.push_back(shard);
  }
  LWQ_ASSIGN_OR_RETURN(const double norm, MeanGradientNorm(*context.blobs, shards, params.samples, *context.cancel));
  LWQ_RETURN_IF_ERROR(FiniteNumbers({norm}, "gradient_norm").status());
  TaskOutcome outcome;
  outcome.result.metrics = Json{{"gradient_norm", norm}};
  return outcome;
}

}  // namespace lwq::worker
