// SPDX-License-Identifier: Apache-2.0
// Text → token windows: calibration windows of a run, or every window of a text for perplexity.
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/artifact/file_tree.h"
#include "common/artifact/samples.h"
#include "common/documents/documents.h"
#include "common/task/task_params.h"
#include "common/tokenizer/tokenizer.h"
#include "worker/tasks/task.h"
#include "worker/tasks/tokenizer_input.h"
#include "worker/windows/windows.h"

namespace lwq::worker {
namespace {

StatusOr<std::vector<std::string>> ReadText(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const ArtifactRef ref, InputOf(task, "text"));
  LWQ_ASSIGN_OR_RETURN(const FileTree tree, FileTree::Open(context.blobs, ref));
  std::vector<std::string> documents;
  const auto keep_going = [&context] { return CheckCancelled(*context.cancel); };
  for (const std::string& path : tree.paths()) {
    LWQ_RETURN_IF_ERROR(keep_going());
    LWQ_ASSIGN_OR_RETURN(const Bytes contents, tree.ReadAll(path));
    LWQ_ASSIGN_OR_RETURN(std::vector<std::string> more,
                         ReadDocuments(path, contents.view(), kMaxUnpackedTextBytes, keep_going));
    for (std::string& document : more) documents.push_back(std::move(document));
  }
  return documents;
}

Status AppendWindows(const TokenWindows& windows, SampleSetWriter& writer) {
  if (windows.count() == 0) return absl::OkStatus();
  HostTensor tensor;
  tensor.dtype = DType::kI32;
  tensor.shape = {windows.count(), windows.seqlen};
  tensor.bytes = Bytes::FromString(
      std::string(reinterpret_cast<const char*>(windows.ids.data()), windows.ids.size() * sizeof(int32_t)));
  return writer.Append(tensor);
}

}  // namespace

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kTokenize>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const TokenizeParams params, TokenizeParams::FromJson(task.params));
  LWQ_ASSIGN_OR_RETURN(const auto tokenizer, OpenTokenizer(task, context));
  LWQ_ASSIGN_OR_RETURN(std::vector<std::string> documents, ReadText(task, context));
  LWQ_ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
                       TokenizeStream(*tokenizer, std::move(documents), tokenizer->add_bos(),
                                      [&context] { return CheckCancelled(*context.cancel); }));

  TaskOutcome outcome;
  SampleSetWriter writer(context.store, DType::kI32, {params.seqlen},
                         ChunkSamples(params.seqlen * static_cast<int64_t>(sizeof(int32_t)), 1));
  if (params.mode == "stream") {
    LWQ_ASSIGN_OR_RETURN(const TokenWindows windows, EvalWindows(ids, params.seqlen));
    LWQ_RETURN_IF_ERROR(AppendWindows(windows, writer));
    outcome.result.metrics["windows"] = windows.count();
  } else if (params.mode == "windows") {
    const WindowOptions options{.train_size = params.train_size,
                                .val_size = params.val_size,
                                .seqlen = params.seqlen,
                                .seed = params.seed,
                                .mode = params.disjoint ? WindowMode::kDisjoint : WindowMode::kIndependent};
    LWQ_ASSIGN_OR_RETURN(const CalibrationWindows windows, SampleWindows(ids, options));
    LWQ_RETURN_IF_ERROR(AppendWindows(windows.train, writer));
    LWQ_RETURN_IF_ERROR(AppendWindows(windows.val, writer));
    outcome.result.metrics["windows"] = windows.train.count() + windows.val.count();
    outcome.result.metrics["overlapping"] = windows.train.overlapping || windows.val.overlapping;
  } else {
    return absl::InvalidArgumentError(absl::StrCat("tokenize: mode '", params.mode, "' is unknown"));
  }
  outcome.result.metrics["stream_tokens"] = ids.size();
  outcome.result.metrics["add_bos"] = tokenizer->add_bos();
  LWQ_ASSIGN_OR_RETURN(outcome.result.outputs["tokens"], writer.Finish());
  return outcome;
}

}  // namespace lwq::worker
