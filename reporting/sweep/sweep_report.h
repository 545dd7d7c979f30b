// SPDX-License-Identifier: Apache-2.0
// Everything a sweep's report says, as values: what files and pages of it are made from. Pure: the same runs, the same
// report; it knows no time but that of the runs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/json/json.h"
#include "reporting/sweep/arms.h"
#include "reporting/sweep/depth_scores.h"
#include "reporting/sweep/sweep_cost.h"
#include "reporting/sweep/timeline.h"

namespace lwq::reporting {

// A run without a result, and why.
struct RunWithoutResult {
  std::string run_id = {};
  std::string name = {};
  std::string state = {};
  std::string reason = {};
  struct FailedTask {
    std::string title = {};
    std::string worker = {};
    int32_t attempts = 0;
    std::string error = {};
  };
  std::vector<FailedTask> tasks;
};

struct FullPrecision {
  std::string model = {};  // digest of its files
  std::string name = {};
  std::vector<std::optional<double>> values = {};  // by column
};

struct SweepReport {
  std::string name = {};
  Report runs = {};  // the comparison of all runs, without those rows that stand for full-precision models
  std::vector<FullPrecision> full_precision = {};
  SweepArms arms = {};
  std::vector<std::vector<AxisEffect>> effects = {};  // by column
  std::vector<ModelDepthScores> sensitivity = {};
  SweepCost cost = {};
  Timeline timeline = {};
  std::vector<RunWithoutResult> without_result = {};
  std::optional<double> first_submitted_unix_s = {};
  std::optional<double> last_finished_unix_s = {};
};

// INVALID_ARGUMENT: no runs, or one of them twice. `baseline_run` as BuildArms has it.
StatusOr<SweepReport> BuildSweepReport(const SweepRuns& sweep, std::optional<size_t> baseline_run);

// Parts that reports of single runs have, too.
Json SensitivityToJson(const std::vector<ModelDepthScores>& models);
Json TimelineToJson(const Timeline& timeline);

// docs/reports.md, "The JSON file", without its "runs".
Json SweepReportToJson(const SweepReport& report);

}  // namespace lwq::reporting
