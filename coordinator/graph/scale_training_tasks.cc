// SPDX-License-Identifier: Apache-2.0
#include "coordinator/graph/scale_training_tasks.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/task/task_outputs.h"
#include "coordinator/plan/recipe/scale_training.h"

namespace lwq::coordinator {

TokenizeParams ScaleTrainingWindows(const Recipe& recipe) {
  return {.mode = "windows",
          .seqlen = recipe.e2e_seqlen,
          .train_size = recipe.e2e_train_size,
          .val_size = recipe.val_size,
          .seed = recipe.e2e_seed,
          .disjoint = recipe.disjoint_windows};
}

TrainScalesParams SegmentParams(const Recipe& recipe, int64_t blocks, int64_t first_step) {
  const int64_t total = ScaleTrainingSteps(recipe);
  return {.blocks = blocks,
          .train_size = recipe.e2e_train_size,
          .val_size = recipe.val_size,
          .batch_size = recipe.e2e_batch_size,
          .first_step = first_step,
          .steps = std::min(SegmentSteps(recipe), total - first_step),
          .total_steps = total,
          .lr = recipe.e2e_lr,
          .warmup_ratio = recipe.e2e_warmup_ratio,
          .clip_grad = recipe.e2e_clip_grad,
          .fp16_scales = recipe.fp16_scales};
}

BlockCheckpoints AddScaleTraining(const RunSpec& spec, const Recipe& recipe, const TaskInput& tokens,
                                  const BlockCheckpoints& quantized, TaskList& tasks) {
  const auto blocks = static_cast<int64_t>(quantized.size());
  const int64_t total = ScaleTrainingSteps(recipe);
  Digest last;
  for (int64_t step = 0; step < total; step += SegmentSteps(recipe)) {
    const TrainScalesParams params = SegmentParams(recipe, blocks, step);
    PlannedTask task;
    task.def.kind = TaskKind::kTrainScales;
    task.def.params = params.ToJson();
    task.def.inputs = {{"model", spec.model->files}, {"tokens", tokens}};
    for (const auto& [block, checkpoint] : quantized) task.def.inputs[absl::StrCat("block.", block)] = checkpoint;
    if (step > 0) task.def.inputs["state"] = TaskOutputRef{last, "state"};
    task.title = absl::StrCat("train scales, steps ", step + 1, "-", step + params.steps, " of ", total);
    if (params.is_last()) {
      task.purpose = TaskPurpose::kCheckpoint;
      task.block = 0;  // its first output's
    }
    last = tasks.Add(std::move(task));
  }
  BlockCheckpoints trained;
  for (const auto& [block, checkpoint] : quantized) trained[block] = {last, UnitRole("block", block)};
  return trained;
}

}  // namespace lwq::coordinator
