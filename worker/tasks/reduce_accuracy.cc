// SPDX-License-Identifier: Apache-2.0
// The log-likelihoods of all requests of a task, shard by shard → what it measures, and a line for each request.
#include "absl/strings/str_cat.h"
#include "common/artifact/file_tree.h"
#include "common/eval_tasks/request_dump.h"
#include "common/eval_tasks/request_scores.h"
#include "common/eval_tasks/request_set.h"
#include "common/eval_tasks/task_measures.h"
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

// A set that another program made may have items that its task has not.
Status CheckItems(const EvalTask& task, const std::vector<RequestItem>& items) {
  for (size_t i = 0; i < items.size(); ++i) {
    const bool is_document = items[i].words > 0 && items[i].bytes > 0;
    const bool fits = task.form == EvalForm::kDocument   ? is_document
                      : task.form == EvalForm::kLastWord ? items[i].requests.size() == 1
                                                         : !items[i].requests.empty();
    if (!fits) return absl::InvalidArgumentError(absl::StrCat("item ", i + 1, " is none of task ", task.name));
  }
  return absl::OkStatus();
}

}  // namespace

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kReduceAccuracy>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const ReduceAccuracyParams params, ReduceAccuracyParams::FromJson(task.params));
  LWQ_ASSIGN_OR_RETURN(const ArtifactRef requests, InputOf(task, "requests"));
  LWQ_ASSIGN_OR_RETURN(const RequestSet set, LoadRequestSet(*context.blobs, requests));
  const EvalTask* eval_task = FindEvalTask(set.task);
  if (eval_task == nullptr || set.items.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("there are no items of a task '", set.task, "' to measure"));
  }
  LWQ_ASSIGN_OR_RETURN(const AllScores scores, GatherScores(task, context, params.shards, set.requests()));
  LWQ_RETURN_IF_ERROR(CheckItems(*eval_task, set.items));
  const std::vector<Measured> measured = MeasuresOf(*eval_task, set.items, scores.log_likelihoods, scores.greedy);
  TaskOutcome outcome;
  const std::string lines = RequestDump(set, scores.log_likelihoods, scores.greedy);
  LWQ_ASSIGN_OR_RETURN(outcome.result.outputs["lines"],
                       UploadContents(*context.store, {{kDumpInTree, Bytes::FromString(lines)}}));
  outcome.result.metrics = Json{{"measured", MeasuredMetrics(measured)}, {"requests", set.requests()}};
  return outcome;
}

}  // namespace lwq::worker
