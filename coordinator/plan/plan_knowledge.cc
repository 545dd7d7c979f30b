#include "coordinator/plan/plan_knowledge.h"

#include "coordinator/plan/policy_recipe.h"
#include "coordinator/plan/sensitivity_choices.h"

namespace lwq::coordinator {

bool MeasuresFirst(const Recipe& recipe, const PlanKnowledge& knowledge) {
  if (recipe.method == "sensitivity") return true;
  if (!Quantizes(recipe)) return false;
  const PolicyOptions options = ResolvedPoliciesOf(recipe);
  return IsOptimal(options) || (NeedsScores(options) && knowledge.given_scores.empty());
}

bool MeasuresSensitivity(const Recipe& recipe, const PlanKnowledge& knowledge) {
  if (recipe.method == "block_ap" && recipe.reorder_every > 0) return true;
  if (recipe.method == "sensitivity") return true;
  return knowledge.given_scores.empty() && MeasuresFirst(recipe, knowledge);
}

bool NeedsSquaredError(const Recipe& recipe, const PlanKnowledge& knowledge) {
  if (!Quantizes(recipe) || !IsOptimal(ResolvedPoliciesOf(recipe))) return false;
  return !knowledge.given_scores.empty() || !IsTableMetric(recipe.sensitivity_metric);
}

}  // namespace lwq::coordinator
