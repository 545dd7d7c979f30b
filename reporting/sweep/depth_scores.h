// SPDX-License-Identifier: Apache-2.0
// Sensitivity by depth: what the runs measured of each metric about each model, and how alike the metrics rank the
// blocks. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "reporting/sweep/sweep_runs.h"

namespace lwq::reporting {

// One metric of one model. Runs that measured the same scores are one measurement; of several the means are taken.
struct DepthScores {
  std::string metric = {};
  int64_t measurements = 0;
  std::vector<double> scores = {};  // by block
};

struct ModelDepthScores {
  std::string model = {};                 // its name
  std::vector<DepthScores> metrics = {};  // by name
  // Spearman's rank correlation of two metrics' scores, in the order of `metrics`; absent where it cannot be told.
  std::vector<std::vector<std::optional<double>>> correlations = {};
};

// The first measurement of each run, on the untouched model; those with a score that is not finite, or with another
// number of blocks than the first of its metric, are left out. In the order of the runs' models.
std::vector<ModelDepthScores> DepthScoresOf(const SweepRuns& sweep);

}  // namespace lwq::reporting
