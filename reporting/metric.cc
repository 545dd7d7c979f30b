// SPDX-License-Identifier: Apache-2.0
#include "reporting/metric.h"

#include "common/eval_tasks/eval_task_names.h"
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
  int decimals = 4;
};

constexpr Row kRows[] = {
    {kPerplexityMetric, "ppl", "tokens", true, true, true},
    {kAccuracyMetric, "acc", "items", false, false, false},
    {kNormalizedAccuracyMetric, "acc_norm", "items", false, false, false},
    {kWordPerplexityMetric, "word ppl", "words", true, true, true},
    {kBytePerplexityMetric, "byte ppl", "bytes", true, true, true},
    {kBitsPerByteMetric, "bits/byte", "bytes", true, false, true},
    {kKlDivergenceMetric, "KL", "predicted tokens", true, false, true, 6},
    {kTop1AgreementMetric, "top-1", "predicted tokens", false, false, true},
};

}  // namespace

MetricTraits TraitsOfMetric(std::string_view metric) {
  for (const Row& row : kRows) {
    if (row.metric != metric) continue;
    return {.title = std::string(row.title),
            .counted = std::string(row.counted),
            .lower_is_better = row.lower_is_better,
            .recovers_in_logs = row.recovers_in_logs,
            .needs_equal_windows = row.needs_equal_windows,
            .decimals = row.decimals};
  }
  return {.title = std::string(metric), .counted = "samples", .lower_is_better = std::nullopt};
}

std::string CountedBy(std::string_view metric, std::string_view dataset) {
  return metric == kPerplexityMetric && IsEvalTask(dataset) ? "items" : TraitsOfMetric(metric).counted;
}

}  // namespace lwq::reporting
