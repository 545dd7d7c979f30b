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

// Metrics of one evaluation, which are over the same items, stand in one row.
std::vector<std::vector<lwqat::v1::Measured>> RowsOf(const lwqat::v1::Run& run) {
  std::vector<std::vector<lwqat::v1::Measured>> rows;
  for (const auto& measured : run.measured()) {
    const lwqat::v1::Measured* before = rows.empty() ? nullptr : &rows.back().back();
    const bool together = before != nullptr && before->subject() == measured.subject() &&
                          before->dataset() == measured.dataset() && before->count() == measured.count() &&
                          before->metric() != measured.metric();
    if (!together) rows.emplace_back();
    rows.back().push_back(measured);
  }
  return rows;
}

}  // namespace

std::string RenderEvaluation(const lwqat::v1::Run& run) {
  const std::vector<std::string> metrics = MetricsOf(run);
  std::vector<Table::Column> columns = {{"model"}, {"text"}};
  for (const std::string& metric : metrics) columns.push_back({metric, true});
  columns.push_back({CountTitle(metrics), true});
  columns.push_back({"BOS"});
  Table table(columns);
  for (const std::vector<lwqat::v1::Measured>& together : RowsOf(run)) {
    const lwqat::v1::Measured& first = together.front();
    std::vector<std::string> cells = {run.spec().model().name(), first.dataset()};
    for (const std::string& metric : metrics) {
      const auto of_metric = [&](const lwqat::v1::Measured& one) { return one.metric() == metric; };
      const auto found = std::find_if(together.begin(), together.end(), of_metric);
      cells.push_back(found == together.end() ? "" : ValueText(*found));
    }
    cells.push_back(absl::StrCat(first.count()));
    cells.push_back(!first.has_add_bos() ? "" : first.add_bos() ? "added" : "none");
    table.AddRow(std::move(cells));
  }
  return table.Render();
}

}  // namespace lwq::client
