// SPDX-License-Identifier: Apache-2.0
#include "reporting/task_metrics.h"

#include <utility>

namespace lwq::reporting {

Json MetricsOf(const lwqat::v1::Task& task) {
  if (task.metrics_json().empty()) return Json::object();
  auto metrics = ParseJson(task.metrics_json(), "metrics");
  return metrics.ok() && metrics->is_object() ? *std::move(metrics) : Json::object();
}

std::optional<double> NumberOf(const Json& metrics, std::string_view key) {
  const auto value = JsonDouble(metrics, key, "metrics");
  return value.ok() ? std::optional<double>(*value) : std::nullopt;
}

std::optional<int64_t> IntegerOf(const Json& metrics, std::string_view key) {
  const auto value = JsonInt(metrics, key, "metrics");
  return value.ok() ? std::optional<int64_t>(*value) : std::nullopt;
}

}  // namespace lwq::reporting
