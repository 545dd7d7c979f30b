#include "coordinator/graph/run_kinds.h"

#include "coordinator/plan/plan.h"

namespace lwq::coordinator {
namespace {

void AddSensitivity(const Recipe& recipe, std::set<TaskKind>& kinds) {
  const std::string& metric = recipe.sensitivity_metric;
  kinds.insert({TaskKind::kTokenize, TaskKind::kEmbed, TaskKind::kAdvance});
  if (metric == "loss_delta" || metric == "pilot") {
    kinds.insert(TaskKind::kLossDelta);
    if (metric == "pilot") kinds.insert(TaskKind::kTrainBlock);
  } else {
    kinds.insert({TaskKind::kLossGradient, TaskKind::kBackwardBlock});
  }
  if (metric == "gradient") kinds.insert(TaskKind::kGradientNorm);
  if (metric == "output_fisher") kinds.insert(TaskKind::kOutputFisher);
  if (metric == "hessian") kinds.insert(TaskKind::kHessian);
}

}  // namespace

bool MeasuresSensitivity(const RunSpec& spec, const Recipe& recipe) {
  if (recipe.method == "block_ap" && recipe.reorder_every > 0) return true;
  if (recipe.method == "sensitivity") return true;
  return spec.sensitivity_scores.empty() && MeasuresFirst(recipe, {});
}

std::set<TaskKind> KindsOfRun(const RunSpec& spec, const Recipe& recipe) {
  if (recipe.method == "noop") return {TaskKind::kNoop};
  std::set<TaskKind> kinds;
  if (recipe.method == "block_ap") {
    kinds.insert({TaskKind::kTokenize, TaskKind::kEmbed, TaskKind::kAdvance, TaskKind::kTrainBlock});
  }
  if (recipe.method == "rtn") kinds.insert(TaskKind::kRtnBlock);
  if (MeasuresSensitivity(spec, recipe)) AddSensitivity(recipe, kinds);
  if (NeedsSquaredError(recipe, {spec.sensitivity_scores, {}})) kinds.insert(TaskKind::kWeightError);
  if (recipe.eval_ppl && recipe.method != "sensitivity" && !spec.eval_texts.empty()) {
    kinds.insert({TaskKind::kTokenize, TaskKind::kEvaluatePpl});
  }
  if (recipe.export_format != "none") kinds.insert(TaskKind::kExport);
  return kinds;
}

std::optional<TaskKind> MainKindOf(const std::set<TaskKind>& kinds) {
  for (const TaskKind kind : {TaskKind::kTrainBlock, TaskKind::kHessian, TaskKind::kLossDelta, TaskKind::kOutputFisher,
                              TaskKind::kBackwardBlock, TaskKind::kEvaluatePpl}) {
    if (kinds.contains(kind)) return kind;
  }
  return std::nullopt;
}

}  // namespace lwq::coordinator
