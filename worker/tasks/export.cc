// SPDX-License-Identifier: Apache-2.0
// Every block's checkpoint → a directory in a serving format.
#include "common/export/export.h"

#include "absl/strings/str_cat.h"
#include "common/task/task_params.h"
#include "worker/tasks/model_inputs.h"
#include "worker/tasks/task.h"

namespace lwq::worker {

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kExport>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const ExportParams params, ExportParams::FromJson(task.params));
  qat::ExportOptions options;
  if (params.format == ExportFormat::kNone) return absl::InvalidArgumentError("export: format none makes no files");
  options.format = params.format;
  options.zero_points = ZeroPointsOf(params);
  LWQ_ASSIGN_OR_RETURN(const auto model, ModelInput::Open(task, context));
  std::vector<ArtifactRef> checkpoints;
  for (int64_t block = 0; block < model->config().num_hidden_layers; ++block) {
    LWQ_ASSIGN_OR_RETURN(const ArtifactRef checkpoint, InputOf(task, absl::StrCat("block.", block)));
    checkpoints.push_back(checkpoint);
  }
  // A directory without a tokenizer cannot be served or evaluated.
  FileTree tokenizer;
  if (task.inputs.contains("tokenizer")) {
    LWQ_ASSIGN_OR_RETURN(const ArtifactRef ref, InputOf(task, "tokenizer"));
    LWQ_ASSIGN_OR_RETURN(tokenizer, FileTree::Open(context.blobs, ref));
    options.tokenizer = &tokenizer;
  }
  FileTree companions;
  if (task.inputs.contains("companions")) {
    LWQ_ASSIGN_OR_RETURN(const ArtifactRef ref, InputOf(task, "companions"));
    LWQ_ASSIGN_OR_RETURN(companions, FileTree::Open(context.blobs, ref));
    options.companions = &companions;
  }
  qat::CheckpointBlocks blocks(context.blobs, std::move(checkpoints));
  LWQ_ASSIGN_OR_RETURN(
      const qat::ExportResult exported,
      qat::ExportModel(model->files(), blocks, options, *context.store, context.progress, *context.cancel));
  TaskOutcome outcome;
  outcome.result.outputs["files"] = exported.files;
  outcome.result.metrics = exported.metrics;
  return outcome;
}

}  // namespace lwq::worker
