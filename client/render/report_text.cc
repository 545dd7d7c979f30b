// SPDX-License-Identifier: Apache-2.0
#include "client/render/report_text.h"

#include "absl/strings/str_join.h"
#include "client/base/format.h"
#include "client/render/table.h"
#include "common/status/status.h"

namespace lwq::client {
namespace {

using reporting::Report;
using reporting::ReportRow;

// "BOS added to heldout; not to wiki". Where rows differ on a text, those that had it added are named.
std::string BosLine(const Report& report) {
  std::vector<std::string> added;
  std::vector<std::string> not_added;
  for (const std::string& text : report.texts) {
    std::vector<std::string> with;
    size_t known = 0;
    for (const ReportRow& row : report.rows) {
      const auto found = row.add_bos.find(text);
      if (found == row.add_bos.end()) continue;
      ++known;
      if (found->second) with.push_back(row.name);
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

std::string ShareText(const ReportRow& row, const std::vector<std::string>& texts) {
  std::string text;
  for (const std::string& name : texts) {
    const auto found = row.recovered_share.find(name);
    if (found == row.recovered_share.end()) continue;
    absl::StrAppend(&text, text.empty() ? "" : " / ", FormatFixed(found->second * 100, 1), " %");
  }
  return text;
}

}  // namespace

std::string RenderReport(const Report& report) {
  std::vector<Table::Column> columns = {{"name"},      {"method"}, {"preset"}, {"bits/group"}, {"stored bits", true},
                                        {"size", true}};
  for (const std::string& text : report.texts) columns.push_back({absl::StrCat("ppl ", text), true});
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
    for (const std::string& text : report.texts) {
      const auto measured = row.perplexity.find(text);
      cells.push_back(measured != row.perplexity.end() ? FormatFixed(measured->second, 4) : "");
    }
    cells.push_back(ShareText(row, report.texts));
    cells.push_back(row.steps > 0 ? absl::StrCat(row.steps) : "");
    cells.push_back(row.run_id.empty() ? "" : FormatSeconds(row.seconds));
    cells.push_back(row.result_digest.substr(0, 12));
    cells.push_back(all_succeeded ? "" : row.state);
    table.AddRow(std::move(cells));
    if (!row.recipe.empty()) absl::StrAppend(&recipes, row.name, ": ", row.recipe, "\n");
    for (const std::string& remark : row.remarks) absl::StrAppend(&remarks, row.name, ": ", remark, "\n");
  }
  const std::string bos = BosLine(report);
  return absl::StrCat(table.Render(), recipes.empty() ? "" : "\n", recipes, remarks.empty() ? "" : "\n", remarks,
                      bos.empty() ? "" : "\n", bos);
}

}  // namespace lwq::client
