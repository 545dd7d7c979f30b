// SPDX-License-Identifier: Apache-2.0
#include "common/task/measured.h"

#include <cmath>
#include <set>

#include "common/text/one_line.h"

namespace lwq {
namespace {

constexpr char kWhat[] = "measured";

template <typename T>
void PutIfKnown(const std::optional<T>& value, const char* key, Json& json) {
  if (value.has_value()) json[key] = *value;
}

// Metric, standard error and count; the value is read by the caller, to whom null means different things.
StatusOr<Measured> ReadCommon(const Json& json) {
  Measured measured;
  LWQ_ASSIGN_OR_RETURN(measured.metric, JsonString(json, "metric", kWhat));
  LWQ_ASSIGN_OR_RETURN(measured.count, JsonInt(json, "count", kWhat));
  if (json.contains("standard_error")) {
    LWQ_ASSIGN_OR_RETURN(measured.standard_error, JsonDouble(json, "standard_error", kWhat));
  }
  return measured;
}

Status CheckReported(const Measured& measured) {
  const auto bad = [](const auto&... what) { return absl::InvalidArgumentError(absl::StrCat(kWhat, ": ", what...)); };
  if (measured.metric.empty() || OneLine(measured.metric, kMaxMetricBytes) != measured.metric) {
    return bad("a metric's name must be one line of 1 to ", kMaxMetricBytes, " bytes, not '",
               OneLine(measured.metric, kMaxMetricBytes), "'");
  }
  if (!std::isfinite(measured.value)) return bad(measured.metric, " is not finite");
  if (measured.count < 0) return bad("the count of ", measured.metric, " is ", measured.count);
  if (measured.standard_error.has_value() &&
      !(std::isfinite(*measured.standard_error) && *measured.standard_error >= 0)) {
    return bad("the standard error of ", measured.metric, " is ", *measured.standard_error);
  }
  return absl::OkStatus();
}

// As reduce_ppl reported in its version 1.
StatusOr<std::vector<Measured>> PerplexityOfVersion1(const Json& metrics) {
  Measured measured{.metric = kPerplexityMetric};
  LWQ_ASSIGN_OR_RETURN(measured.value, JsonDouble(metrics, "perplexity", "metrics"));
  LWQ_ASSIGN_OR_RETURN(measured.count, JsonInt(metrics, "tokens", "metrics"));
  LWQ_RETURN_IF_ERROR(CheckReported(measured));
  return std::vector<Measured>{std::move(measured)};
}

}  // namespace

Json Measured::ToJson() const {
  Json json{{"subject", subject}, {"dataset", dataset}, {"metric", metric}, {"value", value}, {"count", count}};
  PutIfKnown(standard_error, "standard_error", json);
  PutIfKnown(add_bos, "add_bos", json);
  return json;
}

StatusOr<Measured> Measured::FromJson(const Json& json) {
  LWQ_ASSIGN_OR_RETURN(Measured measured, ReadCommon(json));
  LWQ_ASSIGN_OR_RETURN(measured.subject, JsonString(json, "subject", kWhat));
  LWQ_ASSIGN_OR_RETURN(measured.dataset, JsonString(json, "dataset", kWhat));
  if (json.contains("value") && json["value"].is_null()) {
    measured.value = HUGE_VAL;
  } else {
    LWQ_ASSIGN_OR_RETURN(measured.value, JsonDouble(json, "value", kWhat));
  }
  if (json.contains("add_bos")) {
    LWQ_ASSIGN_OR_RETURN(measured.add_bos, JsonBool(json, "add_bos", kWhat));
  }
  return measured;
}

Json MeasuredMetrics(const std::vector<Measured>& measured) {
  Json list = Json::array();
  for (const Measured& one : measured) {
    Json& entry = list.emplace_back(Json{{"metric", one.metric}, {"value", one.value}, {"count", one.count}});
    PutIfKnown(one.standard_error, "standard_error", entry);
  }
  return list;
}

StatusOr<std::vector<Measured>> MeasuredOf(const Json& metrics) {
  if (!metrics.is_object()) return absl::InvalidArgumentError("metrics is not a JSON object");
  const auto list = metrics.find("measured");
  if (list == metrics.end()) {
    return metrics.contains("perplexity") ? PerplexityOfVersion1(metrics) : std::vector<Measured>();
  }
  if (!list->is_array()) return absl::InvalidArgumentError(absl::StrCat(kWhat, " is not a list"));
  std::vector<Measured> all;
  std::set<std::string> names;
  for (const Json& entry : *list) {
    LWQ_ASSIGN_OR_RETURN(Measured measured, ReadCommon(entry));
    LWQ_ASSIGN_OR_RETURN(measured.value, JsonDouble(entry, "value", kWhat));
    LWQ_RETURN_IF_ERROR(CheckReported(measured));
    if (!names.insert(measured.metric).second) {
      return absl::InvalidArgumentError(absl::StrCat(kWhat, ": ", measured.metric, " stands there twice"));
    }
    all.push_back(std::move(measured));
  }
  return all;
}

}  // namespace lwq
