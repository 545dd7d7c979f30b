#include "coordinator/graph/run_kinds.h"

#include "coordinator/plan/policy_options.h"
#include "coordinator/plan/policy_recipe.h"
#include "coordinator/plan/sensitivity_choices.h"

namespace lwq::coordinator {
namespace {

// Whether widths are allocated by a table of losses.
bool ReadsTable(const Recipe& recipe) {
  if (recipe.method != "block_ap" && recipe.method != "rtn") return false;
  const StatusOr<PolicyOptions> options = ResolvePolicies(PoliciesOf(recipe));
  return options.ok() && options->use_mixed_precision && options->mpq_strategy == "optimal";
}

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
  if (recipe.method == "sensitivity") return true;
  if (!NeedsScores(recipe) && !ReadsTable(recipe)) return false;
  return spec.sensitivity_scores.empty() || recipe.reorder_every > 0;
}

std::set<TaskKind> KindsOfRun(const RunSpec& spec, const Recipe& recipe) {
  if (recipe.method == "noop") return {TaskKind::kNoop};
  std::set<TaskKind> kinds;
  if (recipe.method == "block_ap") {
    kinds.insert({TaskKind::kTokenize, TaskKind::kEmbed, TaskKind::kAdvance, TaskKind::kTrainBlock});
  }
  if (recipe.method == "rtn") kinds.insert(TaskKind::kRtnBlock);
  if (MeasuresSensitivity(spec, recipe)) AddSensitivity(recipe, kinds);
  // Scores become a table with the errors of the weights.
  const bool has_table = IsTableMetric(recipe.sensitivity_metric) && spec.sensitivity_scores.empty();
  if (ReadsTable(recipe) && !has_table) kinds.insert(TaskKind::kWeightError);
  if (recipe.eval_ppl && !spec.eval_texts.empty()) {
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
