// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/recipe/resolved_recipe.h"

#include <utility>

#include "common/status/status.h"
#include "coordinator/plan/recipe/policies.h"
#include "coordinator/plan/recipe/sensitivity_choices.h"

namespace lwq::coordinator {

ResolvedRecipe WithPolicies(const Recipe& recipe, bool scores_given) {
  StatusOr<Recipe> policies = ResolvePolicies(recipe);
  LWQ_CHECK(policies.ok(), "the recipe was resolved: ", MessageOf(policies.status()));
  ResolvedRecipe resolved{.fields = recipe, .policies = *std::move(policies)};
  const bool only_measures = recipe.method == Method::kSensitivity;
  const bool optimal = Quantizes(recipe) && IsOptimal(resolved.policies);
  const bool by_scores = Quantizes(recipe) && NeedsScores(resolved.policies);
  resolved.measures_first = only_measures || optimal || (by_scores && !scores_given);
  resolved.measures_sensitivity = only_measures || (TraitsOf(recipe.method).trains && recipe.reorder_every > 0) ||
                                  (resolved.measures_first && !scores_given);
  resolved.needs_squared_error = optimal && (scores_given || !IsTableMetric(recipe.sensitivity_metric));
  return resolved;
}

}  // namespace lwq::coordinator
