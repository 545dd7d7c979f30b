// SPDX-License-Identifier: Apache-2.0
// The log-likelihoods of all requests of a task, shard by shard → its accuracies, and a line for each request.
#include "absl/strings/str_cat.h"
#include "common/artifact/file_tree.h"
#include "common/eval_tasks/accuracy.h"
#include "common/eval_tasks/request_dump.h"
#include "common/eval_tasks/request_scores.h"
#include "common/eval_tasks/request_set.h"
#include "common/task/measured.h"
#include "common/task/task_params.h"
#include "worker/tasks/task.h"

namespace lwq::worker {
namespace {

// In the order of requests.
struct AllScores {
  std::vector<double> log_likelihoods;
  std::vector<uint8_t> greedy;
};

StatusOr<AllScores> GatherScores(const Task& task, const TaskContext& context, int64_t shards, int64_t requests) {
  AllScores all;
  all.log_likelihoods.resize(static_cast<size_t>(requests));
  all.greedy.resize(static_cast<size_t>(requests));
  std::vector<bool> known(static_cast<size_t>(requests));
  int64_t found = 0;
  for (int64_t shard = 0; shard < shards; ++shard) {
    LWQ_RETURN_IF_ERROR(CheckCancelled(*context.cancel));
    LWQ_ASSIGN_OR_RETURN(const ArtifactRef ref, InputOf(task, absl::StrCat("scores.", shard)));
    LWQ_ASSIGN_OR_RETURN(const RequestScores part, LoadRequestScores(*context.blobs, ref));
    for (size_t i = 0; i < part.places.size(); ++i) {
      if (part.places[i] < 0 || part.places[i] >= requests || known[static_cast<size_t>(part.places[i])]) {
        return absl::InvalidArgumentError(
            absl::StrCat("shard ", shard, " scores request ", part.places[i], ", which is none or was scored before"));
      }
      const auto place = static_cast<size_t>(part.places[i]);
      known[place] = true;
      all.log_likelihoods[place] = part.log_likelihoods[i];
      all.greedy[place] = part.greedy[i];
      ++found;
    }
  }
  if (found == requests) return all;
  return absl::InvalidArgumentError(absl::StrCat(found, " of ", requests, " requests are scored"));
}

Measured AsMeasured(const char* metric, const Accuracy& accuracy) {
  return {
      .metric = metric, .value = accuracy.value, .standard_error = accuracy.standard_error, .count = accuracy.items};
}

}  // namespace

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kReduceAccuracy>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const ReduceAccuracyParams params, ReduceAccuracyParams::FromJson(task.params));
  LWQ_ASSIGN_OR_RETURN(const ArtifactRef requests, InputOf(task, "requests"));
  LWQ_ASSIGN_OR_RETURN(const RequestSet set, LoadRequestSet(*context.blobs, requests));
  const EvalTask* eval_task = FindEvalTask(set.task);
  if (eval_task == nullptr || set.items.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("there are no items of a task '", set.task, "' to make an accuracy of"));
  }
  LWQ_ASSIGN_OR_RETURN(const AllScores scores, GatherScores(task, context, params.shards, set.requests()));
  std::vector<Measured> measured = {
      AsMeasured(kAccuracyMetric, AccuracyOf(set.items, scores.log_likelihoods, ScoreUnit::kSum))};
  if (eval_task->has_acc_norm) {
    measured.push_back(
        AsMeasured(kNormalizedAccuracyMetric, AccuracyOf(set.items, scores.log_likelihoods, ScoreUnit::kPerCharacter)));
  }
  TaskOutcome outcome;
  const std::string lines = RequestDump(set, scores.log_likelihoods, scores.greedy);
  LWQ_ASSIGN_OR_RETURN(outcome.result.outputs["lines"],
                       UploadContents(*context.store, {{kDumpInTree, Bytes::FromString(lines)}}));
  outcome.result.metrics = Json{{"measured", MeasuredMetrics(measured)}, {"requests", set.requests()}};
  return outcome;
}

}  // namespace lwq::worker
