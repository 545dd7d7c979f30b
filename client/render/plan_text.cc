// SPDX-License-Identifier: Apache-2.0
#include "client/render/plan_text.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "client/base/format.h"
#include "client/render/run_text.h"
#include "client/render/table.h"
#include "common/status/status.h"
#include "reporting/recipe_words.h"
#include "reporting/run_facts.h"

namespace lwq::client {
namespace {

using lwqat::v1::BlockPlan;
using lwqat::v1::Plan;

constexpr int kHeaderEvery = 32;    // rows
constexpr int kFrontierAround = 3;  // points on each side of the plan's

std::string Rate(double value) {
  return value > 0 ? FormatSignificant(value, 4) : "";
}

// Whether blocks are trained together.
bool HasUnits(const Plan& plan) {
  const auto joined = [](const BlockPlan& block) { return block.unit() != block.layer_idx(); };
  return std::any_of(plan.blocks().begin(), plan.blocks().end(), joined);
}

// All cells but the block's own number and position.
std::vector<std::string> CellsOf(const BlockPlan& block, bool has_units) {
  return {has_units ? absl::StrCat(block.unit()) : "",
          absl::StrCat(block.bit_width()),
          block.group_size() > 0 ? absl::StrCat(block.group_size()) : "row",
          FormatFixed(block.stored_bits_per_weight(), 3),
          block.has_sensitivity() ? FormatSignificant(block.sensitivity(), 6) : "",
          Rate(block.epochs()),
          block.steps() > 0 ? absl::StrCat(block.steps()) : "",
          Rate(block.quant_lr()),
          Rate(block.zp_lr()),
          Rate(block.weight_lr()),
          Rate(block.patience())};
}

std::string Span(int first, int last) {
  return first == last ? absl::StrCat(first) : absl::StrCat(first, "-", last);
}

std::string BlockTable(const Plan& plan) {
  Table table({{"block", true},
               {"position", true},
               {"unit", true},
               {"bits", true},
               {"group", true},
               {"stored bits", true},
               {"sensitivity", true},
               {"epochs", true},
               {"steps", true},
               {"quant_lr", true},
               {"zp_lr", true},
               {"weight_lr", true},
               {"patience", true}});
  const bool has_units = HasUnits(plan);
  const bool fold = plan.blocks_size() > kBlocksListed;
  for (int first = 0; first < plan.blocks_size();) {
    std::vector<std::string> cells = CellsOf(plan.blocks(first), has_units);
    int last = first;
    const auto continues = [&](int next) {
      return fold && next < plan.blocks_size() &&
             plan.blocks(next).position() == plan.blocks(next - 1).position() + 1 &&
             CellsOf(plan.blocks(next), has_units) == cells;
    };
    while (continues(last + 1)) ++last;
    cells.insert(cells.begin(), Span(plan.blocks(first).position(), plan.blocks(last).position()));
    cells.insert(cells.begin(), Span(plan.blocks(first).layer_idx(), plan.blocks(last).layer_idx()));
    table.AddRow(std::move(cells));
    first = last + 1;
  }
  return table.empty() ? "" : table.Render(kHeaderEvery) + "\n";
}

std::string TasksLine(const Plan& plan) {
  int total = 0;
  int shared = 0;
  std::string kinds;
  for (const auto& [kind, count] : std::map<std::string, int>(plan.tasks().begin(), plan.tasks().end())) {
    total += count;
    absl::StrAppend(&kinds, kinds.empty() ? "" : ", ", count, " ", kind);
    const auto of_kind = plan.tasks_shared().find(kind);
    if (of_kind == plan.tasks_shared().end() || of_kind->second == 0) continue;
    shared += of_kind->second;
    absl::StrAppend(&kinds, " (", of_kind->second, " shared)");
  }
  std::string line = absl::StrCat("tasks        ", total);
  if (!kinds.empty()) absl::StrAppend(&line, " (", kinds, ")");
  if (shared > 0) absl::StrAppend(&line, ", ", shared, " of them already done or shared with other runs");
  return line + "\n";
}

std::string ProvisionalLine(const Plan& plan) {
  if (!plan.provisional()) return "";
  const bool scores_known = !plan.blocks().empty() && plan.blocks(0).has_sensitivity();
  if (scores_known) {
    return "provisional  the rounding errors of the weights are measured first; bits shown are the recipe's until "
           "then\n";
  }
  const std::string how =
      absl::StrCat(plan.recipe().sensitivity_metric(), ", ", plan.recipe().sensitivity_samples(), " windows");
  if (plan.blocks().empty()) return absl::StrCat("sensitivity  is measured (", how, "), and nothing else is done\n");
  return absl::StrCat("provisional  the sensitivity is measured first (", how,
                      "); bits and epochs shown are the recipe's until then\n");
}

std::string TimeLine(const Plan& plan) {
  if (plan.has_estimated_seconds()) {
    return absl::StrCat("time         about ", FormatSeconds(plan.estimated_seconds()),
                        " with the workers there are now\n");
  }
  if (plan.estimates().empty()) return "";
  return "time         not known yet: some kinds of task were never measured on the chosen class\n";
}

std::string EstimateTable(const Plan& plan) {
  Table table(
      {{"kind"}, {"class"}, {"workers", true}, {"tasks", true}, {"memory", true}, {"a task", true}, {"remark"}});
  for (const auto& estimate : plan.estimates()) {
    table.AddRow({estimate.kind(), estimate.numerics_class(), absl::StrCat(estimate.workers()),
                  absl::StrCat(estimate.tasks()), FormatBytes(estimate.memory_bytes()),
                  estimate.has_seconds() ? FormatSeconds(estimate.seconds()) : "not measured yet",
                  !estimate.problem().empty() ? OneLine(estimate.problem())
                  : estimate.chosen()         ? "chosen"
                                              : ""});
  }
  return table.empty() ? "" : absl::StrCat("\n", table.Render());
}

// The point of the frontier whose bits are nearest to the plan's.
int NearestPoint(const Plan& plan) {
  const auto distance = [&](const auto& point) {
    return std::abs(point.stored_bits_per_weight() - plan.stored_bits_per_weight());
  };
  const auto nearest = std::min_element(plan.frontier().begin(), plan.frontier().end(),
                                        [&](const auto& a, const auto& b) { return distance(a) < distance(b); });
  return static_cast<int>(nearest - plan.frontier().begin());
}

std::string FrontierTable(const Plan& plan) {
  if (plan.frontier().empty()) return "";
  const int chosen = NearestPoint(plan);
  const int first = std::max(0, chosen - kFrontierAround);
  const int end = std::min(plan.frontier_size(), chosen + kFrontierAround + 1);
  Table table({{"stored bits", true}, {"loss", true}, {"plan"}});
  for (int i = first; i < end; ++i) {
    table.AddRow({FormatFixed(plan.frontier(i).stored_bits_per_weight(), 4),
                  FormatSignificant(plan.frontier(i).loss(), 6), i == chosen ? "this one" : ""});
  }
  return absl::StrCat("\nfrontier     ", end - first, " of ", plan.frontier_size(),
                      " plans that nothing beats in both numbers (--json has all)\n", table.Render());
}

}  // namespace

std::string RenderPlan(const Plan& plan) {
  std::string text = BlockTable(plan);
  absl::StrAppend(&text, ProvisionalLine(plan));
  if (reporting::IsReordered(plan)) absl::StrAppend(&text, "order        ", OrderText(plan, kOrderListed), "\n");
  if (!plan.blocks().empty()) {
    absl::StrAppend(&text, "bits         ", FormatSignificant(plan.average_bits(), 4), " a weight, ",
                    FormatFixed(plan.stored_bits_per_weight(), 3), " as stored\n");
    absl::StrAppend(&text, "size         ", FormatBytes(plan.quantized_bytes()), " of quantized linears, ",
                    FormatBytes(plan.export_bytes()), " exported\n");
  }
  if (reporting::Prepares(plan.recipe())) {
    absl::StrAppend(&text, "prepare      ", OneLine(plan.recipe().prepare()),
                    ": scales are searched first, shared by runs of every width, group size and method\n");
  }
  absl::StrAppend(&text, TasksLine(plan));
  if (plan.peak_memory_bytes() > 0)
    absl::StrAppend(&text, "peak memory  ", FormatBytes(plan.peak_memory_bytes()), " (the largest task)\n");
  absl::StrAppend(&text, TimeLine(plan));
  for (const std::string& chosen : plan.chosen_defaults())
    absl::StrAppend(&text, "default      ", OneLine(chosen), "\n");
  for (const std::string& remark : plan.remarks()) absl::StrAppend(&text, "note         ", OneLine(remark), "\n");
  return absl::StrCat(text, EstimateTable(plan), FrontierTable(plan));
}

}  // namespace lwq::client
