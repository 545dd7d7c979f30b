// SPDX-License-Identifier: Apache-2.0
// The published items of a zero-shot task → the token ids that a model is asked about.
#include "absl/strings/str_cat.h"
#include "common/artifact/file_tree.h"
#include "common/eval_tasks/eval_requests.h"
#include "common/eval_tasks/item_file.h"
#include "common/eval_tasks/request_set.h"
#include "common/task/task_params.h"
#include "worker/tasks/task.h"
#include "worker/tasks/tokenizer_input.h"

namespace lwq::worker {
namespace {

StatusOr<std::vector<EvalItem>> ReadItems(const EvalTask& eval_task, const Task& task, const TaskContext& context,
                                          int64_t limit) {
  LWQ_ASSIGN_OR_RETURN(const ArtifactRef ref, InputOf(task, "items"));
  LWQ_ASSIGN_OR_RETURN(const FileTree tree, FileTree::Open(context.blobs, ref));
  Bytes contents, labels;
  ItemFile file;
  for (const std::string& path : tree.paths()) {
    const bool is_labels = path == kLabelsInTree;
    if (!is_labels && !file.name.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("items of ", eval_task.name, " are in ", file.name, " and ", path,
                                                     ": they must be in one file"));
    }
    LWQ_ASSIGN_OR_RETURN((is_labels ? labels : contents), tree.ReadAll(path));
    (is_labels ? file.labels_name : file.name) = path;
  }
  file.contents = contents.view();
  file.labels = labels.view();
  return ReadEvalItems(eval_task, file, limit, [&context] { return CheckCancelled(*context.cancel); });
}

StatusOr<std::vector<RequestItem>> Encode(const EvalTask& eval_task, RequestEncoder& encoder,
                                          const std::vector<EvalItem>& items, int64_t window,
                                          const TaskContext& context) {
  const auto keep_going = [&context] { return CheckCancelled(*context.cancel); };
  if (eval_task.form == EvalForm::kDocument) return EncodeDocuments(encoder, items, window, keep_going);
  return EncodeItems(encoder, items, keep_going);
}

}  // namespace

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kPrepareRequests>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const PrepareRequestsParams params, PrepareRequestsParams::FromJson(task.params));
  const EvalTask* eval_task = FindEvalTask(params.task);
  if (eval_task == nullptr || params.limit < 0) {
    return absl::InvalidArgumentError(absl::StrCat("task '", params.task, "' with limit ", params.limit,
                                                   " does not exist; tasks are ", EvalTaskNames()));
  }
  if ((eval_task->form == EvalForm::kDocument) != (params.window >= 1) || params.window < 0) {
    return absl::InvalidArgumentError(absl::StrCat("task ", params.task, " with windows of ", params.window,
                                                   " tokens does not exist: only whole documents have windows"));
  }
  LWQ_ASSIGN_OR_RETURN(const auto tokenizer, OpenTokenizer(task, context));
  LWQ_ASSIGN_OR_RETURN(const std::vector<EvalItem> items, ReadItems(*eval_task, task, context, params.limit));
  LWQ_ASSIGN_OR_RETURN(RequestEncoder encoder, RequestEncoder::Create(*tokenizer, params.add_bos));
  RequestSet set{.task = params.task, .add_bos = encoder.adds_bos(), .items = {}};
  LWQ_ASSIGN_OR_RETURN(set.items, Encode(*eval_task, encoder, items, params.window, context));
  TaskOutcome outcome;
  LWQ_ASSIGN_OR_RETURN(outcome.result.outputs["requests"], PublishRequestSet(*context.store, set));
  outcome.result.metrics = Json{{"items", set.items.size()}, {"requests", set.requests()}, {"add_bos", set.add_bos}};
  return outcome;
}

}  // namespace lwq::worker
