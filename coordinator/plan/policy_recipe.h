// The policies that a recipe names.
//
// Pure; thread-safe.
#pragma once

#include "coordinator/plan/policy_options.h"
#include "coordinator/plan/recipe.h"

namespace lwq::coordinator {

// Not yet resolved (ResolvePolicies): values and combinations may be impossible.
PolicyOptions PoliciesOf(const Recipe& recipe);

// The recipe's policies with every default filled in. Requires a resolved recipe.
PolicyOptions ResolvedPoliciesOf(const Recipe& recipe);

// Whether the widths are found by the exact programme ("optimal").
bool IsOptimal(const PolicyOptions& options);

// Whether the method makes quantized blocks.
bool Quantizes(const Recipe& recipe);

// The most blocks that a training unit of the recipe can have in a model of so many.
int64_t MostBlocksInUnit(const Recipe& recipe, int64_t model_blocks);

}  // namespace lwq::coordinator
