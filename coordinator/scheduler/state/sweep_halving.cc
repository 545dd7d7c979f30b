// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/sweep_halving.h"

namespace lwq::coordinator {

std::string_view WordOf(HalvingMetric metric) {
  switch (metric) {
    case HalvingMetric::kBlockLoss:
      return "block_loss";
    case HalvingMetric::kPerplexity:
      return "perplexity";
  }
  return "";
}

std::string_view WordOf(HalvingOrder order) {
  switch (order) {
    case HalvingOrder::kSynchronous:
      return "synchronous";
    case HalvingOrder::kAsynchronous:
      return "asynchronous";
  }
  return "";
}

std::optional<HalvingMetric> ParseHalvingMetric(std::string_view word) {
  for (const HalvingMetric metric : {HalvingMetric::kBlockLoss, HalvingMetric::kPerplexity}) {
    if (WordOf(metric) == word) return metric;
  }
  return std::nullopt;
}

std::optional<HalvingOrder> ParseHalvingOrder(std::string_view word) {
  for (const HalvingOrder order : {HalvingOrder::kSynchronous, HalvingOrder::kAsynchronous}) {
    if (WordOf(order) == word) return order;
  }
  return std::nullopt;
}

}  // namespace lwq::coordinator
