// What is known about the blocks' sensitivity when a plan is made, and what a recipe needs to know beside it.
//
// Pure; thread-safe. Every function requires a resolved recipe.
#pragma once

#include <vector>

#include "coordinator/plan/measurement.h"
#include "coordinator/plan/recipe.h"

namespace lwq::coordinator {

struct PlanKnowledge {
  std::vector<double> given_scores;  // by layer (sensitivity_file); take the place of the first measurement
  std::vector<Measurement> measurements;
};

// Whether the run has to measure before its plan is settled: a policy goes by the blocks' sensitivity and nothing is
// given, or measuring is all the run does.
bool MeasuresFirst(const Recipe& recipe, const PlanKnowledge& knowledge);

// Whether the run measures scores or tables at all: at first, or because reorder_every measures again on the way.
bool MeasuresSensitivity(const Recipe& recipe, const PlanKnowledge& knowledge);

// Whether "optimal" needs ‖W − Q(W)‖² beside a score per block.
bool NeedsSquaredError(const Recipe& recipe, const PlanKnowledge& knowledge);

}  // namespace lwq::coordinator
