// SPDX-License-Identifier: Apache-2.0
#include "reporting/metric.h"

#include "common/task/measured.h"

namespace lwq::reporting {
namespace {

struct Row {
  std::string_view metric;
  std::string_view title;
  std::string_view counted;
  bool lower_is_better;
  bool recovers_in_logs;
  bool needs_equal_windows;
};

constexpr Row kRows[] = {
    {kPerplexityMetric, "ppl", "tokens", true, true, true},
    {kAccuracyMetric, "acc", "items", false, false, false},
    {kNormalizedAccuracyMetric, "acc_norm", "items", false, false, false},
};

}  // namespace

MetricTraits TraitsOfMetric(std::string_view metric) {
  for (const Row& row : kRows) {
    if (row.metric != metric) continue;
    return {.title = std::string(row.title),
            .counted = std::string(row.counted),
            .lower_is_better = row.lower_is_better,
            .recovers_in_logs = row.recovers_in_logs,
            .needs_equal_windows = row.needs_equal_windows};
  }
  return {.title = std::string(metric), .counted = "samples", .lower_is_better = std::nullopt};
}

}  // namespace lwq::reporting
