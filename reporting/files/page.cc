// SPDX-License-Identifier: Apache-2.0
#include "reporting/files/page.h"

#include "absl/strings/str_join.h"
#include "reporting/files/number_text.h"
#include "reporting/files/page_parts.h"
#include "reporting/files/page_sections.h"
#include "reporting/files/page_tables.h"
#include "reporting/metric.h"

namespace lwq::reporting {
namespace {

std::string TitleOf(const ReportColumn& column) {
  const std::string metric = column.metric == "perplexity" ? "Perplexity" : column.metric;
  return absl::StrCat(metric, " on ", column.dataset);
}

bool LowerIsBetter(const ReportColumn& column) {
  return TraitsOfMetric(column.metric).lower_is_better.value_or(false);
}

std::string Counted(int64_t count, const std::string& one, const std::string& many) {
  return absl::StrCat(IntegerText(count), " ", count == 1 ? one : many);
}

std::string BestTile(const SweepReport& report) {
  const Arm* best = nullptr;
  for (const Arm& arm : report.arms.arms) {
    if (!arm.stored_bits_per_weight.has_value() || !arm.values[0].has_value()) continue;
    if (best == nullptr || arm.values[0]->mean.mean < best->values[0]->mean.mean) best = &arm;
  }
  if (best == nullptr || !LowerIsBetter(report.arms.columns[0])) return "";
  std::string remark = absl::StrCat("at ", FixedText(*best->stored_bits_per_weight, 3), " stored bits");
  for (const FullPrecision& model : report.full_precision) {
    if (model.model == best->model && model.values[0].has_value()) {
      absl::StrAppend(&remark, "; full precision ", MetricText(*model.values[0]));
    }
  }
  return TileHtml(absl::StrCat("Lowest ", TraitsOfMetric(report.arms.columns[0].metric).title, ", ",
                               report.arms.columns[0].dataset),
                  MetricText(best->values[0]->mean.mean), remark);
}

std::string Tiles(const SweepReport& report) {
  const auto runs = static_cast<int64_t>(report.runs.rows.size());
  const auto missing = static_cast<int64_t>(report.without_result.size());
  int64_t seeds = 0;
  for (const Arm& arm : report.arms.arms) {
    for (const auto& value : arm.values) seeds = std::max(seeds, value.has_value() ? value->mean.count : 0);
  }
  const SweepCost& cost = report.cost;
  const double computed = cost.total_seconds - cost.reused_seconds;
  const std::string saved =
      cost.apart_seconds > 0
          ? absl::StrCat(DurationText(cost.apart_seconds),
                         " apart: ", FixedText(100 * (1 - computed / cost.apart_seconds), 0), " % saved")
          : "nothing computed";
  std::string html = "<dl class=\"tiles\">\n";
  html += TileHtml(
      "Runs", IntegerText(runs),
      missing == 0 ? "all succeeded" : absl::StrCat(runs - missing, " succeeded, ", missing, " without a result"));
  html += TileHtml("Arms", IntegerText(static_cast<int64_t>(report.arms.arms.size())),
                   seeds == 0 ? "nothing measured" : absl::StrCat("up to ", Counted(seeds, "seed", "seeds"), " each"));
  if (!report.arms.columns.empty()) html += BestTile(report);
  html += TileHtml("Device time", DurationText(computed), saved);
  return html + "</dl>\n";
}

bool HasDifferences(const SweepReport& report, size_t column) {
  for (const Arm& arm : report.arms.arms) {
    if (arm.values[column].has_value() && arm.values[column]->difference.has_value()) return true;
  }
  return false;
}

bool HasMatches(const std::vector<AxisEffect>& effects) {
  for (const AxisEffect& effect : effects) {
    for (const AxisLevel& level : effect.levels) {
      if (level.matched > 0) return true;
    }
  }
  return false;
}

PageSection ColumnSection(const SweepReport& report, size_t column) {
  const ReportColumn& of = report.arms.columns[column];
  const std::string name = absl::StrCat(TraitsOfMetric(of.metric).title, " ", of.dataset);
  PageSection section{.id = absl::StrCat("column-", column), .title = TitleOf(of), .html = {}};
  section.html +=
      FigureHtml("front", column, absl::StrCat(name, " against stored bits, by arm"),
                 "Each mark is an arm: mean over its seeds, bars ± one standard error. Filled marks, joined by the "
                 "line, are on the Pareto front: no arm has fewer stored bits and a lower mean.");
  section.html += RenderHtmlTable(ArmsTable(report, column));
  const Arm& baseline = report.arms.arms[report.arms.baseline];
  if (HasDifferences(report, column)) {
    section.html += absl::StrCat("<h3>Against the baseline</h3>\n");
    section.html +=
        FigureHtml("differences", column, absl::StrCat("Differences of ", name, " to the baseline, by arm"),
                   absl::StrCat("Mean difference to the baseline (", baseline.name,
                                ") at equal seeds, bars ± one standard error. Filled: Holm's p below 0.05."));
  }
  if (!report.effects[column].empty()) {
    section.html += "<h3>What each axis does</h3>\n";
    if (HasMatches(report.effects[column])) {
      section.html +=
          FigureHtml("effects", column, absl::StrCat("Effect of each axis on ", name),
                     absl::StrCat("Mean effect of a value against the axis' first value over arms that differ in "
                                  "nothing else, bars ± one standard error over these arms",
                                  LowerIsBetter(of) ? "; left of the line is better." : "."));
    }
    section.html += RenderHtmlTable(EffectsTable(report, column));
  }
  return section;
}

PageSection CostSection(const SweepReport& report) {
  const SweepCost& cost = report.cost;
  PageSection section{.id = "cost", .title = "Cost", .html = {}};
  std::string text =
      absl::StrCat("The runs list ", Counted(cost.runs_tasks, "task", "tasks"), ", of which ", IntegerText(cost.tasks),
                   " are distinct. Computed one by one they would take ", DurationText(cost.apart_seconds),
                   "; each once, ", DurationText(cost.total_seconds), ".");
  if (cost.reused_tasks > 0) {
    absl::StrAppend(&text, " Of these, ", Counted(cost.reused_tasks, "task", "tasks"), " (",
                    DurationText(cost.reused_seconds),
                    ") had been computed before, or had equal bytes under another plan.");
  }
  section.html += ParagraphHtml(text);
  section.html +=
      FigureHtml("cost", 0, "Device-seconds by arm",
                 "Device-seconds of each arm: tasks of its own, and its equal part of tasks that other arms have, "
                 "too. The bars add up to the sweep's total.");
  section.html += RenderHtmlTable(ArmCostTable(report));
  if (!cost.workers.empty()) section.html += RenderHtmlTable(WorkersTable(report));
  return section;
}

PageSection MethodSection() {
  PageSection section{.id = "method", .title = "How the numbers are made", .html = {}, .link = "Methods"};
  section.html +=
      "<ul>\n"
      "<li>An arm is the runs that are equal in all labels but the seed. Only finite values of runs that succeeded "
      "count. "
      "The standard error is the sample's standard deviation over √n; with one seed there is none.</li>\n"
      "<li>Differences to the baseline are taken at equal seeds; p is two-sided by Student's t with n − 1 degrees of "
      "freedom. With one pair, or where all differences are equal, nothing is tested. Rounding draws nothing at "
      "random: its "
      "value stands beside each seed. Holm's correction counts every test "
      "of the table's column.</li>\n"
      "<li>Effects of an axis compare arms that differ in this axis alone. Of a perplexity they are differences of "
      "logarithms: nats a token.</li>\n"
      "<li>A task that several runs have is one task. Attempts that failed are not counted.</li>\n"
      "</ul>\n";
  return section;
}

std::vector<PageSection> SectionsOf(const SweepRuns& sweep, const SweepReport& report) {
  std::vector<PageSection> sections;
  for (size_t column = 0; column < report.arms.columns.size(); ++column) {
    sections.push_back(ColumnSection(report, column));
  }
  if (!report.sensitivity.empty()) sections.push_back(SensitivitySection(report.sensitivity));
  sections.push_back(CostSection(report));
  if (!report.timeline.tasks.empty()) sections.push_back(TimelineSection(report.timeline));
  if (!report.without_result.empty()) {
    sections.push_back(
        {"without-result", "Runs without a result", RenderHtmlTable(WithoutResultTable(report)), "Failures"});
  }
  if (const HtmlTable remarks = RemarksTable(report); !remarks.rows.empty()) {
    sections.push_back({"remarks", "Remarks", RenderHtmlTable(remarks)});
  }
  sections.push_back({"runs", "All runs", RenderHtmlTable(AllRunsTable(report, sweep))});
  sections.push_back(MethodSection());
  return sections;
}

std::string FactsOf(const SweepReport& report) {
  std::vector<std::string> facts;
  std::vector<std::string> models;
  for (const FullPrecision& model : report.full_precision) models.push_back(model.name);
  if (!models.empty()) facts.push_back(absl::StrJoin(models, ", "));
  if (report.first_submitted_unix_s.has_value()) {
    const double first = *report.first_submitted_unix_s;
    facts.push_back(TimesText(first, report.last_finished_unix_s.value_or(first)));
  }
  return absl::StrJoin(facts, " · ");
}

}  // namespace

std::string RenderPage(const SweepRuns& sweep, const SweepReport& report) {
  return AssemblePage({.kind = "Sweep report",
                       .title = report.name,
                       .facts = FactsOf(report),
                       .tiles = Tiles(report),
                       .sections = SectionsOf(sweep, report),
                       .data = SweepReportToJson(report)});
}

}  // namespace lwq::reporting
