// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/recipe/run_kinds.h"

#include "common/recipe/method.h"
#include "coordinator/plan/recipe/scale_search.h"
#include "coordinator/plan/recipe/scale_training.h"

namespace lwq::coordinator {
namespace {

void AddSensitivity(const Recipe& recipe, std::set<TaskKind>& kinds) {
  const SensitivityMetric metric = recipe.sensitivity_metric;
  kinds.insert({TaskKind::kTokenize, TaskKind::kEmbed, TaskKind::kAdvance});
  if (metric == SensitivityMetric::kLossDelta || metric == SensitivityMetric::kPilot) {
    kinds.insert(TaskKind::kLossDelta);
    if (metric == SensitivityMetric::kPilot) kinds.insert(TaskKind::kTrainBlock);
  } else {
    kinds.insert({TaskKind::kLossGradient, TaskKind::kBackwardBlock});
  }
  if (metric == SensitivityMetric::kGradient) kinds.insert(TaskKind::kGradientNorm);
  if (metric == SensitivityMetric::kOutputFisher) kinds.insert(TaskKind::kOutputFisher);
  if (metric == SensitivityMetric::kHessian) kinds.insert(TaskKind::kHessian);
}

void AddTextEvaluation(const Recipe& recipe, bool has_rungs, std::set<TaskKind>& kinds) {
  if (recipe.eval_ppl || recipe.eval_kl) kinds.insert(TaskKind::kTokenize);
  if (recipe.eval_ppl) kinds.insert(TaskKind::kReducePpl);
  if (recipe.eval_ppl && (!recipe.eval_kl || has_rungs)) kinds.insert(TaskKind::kEvaluatePpl);
  if (recipe.eval_kl) kinds.insert({TaskKind::kEvaluateReference, TaskKind::kEvaluateKl, TaskKind::kReduceKl});
}

}  // namespace

bool QuantizesWithoutTraining(const Recipe& recipe) {
  return TraitsOf(recipe.method).reads_activations && !TraitsOf(recipe.method).trains;
}

bool RunsGptq(const Recipe& recipe) {
  return recipe.method == Method::kGptq || (TraitsOf(recipe.method).trains && recipe.init == Initialization::kGptq);
}

std::optional<RoundingFit> RoundingFitOf(const Recipe& recipe) {
  const bool starts = TraitsOf(recipe.method).trains;
  if (recipe.method == Method::kSignRound || (starts && recipe.init == Initialization::kSignRound)) {
    return RoundingFit::kSignRound;
  }
  if (recipe.method == Method::kOmniQuant || (starts && recipe.init == Initialization::kOmniQuant)) {
    return RoundingFit::kOmniQuant;
  }
  return std::nullopt;
}

std::set<TaskKind> KindsOfRun(const ResolvedRecipe& resolved, EvalInputs given) {
  const Recipe& recipe = resolved.fields;
  if (recipe.method == Method::kNoop) return {TaskKind::kNoop};
  std::set<TaskKind> kinds;
  if (TraitsOf(recipe.method).reads_activations) {
    kinds.insert({TaskKind::kTokenize, TaskKind::kEmbed, TaskKind::kAdvance});
  }
  if (TraitsOf(recipe.method).trains) kinds.insert(TaskKind::kTrainBlock);
  if (RunsGptq(recipe)) kinds.insert(TaskKind::kGptqBlock);
  if (RoundingFitOf(recipe).has_value()) kinds.insert(TaskKind::kFitRounding);
  if (Prepares(recipe)) {
    kinds.insert({TaskKind::kTokenize, TaskKind::kEmbed, TaskKind::kAdvance, TaskKind::kSearchScales});
  }
  if (recipe.method == Method::kRtn) kinds.insert(TaskKind::kRtnBlock);
  if (TrainsScales(recipe)) kinds.insert({TaskKind::kTokenize, TaskKind::kTrainScales});
  if (resolved.measures_sensitivity) AddSensitivity(recipe, kinds);
  if (resolved.needs_squared_error) kinds.insert(TaskKind::kWeightError);
  if (TraitsOf(recipe.method).evaluates && given.texts) AddTextEvaluation(recipe, given.rungs, kinds);
  if (TraitsOf(recipe.method).evaluates && given.tasks) {
    kinds.insert({TaskKind::kPrepareRequests, TaskKind::kScoreRequests, TaskKind::kReduceAccuracy});
  }
  if (recipe.export_format != ExportFormat::kNone) kinds.insert(TaskKind::kExport);
  return kinds;
}

std::optional<TaskKind> MainKindOf(const std::set<TaskKind>& kinds) {
  std::optional<TaskKind> main_kind;
  int rank = 0;
  for (const TaskKind kind : kinds) {
    if (TraitsOf(kind).main_rank <= rank) continue;
    main_kind = kind;
    rank = TraitsOf(kind).main_rank;
  }
  return main_kind;
}

}  // namespace lwq::coordinator
