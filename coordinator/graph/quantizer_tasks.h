// SPDX-License-Identifier: Apache-2.0
// Blocks that are quantized on their own, without training their weights (GPTQ, SignRound, OmniQuant): as the method of
// a run, or as what trainings start from. Pure; thread-safe.
#pragma once

#include "coordinator/graph/planned_task.h"
#include "coordinator/plan/plan.h"
#include "coordinator/plan/recipe/recipe.h"

namespace lwq::coordinator {

struct QuantizerUse {
  bool keep_latent = false;  // a training starts from it; else it is the run's own
};

// The task that quantizes the block as the recipe's method, or its init, says; without inputs. Requires that one of the
// two is such a method.
PlannedTask QuantizeBlockTask(const Recipe& recipe, const BlockPlan& block, const QuantizerUse& use);

}  // namespace lwq::coordinator
