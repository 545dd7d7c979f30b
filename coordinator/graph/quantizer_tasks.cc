// SPDX-License-Identifier: Apache-2.0
#include "coordinator/graph/quantizer_tasks.h"

#include <cmath>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "common/task/task_params.h"
#include "coordinator/plan/recipe/run_kinds.h"

namespace lwq::coordinator {
namespace {

GptqBlockParams GptqParams(const Recipe& recipe, const BlockPlan& block, const QuantizerUse& use) {
  return {.block = block.layer_idx,
          .samples = recipe.train_size,
          .bits = block.bit_width,
          .group_size = block.group_size,
          .damp_percent = recipe.damp_percent,
          .desc_act = recipe.desc_act,
          .fp16_scales = recipe.fp16_scales,
          .range_contains_zero = recipe.range_contains_zero,
          .middle_zero_points = recipe.middle_zero_points && block.bit_width == 2,
          .sym = recipe.sym,
          .keep_latent = use.keep_latent};
}

int64_t StepsOf(double epochs, int64_t train_size, int64_t batch_size) {
  const int64_t batches = (train_size + batch_size - 1) / batch_size;
  return std::llround(epochs * static_cast<double>(batches));
}

FitRoundingParams FitParams(const Recipe& recipe, RoundingFit fit, const BlockPlan& block, const QuantizerUse& use) {
  FitRoundingParams params{.block = block.layer_idx,
                           .fit = fit,
                           .train_size = recipe.train_size,
                           .val_size = recipe.val_size,
                           .bits = block.bit_width,
                           .group_size = block.group_size,
                           .keep_best = recipe.keep_best,
                           .fp16_scales = recipe.fp16_scales,
                           .range_contains_zero = recipe.range_contains_zero,
                           .middle_zero_points = recipe.middle_zero_points && block.bit_width == 2,
                           .sym = recipe.sym,
                           .keep_latent = use.keep_latent};
  switch (fit) {
    case RoundingFit::kSignRound:
      params.steps = recipe.signround_iters;
      params.batch_size = recipe.signround_batch_size;
      params.offset_lr = recipe.signround_lr;
      params.range_lr = recipe.signround_minmax_lr;
      break;
    case RoundingFit::kOmniQuant:
      params.steps = StepsOf(recipe.omniquant_epochs, recipe.train_size, recipe.omniquant_batch_size);
      params.batch_size = recipe.omniquant_batch_size;
      params.range_lr = recipe.omniquant_lwc_lr;
      break;
  }
  return params;
}

std::string_view TitleOf(RoundingFit fit) {
  return fit == RoundingFit::kSignRound ? "SignRound" : "OmniQuant";
}

}  // namespace

PlannedTask QuantizeBlockTask(const Recipe& recipe, const BlockPlan& block, const QuantizerUse& use) {
  PlannedTask task;
  std::string_view by = "GPTQ";
  if (const auto fit = RoundingFitOf(recipe); fit.has_value()) {
    task.def.kind = TaskKind::kFitRounding;
    task.def.params = FitParams(recipe, *fit, block, use).ToJson();
    by = TitleOf(*fit);
  } else {
    task.def.kind = TaskKind::kGptqBlock;
    task.def.params = GptqParams(recipe, block, use).ToJson();
  }
  task.title = absl::StrCat(use.keep_latent ? "initialize block " : "quantize block ", block.layer_idx, " by ", by);
  task.block = block.layer_idx;
  task.purpose = use.keep_latent ? TaskPurpose::kStep : TaskPurpose::kCheckpoint;
  return task;
}

}  // namespace lwq::coordinator
