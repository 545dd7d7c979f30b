// SPDX-License-Identifier: Apache-2.0
#include "client/render/comparison_text.h"

#include <algorithm>
#include <vector>

#include "client/base/format.h"
#include "client/render/run_text.h"
#include "client/render/table.h"
#include "common/status/status.h"
#include "common/sweep/axes.h"
#include "reporting/metric.h"

namespace lwq::client {
namespace {

using reporting::Arm;
using reporting::ArmCost;
using reporting::SweepReport;

constexpr char kWidthLabel[] = "wbits";

std::string LabelOfArm(const Arm& arm, const std::string& label) {
  const auto found = arm.labels.find(label);
  return found == arm.labels.end() ? "" : OneLine(found->second);
}

// Positions of the arms: those without a width first, then width by width in the order first seen.
std::vector<size_t> ByWidth(const std::vector<Arm>& arms) {
  std::vector<std::string> widths = {""};
  for (const Arm& arm : arms) {
    const std::string width = LabelOfArm(arm, kWidthLabel);
    if (std::find(widths.begin(), widths.end(), width) == widths.end()) widths.push_back(width);
  }
  std::vector<size_t> order;
  for (const std::string& width : widths) {
    for (size_t i = 0; i < arms.size(); ++i) {
      if (LabelOfArm(arms[i], kWidthLabel) == width) order.push_back(i);
    }
  }
  return order;
}

std::string MissingText(const Arm& arm) {
  const auto runs = static_cast<int64_t>(arm.runs.size());
  return arm.succeeded == runs ? "" : absl::StrCat(arm.succeeded, " of ", runs, " succeeded");
}

}  // namespace

std::string RenderComparison(const SweepReport& report) {
  std::vector<Table::Column> columns = {{"method"}, {"bits", true}, {"stored bits", true}, {"seeds", true}};
  for (const reporting::ReportColumn& column : report.arms.columns) {
    columns.push_back(
        {absl::StrCat(reporting::TraitsOfMetric(column.metric).title, " ", OneLine(column.dataset)), true});
  }
  for (const char* title : {"time", "peak memory"}) columns.push_back({title, true});
  columns.push_back({"runs"});
  Table table(columns);
  for (const size_t i : ByWidth(report.arms.arms)) {
    const Arm& arm = report.arms.arms[i];
    const ArmCost& cost = report.cost.arms[i];
    int64_t seeds = 0;
    for (const auto& value : arm.values) seeds = std::max(seeds, value.has_value() ? value->mean.count : 0);
    const std::string named = LabelOfArm(arm, kArmKey);
    std::vector<std::string> cells = {
        named.empty() ? arm.name : named, LabelOfArm(arm, kWidthLabel),
        arm.stored_bits_per_weight.has_value() ? FormatFixed(*arm.stored_bits_per_weight, 3) : "",
        seeds > 1 ? absl::StrCat(seeds) : ""};
    for (size_t column = 0; column < report.arms.columns.size(); ++column) {
      const auto& value = arm.values[column];
      cells.push_back(value.has_value()
                          ? ValueText(report.arms.columns[column].metric, value->mean.mean, value->mean.standard_error)
                          : "");
    }
    const bool made = arm.stored_bits_per_weight.has_value();
    cells.push_back(made && cost.making_seconds > 0 ? FormatSeconds(cost.making_seconds) : "");
    cells.push_back(made && cost.making_peak_bytes > 0 ? FormatBytes(cost.making_peak_bytes) : "");
    cells.push_back(MissingText(arm));
    table.AddRow(std::move(cells));
  }
  std::string text = table.Render();
  std::string lines;
  for (const reporting::RunWithoutResult& run : report.without_result) {
    absl::StrAppend(&lines, OneLine(run.name), ": ", run.state, run.reason.empty() ? "" : ": ", OneLine(run.reason),
                    "\n");
  }
  for (const std::string& remark : report.arms.remarks) absl::StrAppend(&lines, OneLine(remark), "\n");
  return absl::StrCat(text, lines.empty() ? "" : "\n", lines);
}

}  // namespace lwq::client
