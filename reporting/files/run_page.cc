// SPDX-License-Identifier: Apache-2.0
#include "reporting/files/run_page.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "reporting/files/html.h"
#include "reporting/files/number_text.h"
#include "reporting/files/page_parts.h"
#include "reporting/files/page_sections.h"
#include "reporting/metric.h"
#include "reporting/run_facts.h"

namespace lwq::reporting {
namespace {

using lwqat::v1::Run;

constexpr char kUnknownCell[] = "–";

HtmlCell UnknownCell() {
  return {.text = kUnknownCell, .style_class = "faint"};
}

HtmlCell CellOf(const std::string& text, double value) {
  return {.text = text, .sort_by = value};
}

// Losses of blocks lie many orders of magnitude below 1.
HtmlCell LossCell(const std::optional<double>& loss) {
  if (!loss.has_value()) return UnknownCell();
  return std::isfinite(*loss) ? CellOf(absl::StrFormat("%.4g", *loss), *loss) : HtmlCell{.text = "not finite"};
}

HtmlCell CountCell(const std::optional<int64_t>& count) {
  return count.has_value() ? CellOf(IntegerText(*count), static_cast<double>(*count)) : UnknownCell();
}

HtmlCell BytesCell(int64_t bytes) {
  return bytes > 0 ? CellOf(BytesText(bytes), static_cast<double>(bytes)) : UnknownCell();
}

std::string NumberAsGiven(double value) {
  return absl::StrFormat("%.6g", value);
}

HtmlTable BlocksTable(const RunReport& report) {
  HtmlTable table{.caption = "Blocks",
                  .shows_caption = false,
                  .columns = {{"block", true},
                              {"place", true, "in the order of training"},
                              {"bits", true},
                              {"group", true},
                              {"stored bits", true, "a weight, with scales, zero points and padding"},
                              {"sensitivity", true},
                              {"epochs", true},
                              {"steps", true},
                              {"loss before", true, "validation loss before the first step"},
                              {"loss after", true, "validation loss of the weights that are used"},
                              {"zero-point flips", true},
                              {"time", true},
                              {"peak", true, "of the tensors of its task"}},
                  .rows = {}};
  for (const LayerResult& layer : report.layers) {
    const lwqat::v1::BlockPlan& plan = layer.plan;
    table.rows.push_back(
        {{.text = absl::StrCat(plan.layer_idx()), .sort_by = plan.layer_idx(), .is_heading = true},
         CellOf(absl::StrCat(plan.position() + 1), plan.position()),
         CellOf(absl::StrCat(plan.bit_width()), plan.bit_width()),
         {.text = plan.group_size() > 0 ? absl::StrCat(plan.group_size()) : "row",
          .sort_by = static_cast<double>(plan.group_size())},
         CellOf(FixedText(plan.stored_bits_per_weight(), 3), plan.stored_bits_per_weight()),
         LossCell(layer.sensitivity),
         layer.epochs_trained.has_value() ? CellOf(NumberAsGiven(*layer.epochs_trained), *layer.epochs_trained)
                                          : UnknownCell(),
         CountCell(layer.steps),
         LossCell(layer.initial_val_loss),
         LossCell(layer.final_val_loss),
         CountCell(layer.zero_point_flips),
         layer.training_seconds.has_value() ? CellOf(DurationText(*layer.training_seconds), *layer.training_seconds)
                                            : UnknownCell(),
         BytesCell(layer.peak_memory_bytes.value_or(0))});
  }
  return table;
}

HtmlTable MeasuredOfRunTable(const Run& run) {
  HtmlTable table{.caption = "Measured",
                  .shows_caption = false,
                  .columns = {{"model"}, {"text or task"}, {"metric"}, {"value", true}, {"over", true}, {"BOS"}},
                  .rows = {}};
  for (const lwqat::v1::Measured& measured : run.measured()) {
    const std::optional<double> error =
        measured.has_standard_error() ? std::optional<double>(measured.standard_error()) : std::nullopt;
    table.rows.push_back(
        {{.text = measured.subject() == "fp" ? "full precision" : measured.subject(), .is_heading = true},
         {.text = measured.dataset()},
         {.text = measured.metric()},
         CellOf(WithErrorText(measured.value(), error), measured.value()),
         CellOf(absl::StrCat(IntegerText(measured.count()), " ", CountedBy(measured.metric(), measured.dataset())),
                static_cast<double>(measured.count())),
         {.text = !measured.has_add_bos() ? kUnknownCell
                  : measured.add_bos()    ? "added"
                                          : "not added"}});
  }
  return table;
}

HtmlTable CurvesTable(const RunReport& report) {
  HtmlTable table{.caption = "Losses after each epoch",
                  .columns = {{"training"}, {"epoch", true}, {"training loss", true}, {"validation loss", true}},
                  .rows = {}};
  for (const TrainingCurve& curve : report.curves) {
    for (const TrainingCurve::Point& point : curve.points) {
      table.rows.push_back({{.text = curve.title, .is_heading = true},
                            CellOf(NumberAsGiven(point.epoch), point.epoch),
                            LossCell(point.train_loss),
                            LossCell(point.val_loss)});
    }
  }
  return table;
}

HtmlTable ScaleLossesTable(const RunReport& report) {
  HtmlTable table{
      .caption = "Loss of each step of E2E-QP", .columns = {{"step", true}, {"training loss", true}}, .rows = {}};
  for (size_t i = 0; i < report.scale_losses.size(); ++i) {
    table.rows.push_back({CellOf(absl::StrCat(i + 1), static_cast<double>(i)), LossCell(report.scale_losses[i])});
  }
  return table;
}

HtmlTable KindsTable(const RunReport& report) {
  HtmlTable table{.caption = "Tasks by kind",
                  .shows_caption = false,
                  .columns = {{"kind"},
                              {"tasks", true},
                              {"reused", true, "found done: an earlier run had computed them"},
                              {"time", true, "of all of them together, whoever computed them"},
                              {"peak of tensors", true},
                              {"peak of the process", true}},
                  .rows = {}};
  for (const KindCost& cost : report.costs) {
    table.rows.push_back({{.text = cost.kind, .is_heading = true},
                          CountCell(cost.tasks),
                          CountCell(cost.reused),
                          CellOf(DurationText(cost.seconds), cost.seconds),
                          BytesCell(cost.peak_memory_bytes),
                          BytesCell(cost.peak_rss_bytes)});
  }
  return table;
}

HtmlTable PairsTable(const std::string& caption, const std::string& first, const std::string& second,
                     const std::vector<std::pair<std::string, std::string>>& pairs, const std::string& style) {
  HtmlTable table{.caption = caption, .shows_caption = false, .columns = {{first}, {second}}, .rows = {}};
  for (const auto& [name, value] : pairs) {
    table.rows.push_back({{.text = name, .is_heading = true}, {.text = value, .style_class = style}});
  }
  return table;
}

bool HasLosses(const RunReport& report) {
  return std::any_of(report.layers.begin(), report.layers.end(),
                     [](const LayerResult& layer) { return layer.initial_val_loss.has_value(); });
}

PageSection BlocksSection(const RunReport& report) {
  PageSection section{.id = "blocks", .title = "Blocks", .html = {}};
  section.html +=
      FigureHtml("bits", 0, "Bits of each block by depth", "Bits that the plan gives each block, by depth.");
  if (HasLosses(report)) {
    section.html += FigureHtml("losses", 0, "Validation loss of each block before and after training",
                               "Validation loss of each block before its first step and of the weights that are used. "
                               "Blocks of one unit were trained together and have one loss.");
  }
  section.html += RenderHtmlTable(BlocksTable(report));
  return section;
}

PageSection CurvesSection(const RunReport& report) {
  PageSection section{.id = "curves", .title = "Losses over time", .html = {}, .link = "Losses"};
  if (!report.curves.empty()) {
    section.html +=
        FigureHtml("curves", 0, "Loss of each training after each epoch",
                   "Validation loss after each epoch (training loss where nothing was validated), over what "
                   "the training's first epoch left: a line for each training.");
    section.html += FoldedHtml("Losses after each epoch", RenderHtmlTable(CurvesTable(report)));
  }
  if (!report.scale_losses.empty()) {
    section.html += FigureHtml("scales", 0, "Loss of each step of E2E-QP",
                               "Next-token loss of each step of E2E-QP, on the windows of that step.");
    section.html += FoldedHtml("Loss of each step of E2E-QP", RenderHtmlTable(ScaleLossesTable(report)));
  }
  return section;
}

PageSection RecipeSection(const RunReport& report) {
  PageSection section{.id = "recipe", .title = "Recipe", .html = {}};
  section.html +=
      ParagraphHtml(report.differences.empty() ? "Every key has its default."
                                               : "Keys that differ from their defaults; report.json has every key.");
  if (!report.differences.empty()) {
    section.html += RenderHtmlTable(PairsTable("Recipe", "key", "value", report.differences, "long"));
  }
  return section;
}

PageSection OriginSection(const RunReport& report) {
  PageSection section{.id = "origin", .title = "What it can be told by", .html = {}, .link = "Digests"};
  section.html +=
      ParagraphHtml("Digests name contents: equal inputs, equal recipes and equal classes give an equal result.");
  std::vector<std::pair<std::string, std::string>> rows = report.digests;
  rows.emplace_back("lwq", report.version);
  if (!report.run.numerics_class().empty()) rows.emplace_back("numerics class", report.run.numerics_class());
  std::vector<std::pair<std::string, std::string>> classes(report.run.kind_classes().begin(),
                                                           report.run.kind_classes().end());
  std::sort(classes.begin(), classes.end());
  for (const auto& [kind, name] : classes) rows.emplace_back(absl::StrCat("class of ", kind), name);
  section.html += RenderHtmlTable(PairsTable("Digests and versions", "of", "is", rows, "code"));
  return section;
}

PageSection NotesSection(const std::vector<std::string>& notes) {
  HtmlTable table{.caption = "Remarks", .shows_caption = false, .columns = {{"remark"}}, .rows = {}};
  for (const std::string& note : notes) table.rows.push_back({{.text = note, .style_class = "long"}});
  return {"remarks", "Remarks", RenderHtmlTable(table)};
}

std::vector<std::string> NotesOf(const RunReport& report) {
  std::vector<std::string> notes;
  if (!report.run.error().empty()) notes.push_back(report.run.error());
  notes.insert(notes.end(), report.remarks.begin(), report.remarks.end());
  const lwqat::v1::Plan& plan = report.run.plan();
  notes.insert(notes.end(), plan.chosen_defaults().begin(), plan.chosen_defaults().end());
  notes.insert(notes.end(), plan.remarks().begin(), plan.remarks().end());
  return notes;
}

std::vector<PageSection> SectionsOfRun(const RunReport& report) {
  std::vector<PageSection> sections;
  if (!report.run.measured().empty()) {
    sections.push_back({"measured", "Measured", RenderHtmlTable(MeasuredOfRunTable(report.run))});
  }
  if (!report.layers.empty()) sections.push_back(BlocksSection(report));
  if (!report.curves.empty() || !report.scale_losses.empty()) sections.push_back(CurvesSection(report));
  if (!report.scores.empty()) sections.push_back(SensitivitySection(report.scores));
  if (!report.costs.empty())
    sections.push_back({"cost", "Time and memory", RenderHtmlTable(KindsTable(report)), "Cost"});
  if (!report.timeline.tasks.empty()) sections.push_back(TimelineSection(report.timeline));
  if (const std::vector<std::string> notes = NotesOf(report); !notes.empty()) sections.push_back(NotesSection(notes));
  sections.push_back(RecipeSection(report));
  sections.push_back(OriginSection(report));
  return sections;
}

// The first value of the run's own, beside the full-precision model's.
std::string MeasuredTile(const Run& run) {
  for (const lwqat::v1::Measured& measured : run.measured()) {
    if (measured.subject() == "fp" && run.plan().blocks_size() > 0) continue;
    std::string remark = "of this run";
    for (const lwqat::v1::Measured& other : run.measured()) {
      if (other.subject() != "fp" || measured.subject() == "fp") continue;
      if (other.metric() != measured.metric() || other.dataset() != measured.dataset()) continue;
      remark = absl::StrCat("full precision ", MetricText(other.value()));
    }
    return TileHtml(absl::StrCat(TraitsOfMetric(measured.metric()).title, ", ", measured.dataset()),
                    MetricText(measured.value()), remark);
  }
  return "";
}

std::string TilesOfRun(const RunReport& report) {
  const Run& run = report.run;
  double device_seconds = 0;
  int64_t peak_bytes = 0;
  for (const KindCost& cost : report.costs) {
    device_seconds += cost.seconds;
    peak_bytes = std::max(peak_bytes, cost.peak_memory_bytes);
  }
  std::string html = "<dl class=\"tiles\">\n";
  html += TileHtml("State", RunStateName(run.state()),
                   absl::StrCat(run.tasks_done(), " of ", run.tasks_total(), " tasks done, ", run.tasks_shared(),
                                " shared with other runs"));
  if (!run.plan().blocks().empty()) {
    html += TileHtml("Stored bits a weight", FixedText(run.plan().stored_bits_per_weight(), 3),
                     absl::StrCat(FixedText(run.plan().average_bits(), 2), " bits on average, ",
                                  run.plan().blocks_size(), run.plan().blocks_size() == 1 ? " block" : " blocks"));
  }
  html += MeasuredTile(run);
  html += TileHtml("Device time", DurationText(device_seconds),
                   peak_bytes > 0 ? absl::StrCat("tensors of at most ", BytesText(peak_bytes)) : "nothing computed");
  return html + "</dl>\n";
}

std::string FactsOfRun(const Run& run) {
  std::vector<std::string> facts = {run.spec().model().name(), run.plan().recipe().method(), run.id()};
  std::erase(facts, "");
  if (run.has_submitted_at()) {
    const double begin = UnixSeconds(run.submitted_at());
    facts.push_back(TimesText(begin, run.has_finished_at() ? UnixSeconds(run.finished_at()) : begin));
  }
  return absl::StrJoin(facts, " · ");
}

}  // namespace

std::string RenderRunPage(const RunReport& report) {
  return AssemblePage({.kind = "Run report",
                       .title = report.title,
                       .facts = FactsOfRun(report.run),
                       .tiles = TilesOfRun(report),
                       .sections = SectionsOfRun(report),
                       .data = RunReportToJson(report)});
}

}  // namespace lwq::reporting
