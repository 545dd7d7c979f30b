// SPDX-License-Identifier: Apache-2.0
#include "client/render/evaluation_text.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/render/run_text.h"
#include "client/render/table.h"
#include "common/task/measured.h"
#include "reporting/metric.h"

namespace lwq::client {
namespace {

// In the order first seen. Where nothing was measured the table is an empty one of perplexities.
std::vector<std::string> MetricsOf(const lwqat::v1::Run& run) {
  std::vector<std::string> metrics;
  for (const auto& measured : run.measured()) {
    if (std::find(metrics.begin(), metrics.end(), measured.metric()) == metrics.end()) {
      metrics.push_back(measured.metric());
    }
  }
  if (metrics.empty()) metrics.push_back(kPerplexityMetric);
  return metrics;
}

// Heading of the counts: what they count, where that is the same for all metrics.
std::string CountTitle(const std::vector<std::string>& metrics) {
  const std::string counted = reporting::TraitsOfMetric(metrics.front()).counted;
  const auto same = [&](const std::string& metric) { return reporting::TraitsOfMetric(metric).counted == counted; };
  return std::all_of(metrics.begin(), metrics.end(), same) ? counted : "count";
}

}  // namespace

std::string RenderEvaluation(const lwqat::v1::Run& run) {
  const std::vector<std::string> metrics = MetricsOf(run);
  std::vector<Table::Column> columns = {{"model"}, {"text"}};
  for (const std::string& metric : metrics) columns.push_back({metric, true});
  columns.push_back({CountTitle(metrics), true});
  columns.push_back({"BOS"});
  Table table(columns);
  for (const auto& measured : run.measured()) {
    std::vector<std::string> cells = {run.spec().model().name(), measured.dataset()};
    for (const std::string& metric : metrics) {
      cells.push_back(metric == measured.metric() ? ValueText(measured) : "");
    }
    cells.push_back(absl::StrCat(measured.count()));
    cells.push_back(!measured.has_add_bos() ? "" : measured.add_bos() ? "added" : "none");
    table.AddRow(std::move(cells));
  }
  return table.Render();
}

}  // namespace lwq::client
