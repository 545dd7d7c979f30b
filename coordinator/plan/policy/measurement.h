// SPDX-License-Identifier: Apache-2.0
// What was measured about the sensitivity of all blocks of a model at one moment.
//
// A run records its measurements in the order they were made: the first on the full-precision model, the others
// (reorder_every) on the partly quantized one. Its plan is a function of the recipe and of this list alone. Pure
// values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json/json.h"
#include "common/recipe/choices.h"
#include "common/status/status.h"
#include "coordinator/plan/policy/score_table.h"

namespace lwq::coordinator {

struct Measurement {
  std::optional<SensitivityMetric> metric;  // absent: only squared errors were measured
  // By layer; for a table metric the entry at (wbits, group_size). 0 for blocks that were trained already. As measured:
  // a curvature or a rise of the loss can come out below 0.
  std::vector<double> scores;
  std::vector<double> standard_errors;      // metric "hessian" only
  std::optional<ScoreTable> table;          // table metrics only
  std::optional<ScoreTable> squared_error;  // ‖W − Q(W)‖², where "optimal" goes by a scalar metric
  int64_t trained_blocks = 0;
  int64_t samples = 0;
  int64_t seqlen = 0;
};

// The metric's word; "" where there is none.
std::string_view MetricWord(const Measurement& measurement);

// The scores as policies take them: what came out below 0 is 0.
std::vector<double> PolicyScores(const Measurement& measurement);

// For the store. FromJson: DATA_LOSS naming `what`.
Json MeasurementToJson(const Measurement& measurement);
StatusOr<Measurement> MeasurementFromJson(const Json& json, std::string_view what);

}  // namespace lwq::coordinator
