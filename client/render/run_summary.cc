// SPDX-License-Identifier: Apache-2.0
#include "client/render/run_summary.h"

#include <algorithm>
#include <map>
#include <vector>

#include "client/base/format.h"
#include "common/status/status.h"

namespace lwq::client {
namespace {

using reporting::KindCost;
using reporting::LayerResult;
using reporting::RunReport;

std::string SummaryLine(std::string_view label, const std::string& text) {
  return text.empty() ? "" : absl::StrCat(PadRight(label, 12), " ", text, "\n");
}

// "12: 9 at 2 bits, 3 at 4 bits; 2.781 stored bits a weight".
std::string BlocksText(const RunReport& report) {
  std::map<int, int> blocks;
  for (const LayerResult& layer : report.layers) ++blocks[layer.plan.bit_width()];
  std::string text;
  for (const auto& [bits, count] : blocks) {
    absl::StrAppend(&text, text.empty() ? absl::StrCat(report.layers.size(), ": ") : ", ", count, " at ", bits,
                    " bits");
  }
  if (text.empty()) return "";
  return absl::StrCat(text, "; ", FormatFixed(report.run.plan().stored_bits_per_weight(), 3), " stored bits a weight");
}

// Of the blocks that have both: how much less the loss is, in the middle and at either end.
std::string LossesText(const RunReport& report) {
  std::vector<double> falls;
  for (const LayerResult& layer : report.layers) {
    if (!layer.initial_val_loss.has_value() || !layer.final_val_loss.has_value() || *layer.initial_val_loss <= 0)
      continue;
    falls.push_back(100 * (1 - *layer.final_val_loss / *layer.initial_val_loss));
  }
  if (falls.empty()) return "";
  std::sort(falls.begin(), falls.end());
  return absl::StrCat("validation loss lower by ", FormatFixed(falls[falls.size() / 2], 1), " % in the median of ",
                      falls.size(), falls.size() == 1 ? " block" : " blocks", " (", FormatFixed(falls.front(), 1),
                      " to ", FormatFixed(falls.back(), 1), " %)");
}

std::string TookText(const RunReport& report) {
  double seconds = 0;
  int64_t peak_bytes = 0;
  int64_t rss_bytes = 0;
  for (const KindCost& cost : report.costs) {
    seconds += cost.seconds;
    peak_bytes = std::max(peak_bytes, cost.peak_memory_bytes);
    rss_bytes = std::max(rss_bytes, cost.peak_rss_bytes);
  }
  if (seconds <= 0) return "";
  std::string text = absl::StrCat(FormatSeconds(seconds), " of device time");
  if (peak_bytes > 0) absl::StrAppend(&text, ", tensors of at most ", FormatBytes(peak_bytes));
  if (rss_bytes > 0) absl::StrAppend(&text, ", processes of at most ", FormatBytes(rss_bytes));
  return text;
}

std::string RecipeText(const RunReport& report) {
  std::string text;
  for (const auto& [key, value] : report.differences) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", key, " ", OneLine(value));
  }
  return text;
}

}  // namespace

std::string RenderRunSummary(const RunReport& report) {
  return absl::StrCat(SummaryLine("blocks", BlocksText(report)), SummaryLine("losses", LossesText(report)),
                      SummaryLine("took", TookText(report)), SummaryLine("not default", RecipeText(report)),
                      SummaryLine("result", report.run.result_digest()));
}

}  // namespace lwq::client
