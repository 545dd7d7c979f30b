// SPDX-License-Identifier: Apache-2.0
#include "reporting/files/page.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "common/digest/digest.h"
#include "reporting/files/number_text.h"
#include "reporting/files/page_assets.h"
#include "reporting/files/page_tables.h"
#include "reporting/metric.h"

namespace lwq::reporting {
namespace {

struct Section {
  std::string id;
  std::string title;
  std::string html;
  std::string link = {};  // its name in the list of sections, where that is a shorter one
};

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

// A place that the page's script draws into: `kind` and `index` say what.
std::string Figure(const std::string& kind, size_t index, const std::string& label, const std::string& caption) {
  return absl::StrCat("<figure>\n<div class=\"plot\" data-plot=\"", kind, "\" data-index=\"", index,
                      "\" role=\"group\" aria-label=\"", EscapedHtml(label), "\"></div>\n<figcaption>",
                      EscapedHtml(caption), "</figcaption>\n</figure>\n");
}

std::string Paragraph(const std::string& text) {
  return absl::StrCat("<p>", EscapedHtml(text), "</p>\n");
}

// A table that most readers do not need at once.
std::string Folded(const std::string& summary, const std::string& html) {
  return absl::StrCat("<details>\n<summary>", EscapedHtml(summary), "</summary>\n", html, "</details>\n");
}

std::string Tile(const std::string& title, const std::string& value, const std::string& remark) {
  return absl::StrCat("<div class=\"tile\"><dt>", EscapedHtml(title), "</dt><dd><strong>", EscapedHtml(value),
                      "</strong><span>", EscapedHtml(remark), "</span></dd></div>\n");
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
  return Tile(absl::StrCat("Lowest ", TraitsOfMetric(report.arms.columns[0].metric).title, ", ",
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
  html +=
      Tile("Runs", IntegerText(runs),
           missing == 0 ? "all succeeded" : absl::StrCat(runs - missing, " succeeded, ", missing, " without a result"));
  html += Tile("Arms", IntegerText(static_cast<int64_t>(report.arms.arms.size())),
               seeds == 0 ? "nothing measured" : absl::StrCat("up to ", Counted(seeds, "seed", "seeds"), " each"));
  if (!report.arms.columns.empty()) html += BestTile(report);
  html += Tile("Device time", DurationText(computed), saved);
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

Section ColumnSection(const SweepReport& report, size_t column) {
  const ReportColumn& of = report.arms.columns[column];
  const std::string name = absl::StrCat(TraitsOfMetric(of.metric).title, " ", of.dataset);
  Section section{.id = absl::StrCat("column-", column), .title = TitleOf(of), .html = {}};
  section.html +=
      Figure("front", column, absl::StrCat(name, " against stored bits, by arm"),
             "Each mark is an arm: mean over its seeds, bars ± one standard error. Filled marks, joined by the "
             "line, are on the Pareto front: no arm has fewer stored bits and a lower mean.");
  section.html += RenderHtmlTable(ArmsTable(report, column));
  const Arm& baseline = report.arms.arms[report.arms.baseline];
  if (HasDifferences(report, column)) {
    section.html += absl::StrCat("<h3>Against the baseline</h3>\n");
    section.html += Figure("differences", column, absl::StrCat("Differences of ", name, " to the baseline, by arm"),
                           absl::StrCat("Mean difference to the baseline (", baseline.name,
                                        ") at equal seeds, bars ± one standard error. Filled: Holm's p below 0.05."));
  }
  if (!report.effects[column].empty()) {
    section.html += "<h3>What each axis does</h3>\n";
    if (HasMatches(report.effects[column])) {
      section.html +=
          Figure("effects", column, absl::StrCat("Effect of each axis on ", name),
                 absl::StrCat("Mean effect of a value against the axis' first value over arms that differ in "
                              "nothing else, bars ± one standard error over these arms",
                              LowerIsBetter(of) ? "; left of the line is better." : "."));
    }
    section.html += RenderHtmlTable(EffectsTable(report, column));
  }
  return section;
}

Section SensitivitySection(const SweepReport& report) {
  Section section{.id = "sensitivity", .title = "Sensitivity by depth", .html = {}};
  for (size_t i = 0; i < report.sensitivity.size(); ++i) {
    const ModelDepthScores& model = report.sensitivity[i];
    section.html +=
        Figure("depth", i, absl::StrCat("Sensitivity of the blocks of ", model.model, " by depth"),
               absl::StrCat("Blocks of ", model.model,
                            " by depth; each metric is divided by its largest score, since their units differ."));
    if (model.metrics.size() > 1) {
      section.html += Figure("correlation", i, absl::StrCat("Rank correlation of the metrics on ", model.model),
                             "Spearman's rank correlation: how alike two metrics order the blocks.");
      section.html +=
          Folded(absl::StrCat("Rank correlations on ", model.model), RenderHtmlTable(CorrelationTable(model)));
    }
    section.html += Folded(absl::StrCat("Scores of ", model.model), RenderHtmlTable(ScoresTable(model)));
  }
  return section;
}

Section CostSection(const SweepReport& report) {
  const SweepCost& cost = report.cost;
  Section section{.id = "cost", .title = "Cost", .html = {}};
  std::string text =
      absl::StrCat("The runs list ", Counted(cost.runs_tasks, "task", "tasks"), ", of which ", IntegerText(cost.tasks),
                   " are distinct. Computed one by one they would take ", DurationText(cost.apart_seconds),
                   "; each once, ", DurationText(cost.total_seconds), ".");
  if (cost.reused_tasks > 0) {
    absl::StrAppend(&text, " Of these, ", Counted(cost.reused_tasks, "task", "tasks"), " (",
                    DurationText(cost.reused_seconds),
                    ") had been computed before, or had equal bytes under another plan.");
  }
  section.html += Paragraph(text);
  section.html +=
      Figure("cost", 0, "Device-seconds by arm",
             "Device-seconds of each arm: tasks of its own, and its equal part of tasks that other arms have, "
             "too. The bars add up to the sweep's total.");
  section.html += RenderHtmlTable(ArmCostTable(report));
  if (!cost.workers.empty()) section.html += RenderHtmlTable(WorkersTable(report));
  return section;
}

Section TimelineSection(const Timeline& timeline) {
  Section section{.id = "timeline", .title = "Handoff over time", .html = {}, .link = "Timeline"};
  section.html += Figure(
      "timeline", 0, "When each worker executed which task",
      "Every task that was executed for these runs, on its worker's lane; within a lane each purpose has a row of its "
      "own. Gaps are waits: for the activations of the block before, or for other runs.");
  if (timeline.left_out > 0) {
    section.html += Paragraph(absl::StrCat("The ", IntegerText(static_cast<int64_t>(timeline.tasks.size())),
                                           " longest tasks are shown; ", IntegerText(timeline.left_out),
                                           " shorter ones are not, but count in the table."));
  }
  section.html += RenderHtmlTable(TimelineWorkersTable(timeline));
  section.html += Folded("Tasks in the order in which they began", RenderHtmlTable(TimelineTasksTable(timeline)));
  return section;
}

Section MethodSection() {
  Section section{.id = "method", .title = "How the numbers are made", .html = {}, .link = "Methods"};
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

std::vector<Section> SectionsOf(const SweepRuns& sweep, const SweepReport& report) {
  std::vector<Section> sections;
  for (size_t column = 0; column < report.arms.columns.size(); ++column) {
    sections.push_back(ColumnSection(report, column));
  }
  if (!report.sensitivity.empty()) sections.push_back(SensitivitySection(report));
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

std::string PolicySource(std::string_view script) {
  const Digest digest = DigestOf(script);
  const auto& bytes = digest.bytes();
  return absl::StrCat("'sha256-",
                      absl::Base64Escape(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())), "'");
}

std::string Head(const std::string& title, const std::vector<std::string_view>& scripts) {
  std::string policy =
      "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
      "script-src";
  for (const std::string_view script : scripts) absl::StrAppend(&policy, " ", PolicySource(script));
  return absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"",
      policy,
      "\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<meta name=\"generator\" content=\"lwq report\">\n"
      "<link rel=\"icon\" href=\"data:,\">\n<title>",
      EscapedHtml(title), "</title>\n<style>\n", kPageStyle, "</style>\n</head>\n");
}

std::string Masthead(const SweepReport& report, const std::vector<Section>& sections) {
  std::vector<std::string> facts;
  std::vector<std::string> models;
  for (const FullPrecision& model : report.full_precision) models.push_back(model.name);
  if (!models.empty()) facts.push_back(absl::StrJoin(models, ", "));
  if (report.first_submitted_unix_s.has_value()) {
    const double first = *report.first_submitted_unix_s;
    facts.push_back(TimesText(first, report.last_finished_unix_s.value_or(first)));
  }
  std::string html = absl::StrCat("<header>\n<p class=\"kind\">Sweep report</p>\n<h1>", EscapedHtml(report.name),
                                  "</h1>\n<p class=\"facts\">", EscapedHtml(absl::StrJoin(facts, " · ")),
                                  "</p>\n</header>\n<nav aria-label=\"Sections\">\n<ul>\n");
  for (const Section& section : sections) {
    absl::StrAppend(&html, "<li><a href=\"#", section.id, "\">",
                    EscapedHtml(section.link.empty() ? section.title : section.link), "</a></li>\n");
  }
  return html + "</ul>\n</nav>\n";
}

}  // namespace

std::string RenderPage(const SweepRuns& sweep, const SweepReport& report) {
  const std::vector<Section> sections = SectionsOf(sweep, report);
  const std::vector<std::string_view> scripts = {kVega, kVegaLite, kVegaInterpreter, kPageScript};
  std::string html = Head(report.name, scripts);
  absl::StrAppend(
      &html, "<body>\n<a class=\"skip\" href=\"#main\">Skip to the results</a>\n", Masthead(report, sections),
      "<main id=\"main\">\n",
      "<noscript><p class=\"note\">The plots need JavaScript; the tables hold all their numbers.</p></noscript>\n",
      Tiles(report));
  for (const Section& section : sections) {
    absl::StrAppend(&html, "<section id=\"", section.id, "\" aria-labelledby=\"", section.id, "-title\">\n<h2 id=\"",
                    section.id, "-title\">", EscapedHtml(section.title), "</h2>\n", section.html, "</section>\n");
  }
  absl::StrAppend(&html, "</main>\n<footer><p>Made by lwq report. Plots by Vega and Vega-Lite.</p></footer>\n",
                  "<script type=\"application/json\" id=\"report\">", JsonForScript(SweepReportToJson(report)),
                  "</script>\n", "<!--\n", kVegaLicences, "-->\n");
  for (const std::string_view script : scripts) absl::StrAppend(&html, "<script>", script, "</script>\n");
  return html + "</body>\n</html>\n";
}

}  // namespace lwq::reporting
