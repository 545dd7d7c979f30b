// SPDX-License-Identifier: Apache-2.0
// What reports have to know of the metrics that evaluations measure: a row each in a table. Pure; thread-safe.
//
// A metric without a row is shown under its own name; nobody then says which of two values is the better one.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lwq::reporting {

struct MetricTraits {
  std::string title;                    // above its columns: "ppl"
  std::string counted;                  // what its count counts, in the plural: "tokens"
  std::optional<bool> lower_is_better;  // absent where unknown
  bool recovers_in_logs = false;        // whether a recovered share of its logarithm makes sense (report.h)
  bool needs_equal_windows = false;     // whether values compare only at the same ppl_seqlen
  int decimals = 4;                     // that a value is shown with
};

MetricTraits TraitsOfMetric(std::string_view metric);

// What the count of a metric on a text or zero-shot task counts: a text's perplexity tokens, a task's its items.
std::string CountedBy(std::string_view metric, std::string_view dataset);

}  // namespace lwq::reporting
