// SPDX-License-Identifier: Apache-2.0
// Policies for tests: those a recipe names that has these fields, and of every other one its default. Nothing is
// exported unless they say so.
#pragma once

#include "coordinator/plan/recipe/policies.h"
#include "coordinator/plan/recipe/recipe_defaults.h"

namespace lwq::coordinator::testing {

inline StatusOr<Recipe> PoliciesOf(PartialRecipe given) {
  if (!given.export_format.has_value()) given.export_format = ExportFormat::kNone;
  return ResolvePolicies(Completed(given, Presets::kIgnore, nullptr));
}

}  // namespace lwq::coordinator::testing
