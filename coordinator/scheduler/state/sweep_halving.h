// SPDX-License-Identifier: Apache-2.0
// What a sweep's halving goes by, as it is remembered. Values; what it decides: common/search/halving.h.
#pragma once

#include <optional>
#include <string_view>

#include "common/search/halving.h"

namespace lwq::coordinator {

using search::CheckHalving, search::Promotion, search::ReplayHalving, search::RungBlocks, search::RungResult;
using search::HalvingDecision, search::HalvingOrder, search::HalvingPlace, search::HalvingRule, search::HalvingSweep;

enum class HalvingMetric {
  kBlockLoss,   // the best validation loss of the last block trained
  kPerplexity,  // of the model whose blocks trained so far are quantized, on the run's first text
};

// "block_loss", "perplexity"; "synchronous", "asynchronous". Parsing is exact; nothing else is a word of theirs.
std::string_view WordOf(HalvingMetric metric);
std::string_view WordOf(HalvingOrder order);
std::optional<HalvingMetric> ParseHalvingMetric(std::string_view word);
std::optional<HalvingOrder> ParseHalvingOrder(std::string_view word);

struct SweepHalving {
  HalvingMetric metric = HalvingMetric::kBlockLoss;
  HalvingRule rule;  // of a submission that is not accepted yet, without runs and blocks
  friend bool operator==(const SweepHalving&, const SweepHalving&) = default;
};

}  // namespace lwq::coordinator
