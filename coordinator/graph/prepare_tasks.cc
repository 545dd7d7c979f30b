// SPDX-License-Identifier: Apache-2.0
#include "coordinator/graph/prepare_tasks.h"

#include <utility>

#include "coordinator/plan/recipe/scale_search.h"

namespace lwq::coordinator {

ScalesByBlock AddScaleSearches(const RunSpec& spec, const LlamaConfig& model, const Recipe& recipe,
                               ModelState& full_precision, TaskList& tasks) {
  ScalesByBlock scales;
  for (int64_t block = 0; block < full_precision.blocks(); ++block) {
    PlannedTask task;
    task.def.kind = TaskKind::kSearchScales;
    task.def.params = ScaleSearchOf(recipe, model, block).ToJson();
    task.def.inputs = {{"model", spec.model->files}, {"activations", full_precision.ActivationsBefore(block)}};
    task.title = absl::StrCat("search scales of block ", block);
    task.block = block;
    scales.push_back({tasks.Add(std::move(task)), "scales"});
  }
  return scales;
}

void AddScalesInput(const ScalesByBlock& scales, int64_t block, TaskDef& def) {
  if (!scales.empty()) def.inputs[absl::StrCat("scales.", block)] = scales[static_cast<size_t>(block)];
}

}  // namespace lwq::coordinator
