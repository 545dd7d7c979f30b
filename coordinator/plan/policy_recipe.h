// The policies that a recipe names.
//
// Pure; thread-safe.
#pragma once

#include "coordinator/plan/policy_options.h"
#include "coordinator/plan/recipe.h"

namespace lwq::coordinator {

// Not yet resolved (ResolvePolicies): values and combinations may be impossible.
PolicyOptions PoliciesOf(const Recipe& recipe);

}  // namespace lwq::coordinator
