// SPDX-License-Identifier: Apache-2.0
#include "client/render/report_text.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "client/base/format.h"
#include "client/render/run_text.h"
#include "client/render/table.h"
#include "common/status/status.h"
#include "reporting/metric.h"

namespace lwq::client {
namespace {

using reporting::Report;
using reporting::ReportColumn;
using reporting::ReportRow;
using reporting::ReportValue;

// In the order first seen.
std::vector<std::string> DatasetsOf(const Report& report) {
  std::vector<std::string> datasets;
  for (const ReportColumn& column : report.columns) {
    if (std::find(datasets.begin(), datasets.end(), column.dataset) == datasets.end()) {
      datasets.push_back(column.dataset);
    }
  }
  return datasets;
}

// Whether a row's text had a BOS put before it, where any of its values says so.
std::optional<bool> AddedBos(const ReportRow& row, const std::string& dataset) {
  for (const ReportValue& value : row.measured) {
    if (value.column.dataset == dataset && value.add_bos.has_value()) return value.add_bos;
  }
  return std::nullopt;
}

// "BOS added to heldout; not to wiki". Where rows differ on a text, those that had it added are named.
std::string BosLine(const Report& report) {
  std::vector<std::string> added;
  std::vector<std::string> not_added;
  for (const std::string& text : DatasetsOf(report)) {
    std::vector<std::string> with;
    size_t known = 0;
    for (const ReportRow& row : report.rows) {
      const std::optional<bool> bos = AddedBos(row, text);
      if (!bos.has_value()) continue;
      ++known;
      if (*bos) with.push_back(row.name);
    }
    if (known == 0) continue;
    if (with.empty()) {
      not_added.push_back(text);
    } else {
      added.push_back(with.size() == known ? text : absl::StrCat(text, " (", absl::StrJoin(with, ", "), " only)"));
    }
  }
  if (added.empty() && not_added.empty()) return "";
  if (added.empty()) return absl::StrCat("no BOS added to ", absl::StrJoin(not_added, ", "), "\n");
  return absl::StrCat("BOS added to ", absl::StrJoin(added, ", "),
                      not_added.empty() ? "" : absl::StrCat("; not to ", absl::StrJoin(not_added, ", ")), "\n");
}

std::string ShareText(const ReportRow& row, const std::vector<ReportColumn>& columns) {
  std::string text;
  for (const ReportColumn& column : columns) {
    const ReportValue* found = ValueIn(row, column);
    if (found == nullptr || !found->recovered_share.has_value()) continue;
    absl::StrAppend(&text, text.empty() ? "" : " / ", FormatFixed(*found->recovered_share * 100, 1), " %");
  }
  return text;
}

}  // namespace

std::string RenderReport(const Report& report) {
  std::vector<Table::Column> columns = {{"name"},      {"method"}, {"preset"}, {"bits/group"}, {"stored bits", true},
                                        {"size", true}};
  for (const ReportColumn& column : report.columns) {
    columns.push_back({absl::StrCat(reporting::TraitsOfMetric(column.metric).title, " ", column.dataset), true});
  }
  for (const char* title : {"recovered", "steps", "time"}) columns.push_back({title, true});
  columns.push_back({"result"});
  columns.push_back({"state"});
  Table table(columns);
  bool all_succeeded = true;
  for (const ReportRow& row : report.rows)
    all_succeeded = all_succeeded && (row.state.empty() || row.state == "succeeded");
  std::string recipes;
  std::string remarks;
  for (const ReportRow& row : report.rows) {
    const bool quantized = row.average_bits > 0;
    std::vector<std::string> cells = {row.name,
                                      row.method,
                                      row.preset,
                                      quantized
                                          ? absl::StrCat(FormatSignificant(row.average_bits, 4), "/",
                                                         row.group_size > 0 ? absl::StrCat(row.group_size) : "row")
                                          : "",
                                      quantized ? FormatFixed(row.stored_bits_per_weight, 3) : "",
                                      row.size_bytes > 0 ? FormatBytes(row.size_bytes) : ""};
    for (const ReportColumn& column : report.columns) {
      const ReportValue* measured = ValueIn(row, column);
      cells.push_back(measured != nullptr ? ValueText(column.metric, measured->value, measured->standard_error) : "");
    }
    cells.push_back(ShareText(row, report.columns));
    cells.push_back(row.steps > 0 ? absl::StrCat(row.steps) : "");
    cells.push_back(row.run_id.empty() ? "" : FormatSeconds(row.seconds));
    cells.push_back(row.result_digest.substr(0, 12));
    cells.push_back(all_succeeded ? "" : row.stopped.empty() ? row.state : absl::StrCat(row.state, " ", row.stopped));
    table.AddRow(std::move(cells));
    if (!row.recipe.empty()) absl::StrAppend(&recipes, row.name, ": ", row.recipe, "\n");
    for (const std::string& remark : row.remarks) absl::StrAppend(&remarks, row.name, ": ", remark, "\n");
  }
  const std::string bos = BosLine(report);
  return absl::StrCat(table.Render(), recipes.empty() ? "" : "\n", recipes, remarks.empty() ? "" : "\n", remarks,
                      bos.empty() ? "" : "\n", bos);
}

}  // namespace lwq::client
