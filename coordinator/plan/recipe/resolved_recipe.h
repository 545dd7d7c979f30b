// SPDX-License-Identifier: Apache-2.0
// A recipe with what follows from it for one run: its policies, and what has to be measured for them. Made once for a
// plan or a graph and passed on.
//
// Pure values; thread-safe.
#pragma once

#include "common/recipe/recipe.h"

namespace lwq::coordinator {

struct ResolvedRecipe {
  Recipe fields;    // as it is stored and shown
  Recipe policies;  // the same with its ablation worked in (policies.h): what decides what a block gets
  // The run has to measure before its plan is settled: a policy goes by the blocks' sensitivity and nothing is given,
  // or measuring is all the run does.
  bool measures_first = false;
  // The run measures scores or tables at all: at first, or because reorder_every measures again on the way.
  bool measures_sensitivity = false;
  // "optimal" needs ‖W − Q(W)‖² beside a score per block.
  bool needs_squared_error = false;
};

// `recipe` as ResolveRecipe returned it, pinned or not; `scores_given`: PlanKnowledge::given_scores is not empty.
ResolvedRecipe WithPolicies(const Recipe& recipe, bool scores_given);

}  // namespace lwq::coordinator
