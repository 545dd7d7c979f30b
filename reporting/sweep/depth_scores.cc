// SPDX-License-Identifier: Apache-2.0
#include "reporting/sweep/depth_scores.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "reporting/sweep/statistics.h"

namespace lwq::reporting {
namespace {

using Measurements = std::map<std::string, std::set<std::vector<double>>>;  // by metric

DepthScores MeanScores(const std::string& metric, const std::set<std::vector<double>>& measurements) {
  DepthScores result{.metric = metric, .measurements = static_cast<int64_t>(measurements.size()), .scores = {}};
  result.scores.resize(measurements.begin()->size());
  for (const auto& scores : measurements) {
    for (size_t block = 0; block < scores.size(); ++block) result.scores[block] += scores[block];
  }
  for (double& score : result.scores) score /= static_cast<double>(measurements.size());
  return result;
}

}  // namespace

std::vector<ModelDepthScores> DepthScoresOf(const SweepRuns& sweep) {
  std::vector<std::string> digests;
  std::map<std::string, Measurements> of_model;
  std::map<std::string, std::string> name_of;
  for (const SweepRun& entry : sweep.runs) {
    if (entry.run.sensitivity().empty()) continue;
    const auto& measured = entry.run.sensitivity(0);
    const std::vector<double> scores(measured.scores().begin(), measured.scores().end());
    const bool finite = std::all_of(scores.begin(), scores.end(), [](double score) { return std::isfinite(score); });
    if (scores.empty() || !finite || measured.trained_blocks() > 0) continue;
    const auto& model = entry.run.spec().model();
    if (name_of.emplace(model.files().digest(), model.name()).second) digests.push_back(model.files().digest());
    auto& measurements = of_model[model.files().digest()][measured.metric()];
    if (measurements.empty() || measurements.begin()->size() == scores.size()) measurements.insert(scores);
  }
  std::vector<ModelDepthScores> models;
  for (const std::string& digest : digests) {
    ModelDepthScores& model =
        models.emplace_back(ModelDepthScores{.model = name_of[digest], .metrics = {}, .correlations = {}});
    for (const auto& [metric, measurements] : of_model[digest])
      model.metrics.push_back(MeanScores(metric, measurements));
    for (const DepthScores& a : model.metrics) {
      auto& row = model.correlations.emplace_back();
      for (const DepthScores& b : model.metrics) row.push_back(RankCorrelation(a.scores, b.scores));
    }
  }
  return models;
}

}  // namespace lwq::reporting
