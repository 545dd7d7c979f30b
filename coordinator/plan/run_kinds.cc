#include "coordinator/plan/run_kinds.h"

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

std::set<TaskKind> KindsOfRun(const Recipe& recipe, const PlanKnowledge& knowledge, bool has_eval_texts) {
  if (recipe.method == "noop") return {TaskKind::kNoop};
  std::set<TaskKind> kinds;
  if (recipe.method == "block_ap") {
    kinds.insert({TaskKind::kTokenize, TaskKind::kEmbed, TaskKind::kAdvance, TaskKind::kTrainBlock});
  }
  if (recipe.method == "rtn") kinds.insert(TaskKind::kRtnBlock);
  if (MeasuresSensitivity(recipe, knowledge)) AddSensitivity(recipe, kinds);
  if (NeedsSquaredError(recipe, knowledge)) kinds.insert(TaskKind::kWeightError);
  if (recipe.eval_ppl && recipe.method != "sensitivity" && has_eval_texts) {
    kinds.insert({TaskKind::kTokenize, TaskKind::kEvaluatePpl, TaskKind::kReducePpl});
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
