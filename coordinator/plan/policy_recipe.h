// The policies that a recipe names.
//
// Pure; thread-safe.
#pragma once

#include "coordinator/plan/policy_options.h"
#include "coordinator/plan/recipe.h"

namespace lwq::coordinator {

// Not yet resolved (ResolvePolicies): values and combinations may be impossible.
PolicyOptions PoliciesOf(const Recipe& recipe);

// The most blocks that a training unit of the recipe can have in a model of so many.
int64_t MostBlocksInUnit(const Recipe& recipe, int64_t model_blocks);

}  // namespace lwq::coordinator
