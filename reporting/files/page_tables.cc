// SPDX-License-Identifier: Apache-2.0
#include "reporting/files/page_tables.h"

#include <algorithm>
#include <optional>
#include <set>

#include "reporting/files/number_text.h"
#include "reporting/metric.h"
#include "reporting/run_facts.h"

namespace lwq::reporting {
namespace {

constexpr char kNothing[] = "–";

HtmlCell NumberCell(const std::string& text, double value) {
  return {.text = text, .sort_by = value};
}

HtmlCell NoCell(const std::string& why = kNothing) {
  return {.text = why, .style_class = "faint"};
}

std::string LabelOr(const Labels& labels, const std::string& axis) {
  const auto found = labels.find(axis);
  return found == labels.end() ? kNothing : found->second;
}

std::string ColumnTitle(const ReportColumn& column) {
  return absl::StrCat(TraitsOfMetric(column.metric).title, " ", column.dataset);
}

// Axes in which the arms differ that measured the column; of no column, all arms.
std::vector<std::string> AxesThatDiffer(const SweepArms& arms, std::optional<size_t> column) {
  std::vector<std::string> axes;
  for (const std::string& axis : arms.axes) {
    std::set<std::string> values;
    for (const Arm& arm : arms.arms) {
      if (!column.has_value() || arm.values[*column].has_value()) values.insert(LabelOr(arm.labels, axis));
    }
    if (values.size() > 1) axes.push_back(axis);
  }
  return axes;
}

// A column for each axis, which together name an arm.
void AddAxisColumns(const std::vector<std::string>& axes, HtmlTable* table) {
  for (const std::string& axis : axes) table->columns.push_back({.title = axis});
  if (axes.empty()) table->columns.push_back({.title = "arm"});
}

std::vector<HtmlCell> AxisCells(const std::vector<std::string>& axes, const Arm& arm) {
  std::vector<HtmlCell> cells;
  cells.reserve(axes.size() + 1);
  for (const std::string& axis : axes) {
    cells.push_back({.text = LabelOr(arm.labels, axis), .is_heading = cells.empty()});
  }
  if (cells.empty()) cells.push_back({.text = arm.name, .is_heading = true});
  return cells;
}

void AddDifferenceCells(const ArmValue& value, bool is_baseline, std::vector<HtmlCell>* row) {
  if (is_baseline || !value.difference.has_value()) {
    row->push_back(NoCell(is_baseline ? "baseline" : "no shared seed"));
    for (int i = 0; i < 3; ++i) row->push_back(NoCell());
    return;
  }
  const PairedDifference& difference = *value.difference;
  row->push_back(NumberCell(DifferenceText(difference.mean, difference.standard_error), difference.mean));
  row->push_back(NumberCell(IntegerText(difference.pairs), static_cast<double>(difference.pairs)));
  if (!difference.p_value.has_value()) {
    row->push_back(NoCell(difference.pairs == 1 ? "n = 1" : "all equal"));
    row->push_back(NoCell());
    return;
  }
  row->push_back(NumberCell(ProbabilityText(*difference.p_value), *difference.p_value));
  row->push_back(NumberCell(ProbabilityText(*value.holm), *value.holm));
}

}  // namespace

HtmlTable ArmsTable(const SweepReport& report, size_t column) {
  HtmlTable table{
      .caption = absl::StrCat("Arms by ", ColumnTitle(report.arms.columns[column])), .columns = {}, .rows = {}};
  const std::vector<std::string> axes = AxesThatDiffer(report.arms, column);
  AddAxisColumns(axes, &table);
  table.columns.insert(
      table.columns.end(),
      {{"front", false, "on the Pareto front: no arm has fewer stored bits and a lower mean"},
       {"stored bits", true, "bits stored for each quantized weight: codes, scales, zero points, padding"},
       {ColumnTitle(report.arms.columns[column]), true, "mean over seeds ± its standard error"},
       {"seeds", true},
       {"Δ to baseline", true, "mean ± standard error of the differences at equal seeds"},
       {"pairs", true, "seeds that the arm and the baseline share"},
       {"p", true, "two-sided, Student's t of the paired differences"},
       {"p, Holm", true, "the same, corrected for all the tests in this column"}});
  for (size_t i = 0; i < report.arms.arms.size(); ++i) {
    const Arm& arm = report.arms.arms[i];
    if (!arm.values[column].has_value()) continue;
    const ArmValue& value = *arm.values[column];
    std::vector<HtmlCell> row = AxisCells(axes, arm);
    row.push_back({.text = value.on_front ? "◆" : "", .sort_by = value.on_front ? 0 : 1});
    row.push_back(arm.stored_bits_per_weight.has_value()
                      ? NumberCell(FixedText(*arm.stored_bits_per_weight, 3), *arm.stored_bits_per_weight)
                      : NoCell());
    row.push_back(NumberCell(WithErrorText(value.mean.mean, value.mean.standard_error), value.mean.mean));
    row.push_back(NumberCell(IntegerText(value.mean.count), static_cast<double>(value.mean.count)));
    AddDifferenceCells(value, i == report.arms.baseline, &row);
    table.rows.push_back(std::move(row));
    table.row_classes.push_back(value.on_front ? "front" : "");
  }
  return table;
}

HtmlTable EffectsTable(const SweepReport& report, size_t column) {
  const std::string title = ColumnTitle(report.arms.columns[column]);
  const bool in_logs = TraitsOfMetric(report.arms.columns[column].metric).recovers_in_logs;
  HtmlTable table{.caption = absl::StrCat("Effect of each axis on ", title),
                  .columns = {{"axis"},
                              {"value"},
                              {"against"},
                              {"matched arms", true, "pairs of arms that differ in this axis alone"},
                              {"mean", true, "of the matched arms at the value"},
                              {"mean against", true, "of the matched arms at the value it is compared with"},
                              {in_logs ? "effect, nats" : "effect", true,
                               in_logs ? "mean ± standard error of the difference of logarithms"
                                       : "mean ± standard error of the difference"}},
                  .rows = {}};
  for (const AxisEffect& effect : report.effects[column]) {
    for (const AxisLevel& level : effect.levels) {
      const auto named = [](const std::string& value) { return value.empty() ? std::string(kNothing) : value; };
      std::vector<HtmlCell> row = {{.text = effect.axis, .is_heading = true},
                                   {.text = named(level.value)},
                                   {.text = named(effect.reference)},
                                   NumberCell(IntegerText(level.matched), static_cast<double>(level.matched))};
      if (level.matched == 0) {
        for (int i = 0; i < 3; ++i) row.push_back(NoCell());
      } else {
        row.push_back(NumberCell(MetricText(level.mean), level.mean));
        row.push_back(NumberCell(MetricText(level.reference_mean), level.reference_mean));
        row.push_back(NumberCell(DifferenceText(level.effect, level.standard_error), level.effect));
      }
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

HtmlTable ScoresTable(const ModelDepthScores& model) {
  HtmlTable table{
      .caption = absl::StrCat("Sensitivity of the blocks of ", model.model), .columns = {{"block", true}}, .rows = {}};
  size_t blocks = 0;
  for (const DepthScores& one : model.metrics) {
    table.columns.push_back({.title = one.metric, .is_number = true});
    blocks = std::max(blocks, one.scores.size());
  }
  for (size_t block = 0; block < blocks; ++block) {
    std::vector<HtmlCell> row = {
        {.text = absl::StrCat(block), .sort_by = static_cast<double>(block), .is_heading = true}};
    for (const DepthScores& one : model.metrics) {
      row.push_back(block < one.scores.size() ? NumberCell(absl::StrCat(one.scores[block]), one.scores[block])
                                              : NoCell());
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

HtmlTable CorrelationTable(const ModelDepthScores& model) {
  HtmlTable table{.caption = absl::StrCat("Rank correlation of the metrics on ", model.model),
                  .columns = {{"Spearman's ρ"}},
                  .rows = {}};
  for (size_t i = 0; i < model.metrics.size(); ++i) {
    table.columns.push_back({.title = model.metrics[i].metric, .is_number = true});
    std::vector<HtmlCell> row = {{.text = model.metrics[i].metric, .is_heading = true}};
    for (const auto& rho : model.correlations[i]) {
      row.push_back(rho.has_value() ? NumberCell(FixedText(*rho, 2), *rho) : NoCell());
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

HtmlTable ArmCostTable(const SweepReport& report) {
  HtmlTable table{.caption = "Device-seconds by arm", .columns = {}, .rows = {}};
  AddAxisColumns(report.arms.axes, &table);
  table.columns.insert(
      table.columns.end(),
      {{"runs", true},
       {"tasks", true, "distinct tasks of the arm's runs"},
       {"shared tasks", true, "of these, tasks that another arm has, too"},
       {"own, s", true, "device-seconds of tasks that no other arm has"},
       {"shared, s", true, "device-seconds of tasks that other arms have, too, in full"},
       {"fair share, s", true, "own, and of each shared task an equal part for each arm that has it"},
       {"making, s", true, "device-seconds that one of its models takes by itself, evaluations left out; the mean"},
       {"peak", true, "of it, the largest peak of a task's tensors"}});
  for (size_t i = 0; i < report.arms.arms.size(); ++i) {
    const ArmCost& cost = report.cost.arms[i];
    std::vector<HtmlCell> row = AxisCells(report.arms.axes, report.arms.arms[i]);
    const auto runs = static_cast<int64_t>(report.arms.arms[i].runs.size());
    for (const int64_t count : {runs, cost.tasks, cost.shared_tasks}) {
      row.push_back(NumberCell(IntegerText(count), static_cast<double>(count)));
    }
    for (const double seconds : {cost.own_seconds, cost.shared_seconds, cost.fair_seconds, cost.making_seconds}) {
      row.push_back(NumberCell(FixedText(seconds, 1), seconds));
    }
    row.push_back(cost.making_peak_bytes > 0
                      ? NumberCell(BytesText(cost.making_peak_bytes), static_cast<double>(cost.making_peak_bytes))
                      : NoCell());
    table.rows.push_back(std::move(row));
  }
  return table;
}

HtmlTable WorkersTable(const SweepReport& report) {
  HtmlTable table{.caption = "Tasks computed by each worker",
                  .columns = {{"worker"}, {"tasks", true}, {"device-seconds", true}},
                  .rows = {}};
  for (const WorkerCost& worker : report.cost.workers) {
    table.rows.push_back({{.text = worker.worker, .is_heading = true},
                          NumberCell(IntegerText(worker.tasks), static_cast<double>(worker.tasks)),
                          NumberCell(FixedText(worker.seconds, 1), worker.seconds)});
  }
  return table;
}

HtmlTable TimelineWorkersTable(const Timeline& timeline) {
  HtmlTable table{.caption = "Workers over time",
                  .columns = {{"worker"},
                              {"tasks", true},
                              {"first start, s", true, "since the first task began"},
                              {"last end, s", true},
                              {"busy, s", true, "sum of its tasks"},
                              {"busy, %", true, "of the time between its first start and its last end"}},
                  .rows = {}};
  for (const TimelineWorker& worker : timeline.workers) {
    std::vector<HtmlCell> row = {{.text = worker.name, .is_heading = true},
                                 NumberCell(IntegerText(worker.tasks), static_cast<double>(worker.tasks))};
    for (const double seconds : {worker.first_start, worker.last_end, worker.busy_seconds}) {
      row.push_back(NumberCell(FixedText(seconds, 1), seconds));
    }
    const double whole = worker.last_end - worker.first_start;
    const double share = whole > 0 ? 100 * worker.busy_seconds / whole : 100;
    row.push_back(NumberCell(FixedText(share, 0), share));
    table.rows.push_back(std::move(row));
  }
  return table;
}

HtmlTable TimelineTasksTable(const Timeline& timeline) {
  HtmlTable table{
      .caption = "Tasks in the order in which they began",
      .columns = {{"task"}, {"for"}, {"worker"}, {"start, s", true}, {"end, s", true}, {"first of the runs"}},
      .rows = {}};
  for (const TimelineTask& task : timeline.tasks) {
    table.rows.push_back({{.text = task.title, .is_heading = true},
                          {.text = TimelineGroupName(task.group)},
                          {.text = timeline.workers[task.worker].name},
                          NumberCell(FixedText(task.start, 1), task.start),
                          NumberCell(FixedText(task.end, 1), task.end),
                          {.text = task.run}});
  }
  return table;
}

HtmlTable WithoutResultTable(const SweepReport& report) {
  HtmlTable table{.caption = "Runs without a result",
                  .shows_caption = false,
                  .columns = {{"run"}, {"id"}, {"state"}, {"reason"}, {"failed tasks"}},
                  .rows = {}};
  for (const RunWithoutResult& run : report.without_result) {
    std::string tasks;
    for (const auto& task : run.tasks) {
      absl::StrAppend(&tasks, tasks.empty() ? "" : "; ", task.title, task.worker.empty() ? "" : " on ", task.worker,
                      ", ", task.attempts, task.attempts == 1 ? " attempt: " : " attempts: ", task.error);
    }
    table.rows.push_back({{.text = run.name, .is_heading = true},
                          {.text = ShortId(run.run_id), .style_class = "code"},
                          {.text = run.state},
                          {.text = run.reason, .style_class = "long"},
                          {.text = tasks.empty() ? kNothing : tasks, .style_class = "long"}});
  }
  return table;
}

HtmlTable RemarksTable(const SweepReport& report) {
  HtmlTable table{.caption = "Remarks", .shows_caption = false, .columns = {{"run"}, {"remark"}}, .rows = {}};
  for (const std::string& remark : report.arms.remarks) {
    table.rows.push_back({{.text = "statistics", .is_heading = true}, {.text = remark, .style_class = "long"}});
  }
  for (const ReportRow& row : report.runs.rows) {
    for (const std::string& remark : row.remarks) {
      table.rows.push_back({{.text = row.name, .is_heading = true}, {.text = remark, .style_class = "long"}});
    }
  }
  return table;
}

HtmlTable AllRunsTable(const SweepReport& report, const SweepRuns& sweep) {
  HtmlTable table{.caption = "All runs",
                  .shows_caption = false,
                  .columns = {{"run"}, {"id"}, {"state"}, {"labels"}, {"stored bits", true}, {"size", true}},
                  .rows = {}};
  for (const ReportColumn& column : report.arms.columns) {
    table.columns.push_back({.title = ColumnTitle(column), .is_number = true});
  }
  table.columns.insert(table.columns.end(),
                       {{"steps", true}, {"wall time", true, "from submission to end"}, {"result"}});
  for (size_t i = 0; i < report.runs.rows.size(); ++i) {
    const ReportRow& row = report.runs.rows[i];
    std::vector<HtmlCell> cells = {
        {.text = row.name, .is_heading = true},
        {.text = ShortId(row.run_id), .style_class = "code"},
        {.text = row.stopped.empty() ? row.state : absl::StrCat(row.state, " ", row.stopped)},
        {.text = LabelsText(sweep.runs[i].labels), .style_class = "labels"}};
    const double bits = row.stored_bits_per_weight;
    cells.push_back(bits > 0 ? NumberCell(FixedText(bits, 3), bits) : NoCell());
    cells.push_back(row.size_bytes > 0 ? NumberCell(BytesText(row.size_bytes), static_cast<double>(row.size_bytes))
                                       : NoCell());
    for (const ReportColumn& column : report.arms.columns) {
      const ReportValue* value = ValueIn(row, column);
      cells.push_back(value != nullptr ? NumberCell(MetricText(value->value), value->value) : NoCell());
    }
    cells.push_back(NumberCell(IntegerText(row.steps), static_cast<double>(row.steps)));
    cells.push_back(row.seconds > 0 ? NumberCell(DurationText(row.seconds), row.seconds) : NoCell());
    cells.push_back(row.result_digest.empty()
                        ? NoCell()
                        : HtmlCell{.text = row.result_digest.substr(0, 12), .style_class = "code"});
    table.rows.push_back(std::move(cells));
  }
  return table;
}

}  // namespace lwq::reporting
