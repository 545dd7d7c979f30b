// SPDX-License-Identifier: Apache-2.0
#include "worker/tasks/text_shard.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/export/model_blocks.h"

namespace lwq::worker {

StatusOr<TextShard> TextShard::Open(const Task& task, const TaskContext& context, int64_t micro_batch, int64_t shard,
                                    int64_t shards) {
  if (micro_batch < 1 || shard < 0 || shard >= shards) {
    return absl::InvalidArgumentError(absl::StrCat(TaskKindName(task.kind), " of shard ", shard, " of ", shards,
                                                   " with micro_batch ", micro_batch, " does not exist"));
  }
  TextShard opened;
  LWQ_ASSIGN_OR_RETURN(const ArtifactRef tokens, InputOf(task, "tokens"));
  LWQ_ASSIGN_OR_RETURN(opened.tokens_, SampleSetReader::Open(context.blobs, tokens));
  if (opened.tokens_->samples() == 0 || opened.tokens_->sample_shape().size() != 1) {
    return absl::InvalidArgumentError("there are no token windows to evaluate");
  }
  opened.range_ = WindowsOfShard(opened.tokens_->samples(), micro_batch, shard, shards);
  return opened;
}

Status TextShard::CheckFinite(const std::vector<double>& losses) const {
  const auto bad = std::find_if(losses.begin(), losses.end(), [](double loss) { return !std::isfinite(loss); });
  if (bad == losses.end()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the loss of window ", range_.first + (bad - losses.begin()), " is ", *bad,
                   ": the model's weights or activations are not finite, so it has no perplexity"));
}

StatusOr<EvaluatedModel> OpenEvaluatedModel(const Task& task, const TaskContext& context) {
  EvaluatedModel opened;
  LWQ_ASSIGN_OR_RETURN(opened.model, ModelInput::Open(task, context));
  LWQ_ASSIGN_OR_RETURN(opened.head, qat::LoadHead(opened.model->tensors(), opened.config()));
  opened.load_block = [model = opened.model.get()](int64_t block) { return model->CurrentBlock(block); };
  return opened;
}

qat::PerplexityOptions PassOptions(const TaskContext& context, int64_t micro_batch) {
  return {.micro_batch = micro_batch, .execution = context.execution, .scratch_directory = context.scratch_directory};
}

}  // namespace lwq::worker
