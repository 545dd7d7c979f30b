// SPDX-License-Identifier: Apache-2.0
// The log-likelihoods of a shard of a task's requests, by the model with the given block checkpoints or by the model as
// it is.
#include <cmath>

#include "absl/strings/str_cat.h"
#include "common/eval_tasks/request_scores.h"
#include "common/eval_tasks/request_set.h"
#include "common/export/model_blocks.h"
#include "common/task/task_params.h"
#include "worker/qat/api/score_sequences.h"
#include "worker/tasks/model_inputs.h"
#include "worker/tasks/score_batches.h"
#include "worker/tasks/task.h"

namespace lwq::worker {
namespace {

Status CheckScoreParams(const ScoreRequestsParams& params) {
  if (params.batch_tokens >= 1 && params.shard >= 0 && params.shard < params.shards) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("score_requests of shard ", params.shard, " of ", params.shards,
                                                 " with batch_tokens ", params.batch_tokens, " does not exist"));
}

// The shard's batches, and which requests each of their branches is.
struct ShardBatches {
  std::vector<qat::TreeBatch> trees;
  std::vector<std::vector<int64_t>> places;
};

StatusOr<ShardBatches> BatchesOf(const RequestSet& set, const LlamaConfig& config, const ScoreRequestsParams& params) {
  LWQ_ASSIGN_OR_RETURN(std::vector<ScoreBatch> all, ScoreBatches(set.items, config, params.batch_tokens));
  const BatchRange range = BatchesOfShard(std::ssize(all), params.shard, params.shards);
  ShardBatches shard;
  for (int64_t i = range.first; i < range.first + range.count; ++i) {
    ScoreBatch& batch = all[static_cast<size_t>(i)];
    shard.trees.push_back(std::move(batch.trees));
    shard.places.insert(shard.places.end(), batch.places.begin(), batch.places.end());
  }
  return shard;
}

StatusOr<RequestScores> Score(const ShardBatches& shard, ModelInput& model, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const qat::HeadWeights head, qat::LoadHead(model.tensors(), model.config()));
  const qat::ScoreOptions options{.execution = context.execution, .scratch_directory = context.scratch_directory};
  const auto load_block = [&model](int64_t block) { return model.CurrentBlock(block); };
  LWQ_ASSIGN_OR_RETURN(
      const std::vector<qat::BranchScore> branches,
      qat::ScoreTrees(model.config(), head, load_block, shard.trees, options, context.progress, *context.cancel));
  RequestScores scores;
  for (size_t branch = 0; branch < branches.size(); ++branch) {
    const auto [log_likelihood, is_greedy] = branches[branch];
    // A model that a recipe has broken still finds things unlikely. What is no number says nothing.
    if (!std::isfinite(log_likelihood)) {
      return absl::FailedPreconditionError(
          absl::StrCat("the log-likelihood of request ", shard.places[branch].front() + 1, " is ", log_likelihood,
                       ": the model's weights or activations are not finite, so it answers nothing"));
    }
    for (const int64_t place : shard.places[branch]) {
      scores.places.push_back(place);
      scores.log_likelihoods.push_back(log_likelihood);
      scores.greedy.push_back(is_greedy ? 1 : 0);
    }
  }
  return scores;
}

}  // namespace

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kScoreRequests>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const ScoreRequestsParams params, ScoreRequestsParams::FromJson(task.params));
  LWQ_RETURN_IF_ERROR(CheckScoreParams(params));
  LWQ_ASSIGN_OR_RETURN(const ArtifactRef requests, InputOf(task, "requests"));
  LWQ_ASSIGN_OR_RETURN(const RequestSet set, LoadRequestSet(*context.blobs, requests));
  LWQ_ASSIGN_OR_RETURN(const auto model, ModelInput::Open(task, context));
  LWQ_ASSIGN_OR_RETURN(const ShardBatches shard, BatchesOf(set, model->config(), params));
  RequestScores scores;
  if (!shard.trees.empty()) {
    LWQ_ASSIGN_OR_RETURN(scores, Score(shard, *model, context));
  }
  TaskOutcome outcome;
  LWQ_ASSIGN_OR_RETURN(outcome.result.outputs["scores"], PublishRequestScores(*context.store, scores));
  outcome.result.metrics = Json{{"requests", scores.places.size()}, {"batches", shard.trees.size()}};
  return outcome;
}

}  // namespace lwq::worker
