// SPDX-License-Identifier: Apache-2.0
#include "common/metrics/families.h"

namespace lwq {
namespace {

prometheus::MetricFamily FamilyOf(std::string name, std::string help, prometheus::MetricType type) {
  prometheus::MetricFamily family;
  family.name = std::move(name);
  family.help = std::move(help);
  family.type = type;
  return family;
}

}  // namespace

prometheus::MetricFamily GaugeFamily(std::string name, std::string help) {
  return FamilyOf(std::move(name), std::move(help), prometheus::MetricType::Gauge);
}

prometheus::MetricFamily CounterFamily(std::string name, std::string help) {
  return FamilyOf(std::move(name), std::move(help), prometheus::MetricType::Counter);
}

void AddSeries(prometheus::MetricFamily& family, const MetricLabels& labels, double value) {
  prometheus::ClientMetric metric;
  for (const auto& [name, text] : labels) metric.label.push_back({name, text});
  metric.gauge.value = value;
  metric.counter.value = value;
  family.metric.push_back(std::move(metric));
}

std::vector<double> CallSecondsBuckets() {
  return {0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60};
}

std::vector<double> TaskSecondsBuckets() {
  return {0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3600, 10'000, 36'000, 86'400};
}

}  // namespace lwq
