// SPDX-License-Identifier: Apache-2.0
// The divergences of all windows of a text, shard by shard → KL divergence and top-1 agreement.
#include <cmath>

#include "absl/strings/str_cat.h"
#include "common/task/measured.h"
#include "common/task/task_params.h"
#include "worker/tasks/task.h"
#include "worker/tasks/window_divergences.h"

namespace lwq::worker {

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kReduceKl>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const ReduceKlParams params, ReduceKlParams::FromJson(task.params));
  WindowDivergences all;
  for (int64_t shard = 0; shard < params.shards; ++shard) {
    LWQ_RETURN_IF_ERROR(CheckCancelled(*context.cancel));
    LWQ_ASSIGN_OR_RETURN(const ArtifactRef ref, InputOf(task, absl::StrCat("divergences.", shard)));
    LWQ_ASSIGN_OR_RETURN(const WindowDivergences part, LoadWindowDivergences(*context.blobs, ref));
    if (shard > 0 && part.seqlen != all.seqlen) {
      return absl::InvalidArgumentError(
          absl::StrCat("shard ", shard, " has windows of ", part.seqlen, " tokens, those before of ", all.seqlen));
    }
    all.seqlen = part.seqlen;
    all.windows.insert(all.windows.end(), part.windows.begin(), part.windows.end());
  }
  if (all.windows.empty()) return absl::InvalidArgumentError("there are no divergences to make a mean of");
  const std::vector<Measured> measured = MeasuresOf(all);
  if (!std::isfinite(measured.front().value)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the KL divergences of ", all.windows.size(), " windows add up to no number: they have no mean"));
  }
  TaskOutcome outcome;
  outcome.result.metrics = Json{{"measured", MeasuredMetrics(measured)}, {"windows", all.windows.size()}};
  return outcome;
}

}  // namespace lwq::worker
