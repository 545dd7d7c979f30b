// SPDX-License-Identifier: Apache-2.0
// Everything a run's report says, as values: what report.json holds and the run's page (run_page.h) is made from.
// Pure: the same run, the same report.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/json/json.h"
#include "lwqat/v1/run.pb.h"
#include "reporting/layer_results.h"
#include "reporting/sweep/depth_scores.h"
#include "reporting/sweep/timeline.h"

namespace lwq::reporting {

// What a training recorded as it went.
struct TrainingCurve {
  std::string title = {};  // the task's: "train block 3"
  int block = -1;          // the first of its unit
  struct Point {
    double epoch = 0;
    std::optional<double> train_loss = {};
    std::optional<double> val_loss = {};
  };
  std::vector<Point> points = {};  // after each epoch
};

// What the tasks of a kind took.
struct KindCost {
  std::string kind = {};
  int64_t tasks = 0;
  int64_t reused = 0;  // of these: found done
  double seconds = 0;  // of all of them, whoever executed them
  int64_t peak_memory_bytes = 0;
  int64_t peak_rss_bytes = 0;
};

struct RunReport {
  std::string title = {};  // of the page: the run's name
  lwqat::v1::Run run = {};
  std::string version = {};  // of this program
  std::vector<LayerResult> layers = {};
  std::vector<TrainingCurve> curves = {};     // by block; pilots left out
  std::vector<double> scale_losses = {};      // of E2E-QP, by step
  std::vector<KindCost> costs = {};           // by kind
  std::vector<ModelDepthScores> scores = {};  // of sensitivity, at most one model
  Timeline timeline = {};
  std::vector<std::pair<std::string, std::string>> differences = {};  // of the recipe from its defaults
  std::vector<std::pair<std::string, std::string>> digests = {};      // of inputs and results, by what they are of
  std::vector<std::string> remarks = {};
};

RunReport BuildRunReport(const lwqat::v1::Run& run, const std::string& version);

// docs/reports.md, "The report of a run".
Json RunReportToJson(const RunReport& report);

}  // namespace lwq::reporting
