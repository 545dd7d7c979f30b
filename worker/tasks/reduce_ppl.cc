// SPDX-License-Identifier: Apache-2.0
// The losses of all windows of a text, shard by shard → its perplexity.
#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/task/measured.h"
#include "common/task/task_params.h"
#include "worker/qat/api/block_ops.h"
#include "worker/tasks/task.h"
#include "worker/tasks/window_losses.h"

namespace lwq::worker {
namespace {

// Beyond double a perplexity counts as the largest one, and nll_sum says how bad the model is.
Json PplMetrics(const qat::PerplexityResult& measured) {
  const Measured perplexity{.metric = kPerplexityMetric,
                            .value = std::min(measured.perplexity, std::numeric_limits<double>::max()),
                            .count = measured.tokens};
  return Json{
      {"measured", MeasuredMetrics({perplexity})}, {"nll_sum", measured.nll_sum}, {"windows", measured.windows}};
}

}  // namespace

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kReducePpl>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const ReducePplParams params, ReducePplParams::FromJson(task.params));
  WindowLosses all;
  for (int64_t shard = 0; shard < params.shards; ++shard) {
    LWQ_RETURN_IF_ERROR(CheckCancelled(*context.cancel));
    LWQ_ASSIGN_OR_RETURN(const ArtifactRef ref, InputOf(task, absl::StrCat("losses.", shard)));
    LWQ_ASSIGN_OR_RETURN(const WindowLosses part, LoadWindowLosses(*context.blobs, ref));
    if (shard > 0 && part.seqlen != all.seqlen) {
      return absl::InvalidArgumentError(
          absl::StrCat("shard ", shard, " has windows of ", part.seqlen, " tokens, those before of ", all.seqlen));
    }
    all.seqlen = part.seqlen;
    all.losses.insert(all.losses.end(), part.losses.begin(), part.losses.end());
  }
  if (all.losses.empty()) return absl::InvalidArgumentError("there are no losses to make a perplexity of");
  const qat::PerplexityResult measured = qat::PerplexityOf(all.losses, all.seqlen);
  if (!std::isfinite(measured.nll_sum)) {
    return absl::FailedPreconditionError(absl::StrCat("the losses of ", measured.windows, " windows add up to ",
                                                      measured.nll_sum, ": the model has no perplexity"));
  }
  TaskOutcome outcome;
  outcome.result.metrics = PplMetrics(measured);
  return outcome;
}

}  // namespace lwq::worker
