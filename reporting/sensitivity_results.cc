// SPDX-License-Identifier: Apache-2.0
#include "reporting/sensitivity_results.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <numeric>
#include <vector>

#include "reporting/run_facts.h"

namespace lwq::reporting {
namespace {

using lwqat::v1::Run;
using lwqat::v1::Sensitivity;

std::vector<double> ScoresOf(const Sensitivity& measured) {
  return {measured.scores().begin(), measured.scores().end()};
}

// A curvature or a rise of the loss that came out below 0 counts as 0, for policies and for sensitivity_file.
std::vector<double> AsPoliciesRead(std::vector<double> scores) {
  for (double& score : scores) score = score < 0 ? 0 : score;
  return scores;
}

// Most sensitive first, equal scores by depth.
std::vector<int> RankedLayers(const std::vector<double>& scores) {
  std::vector<int> layers(scores.size());
  std::iota(layers.begin(), layers.end(), 0);
  std::stable_sort(layers.begin(), layers.end(),
                   [&](int a, int b) { return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)]; });
  return layers;
}

// The standard deviation is that of the blocks themselves (divided by n), as in the author's program's files.
Json StatisticsOf(const std::vector<double>& scores) {
  if (scores.empty()) return Json::object();
  const auto count = static_cast<double>(scores.size());
  const double mean = std::accumulate(scores.begin(), scores.end(), 0.0) / count;
  double squares = 0;
  for (const double score : scores) squares += (score - mean) * (score - mean);
  const auto least = std::min_element(scores.begin(), scores.end());
  const auto most = std::max_element(scores.begin(), scores.end());
  return Json{{"mean", mean},
              {"std", std::sqrt(squares / count)},
              {"min", *least},
              {"max", *most},
              {"most_sensitive_layer", most - scores.begin()},
              {"least_sensitive_layer", least - scores.begin()},
              {"sensitivity_range", *least > 0 ? Json(*most / *least) : Json(nullptr)}};
}

// The shape as config.json has it; what it leaves out is left out.
Json ModelToJson(const Run& run, size_t blocks) {
  Json model{{"name", run.spec().model().name()}, {"num_layers", blocks}};
  const auto config = ParseJson(run.spec().model().config_json(), "config.json");
  if (!config.ok()) return model;
  for (const char* key : {"hidden_size", "num_attention_heads"}) {
    if (const auto value = JsonInt(*config, key, "config.json"); value.ok()) model[key] = *value;
  }
  return model;
}

void AddTable(const Sensitivity& measured, Json* json) {
  if (measured.choices().empty()) return;
  Json& choices = (*json)["choices"] = Json::array();
  for (const auto& choice : measured.choices()) {
    choices.push_back(Json{{"bits", choice.bits()}, {"group_size", choice.group_size()}});
  }
  Json& table = (*json)["table"] = Json::array();
  for (const auto& row : measured.table()) {
    table.push_back(Json(std::vector<double>(row.loss().begin(), row.loss().end())));
  }
}

}  // namespace

StatusOr<Json> SensitivityResults(const Run& run) {
  const std::string who = absl::StrCat("run ", ShortId(run.id()));
  if (run.sensitivity().empty()) {
    const bool given = run.spec().sensitivity_scores_size() > 0;
    return absl::FailedPreconditionError(
        absl::StrCat(who, given ? " took its scores from sensitivity_file and measured none"
                                : absl::StrCat(" has measured no sensitivity (it is ", RunStateName(run.state()),
                                               "); method sensitivity, or a policy that goes by it, measures it")));
  }
  const Sensitivity& measured = run.sensitivity(0);
  const std::vector<double> scores = AsPoliciesRead(ScoresOf(measured));
  Json json{{"model", ModelToJson(run, scores.size())},
            {"dataset",
             {{"name", run.spec().calibration().name()},
              {"num_samples", measured.samples()},
              {"max_length", measured.seqlen()}}},
            {"method", measured.metric()},
            {"sensitivity_scores", scores},
            {"ranked_layers", RankedLayers(scores)},
            {"statistics", StatisticsOf(scores)},
            {"samples", measured.samples()},
            {"seqlen", measured.seqlen()}};
  if (!measured.standard_errors().empty()) {
    json["standard_errors"] = std::vector<double>(measured.standard_errors().begin(), measured.standard_errors().end());
  }
  if (scores != ScoresOf(measured)) json["measured_scores"] = ScoresOf(measured);
  AddTable(measured, &json);
  for (int i = 1; i < run.sensitivity_size(); ++i) {
    json["remeasured"].push_back(Json{{"trained_blocks", run.sensitivity(i).trained_blocks()},
                                      {"sensitivity_scores", ScoresOf(run.sensitivity(i))}});
  }
  return json;
}

std::string SensitivityFileName(const Run& run) {
  const std::string& name = run.spec().model().name();
  std::string plain = name.substr(name.find_last_of('/') + 1);
  for (char& c : plain) {
    c = std::isalnum(static_cast<unsigned char>(c)) ? static_cast<char>(std::tolower(static_cast<unsigned char>(c)))
                                                    : '_';
  }
  return absl::StrCat("sensitivity_results_", plain.empty() ? "model" : plain, ".json");
}

}  // namespace lwq::reporting
