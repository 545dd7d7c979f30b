// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/policy/measurement.h"

#include <algorithm>

namespace lwq::coordinator {
namespace {

Json TableToJson(const std::optional<ScoreTable>& table) {
  if (!table.has_value()) return nullptr;
  Json choices = Json::array();
  for (const QuantChoice& choice : table->choices) {
    choices.push_back(Json{{"bits", choice.bits}, {"group_size", choice.group_size}});
  }
  return Json{{"choices", std::move(choices)}, {"loss", table->loss}};
}

StatusOr<std::vector<double>> NumbersFromJson(const Json& json, std::string_view what) {
  const absl::Status damaged = absl::DataLossError(absl::StrCat(what, ": expected a list of numbers"));
  if (!json.is_array()) return damaged;
  std::vector<double> numbers;
  for (const Json& number : json) {
    if (!number.is_number()) return damaged;
    numbers.push_back(number.get<double>());
  }
  return numbers;
}

StatusOr<std::optional<ScoreTable>> TableFromJson(const Json& json, std::string_view what) {
  if (json.is_null()) return std::nullopt;
  if (!json.is_object() || !json.contains("choices") || !json["choices"].is_array() || !json.contains("loss") ||
      !json["loss"].is_array()) {
    return absl::DataLossError(absl::StrCat(what, ": a table needs choices and loss"));
  }
  ScoreTable table;
  for (const Json& choice : json["choices"]) {
    LWQ_ASSIGN_OR_RETURN(const int64_t bits, JsonInt(choice, "bits", what));
    LWQ_ASSIGN_OR_RETURN(const int64_t group_size, JsonInt(choice, "group_size", what));
    table.choices.push_back({static_cast<int>(bits), group_size});
  }
  for (const Json& row : json["loss"]) {
    LWQ_ASSIGN_OR_RETURN(std::vector<double> losses, NumbersFromJson(row, what));
    table.loss.push_back(std::move(losses));
  }
  return table;
}

}  // namespace

std::string_view MetricWord(const Measurement& measurement) {
  return measurement.metric.has_value() ? WordOf(*measurement.metric) : "";
}

std::vector<double> PolicyScores(const Measurement& measurement) {
  std::vector<double> scores = measurement.scores;
  for (double& score : scores) score = std::max(score, 0.0);
  return scores;
}

Json MeasurementToJson(const Measurement& measurement) {
  return Json{{"metric", std::string(MetricWord(measurement))},
              {"scores", measurement.scores},
              {"standard_errors", measurement.standard_errors},
              {"table", TableToJson(measurement.table)},
              {"squared_error", TableToJson(measurement.squared_error)},
              {"trained_blocks", measurement.trained_blocks},
              {"samples", measurement.samples},
              {"seqlen", measurement.seqlen}};
}

StatusOr<Measurement> MeasurementFromJson(const Json& json, std::string_view what) {
  const auto parse = [&]() -> StatusOr<Measurement> {
    Measurement measurement;
    LWQ_ASSIGN_OR_RETURN(const std::string metric, JsonString(json, "metric", what));
    measurement.metric = ParseWord<SensitivityMetric>(metric);
    if (!metric.empty() && !measurement.metric.has_value()) {
      return absl::DataLossError(
          absl::StrCat(what, ": metric ", UnknownWordMessage(metric, kWords<SensitivityMetric>)));
    }
    LWQ_ASSIGN_OR_RETURN(measurement.trained_blocks, JsonInt(json, "trained_blocks", what));
    LWQ_ASSIGN_OR_RETURN(measurement.samples, JsonInt(json, "samples", what));
    LWQ_ASSIGN_OR_RETURN(measurement.seqlen, JsonInt(json, "seqlen", what));
    for (const char* name : {"scores", "standard_errors", "table", "squared_error"}) {
      if (!json.contains(name)) return absl::DataLossError(absl::StrCat(what, ": '", name, "' is missing"));
    }
    LWQ_ASSIGN_OR_RETURN(measurement.scores, NumbersFromJson(json["scores"], what));
    LWQ_ASSIGN_OR_RETURN(measurement.standard_errors, NumbersFromJson(json["standard_errors"], what));
    LWQ_ASSIGN_OR_RETURN(measurement.table, TableFromJson(json["table"], what));
    LWQ_ASSIGN_OR_RETURN(measurement.squared_error, TableFromJson(json["squared_error"], what));
    return measurement;
  };
  StatusOr<Measurement> measurement = parse();
  if (!measurement.ok()) return absl::DataLossError(absl::StrCat(MessageOf(measurement.status())));
  return measurement;
}

}  // namespace lwq::coordinator
