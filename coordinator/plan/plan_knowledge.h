// SPDX-License-Identifier: Apache-2.0
// What is known about the blocks' sensitivity when a plan is made. Pure values.
#pragma once

#include <vector>

#include "coordinator/plan/policy/measurement.h"

namespace lwq::coordinator {

struct PlanKnowledge {
  std::vector<double> given_scores;  // by layer (sensitivity_file); take the place of the first measurement
  std::vector<Measurement> measurements;
  bool has_eval_tasks = false;  // accuracies are measured
};

}  // namespace lwq::coordinator
