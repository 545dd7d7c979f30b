// SPDX-License-Identifier: Apache-2.0
#include "reporting/files/runs_table.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace lwq::reporting {
namespace {

using lwqat::v1::Run;

DataCell TextOrAbsent(const std::string& text) {
  return text.empty() ? DataCell() : DataCell(text);
}

template <typename Number>
DataCell PositiveOrAbsent(Number number) {
  return number > 0 ? DataCell(number) : DataCell();
}

double DeviceSeconds(const Run& run) {
  double seconds = 0;
  for (const auto& task : run.tasks()) seconds += task.seconds();
  return seconds;
}

int64_t TasksReused(const Run& run) {
  int64_t reused = 0;
  for (const auto& task : run.tasks()) reused += task.from_cache() ? 1 : 0;
  return reused;
}

// By run, the name of its arm.
std::vector<std::string> ArmNames(const SweepRuns& sweep, const SweepArms& arms) {
  std::vector<std::string> names(sweep.runs.size());
  for (const Arm& arm : arms.arms) {
    for (const size_t run : arm.runs) names[run] = arm.name;
  }
  return names;
}

}  // namespace

DataTable RunsTable(const SweepRuns& sweep, const SweepReport& report) {
  DataTable table;
  const auto add = [&](const std::string& name, DataType type, const auto& cell_of) {
    DataColumn& column = table.columns.emplace_back(DataColumn{.name = name, .type = type, .cells = {}});
    for (size_t i = 0; i < sweep.runs.size(); ++i) column.cells.push_back(cell_of(i));
  };
  const auto row = [&](size_t i) -> const ReportRow& { return report.runs.rows[i]; };
  const auto run = [&](size_t i) -> const Run& { return sweep.runs[i].run; };
  const std::vector<std::string> arm_names = ArmNames(sweep, report.arms);
  add("run_id", DataType::kText, [&](size_t i) { return DataCell(row(i).run_id); });
  add("name", DataType::kText, [&](size_t i) { return DataCell(row(i).name); });
  add("arm", DataType::kText, [&](size_t i) { return DataCell(arm_names[i]); });
  add("state", DataType::kText, [&](size_t i) { return DataCell(row(i).state); });
  if (std::any_of(sweep.runs.begin(), sweep.runs.end(), [](const SweepRun& one) { return one.run.has_halving(); })) {
    // Where halving has measured the run last.
    const auto measured = [&](size_t i) { return !run(i).halving().rungs().empty(); };
    add("halving_blocks", DataType::kInteger,
        [&](size_t i) { return measured(i) ? DataCell(run(i).halving().rungs().rbegin()->blocks()) : DataCell(); });
    add("halving_value", DataType::kReal, [&](size_t i) {
      const double value = measured(i) ? run(i).halving().rungs().rbegin()->value() : std::nan("");
      return std::isfinite(value) ? DataCell(value) : DataCell();
    });
  }
  add("error", DataType::kText, [&](size_t i) { return TextOrAbsent(run(i).error()); });
  add("model", DataType::kText, [&](size_t i) { return TextOrAbsent(run(i).spec().model().name()); });
  add("method", DataType::kText, [&](size_t i) { return TextOrAbsent(row(i).method); });
  std::set<std::string> labels;
  for (const SweepRun& one : sweep.runs) {
    for (const auto& [label, value] : one.labels) labels.insert(label);
  }
  for (const std::string& label : labels) {
    add("label_" + label, DataType::kText, [&](size_t i) {
      const auto found = sweep.runs[i].labels.find(label);
      return found == sweep.runs[i].labels.end() ? DataCell() : DataCell(found->second);
    });
  }
  add("average_bits", DataType::kReal, [&](size_t i) { return PositiveOrAbsent(row(i).average_bits); });
  add("group_size", DataType::kInteger, [&](size_t i) { return PositiveOrAbsent(row(i).group_size); });
  add("stored_bits_per_weight", DataType::kReal,
      [&](size_t i) { return PositiveOrAbsent(row(i).stored_bits_per_weight); });
  add("size_bytes", DataType::kInteger, [&](size_t i) { return PositiveOrAbsent(row(i).size_bytes); });
  add("steps", DataType::kInteger, [&](size_t i) { return DataCell(row(i).steps); });
  add("wall_seconds", DataType::kReal,
      [&](size_t i) { return run(i).has_finished_at() ? DataCell(row(i).seconds) : DataCell(); });
  add("device_seconds", DataType::kReal, [&](size_t i) { return DataCell(DeviceSeconds(run(i))); });
  add("tasks", DataType::kInteger, [&](size_t i) { return DataCell(static_cast<int64_t>(run(i).tasks_size())); });
  add("tasks_reused", DataType::kInteger, [&](size_t i) { return DataCell(TasksReused(run(i))); });
  for (const ReportColumn& column : report.arms.columns) {
    add(column.metric + " " + column.dataset, DataType::kReal, [&](size_t i) {
      const ReportValue* value = ValueIn(row(i), column);
      return value != nullptr ? DataCell(value->value) : DataCell();
    });
  }
  add("result_digest", DataType::kText, [&](size_t i) { return TextOrAbsent(row(i).result_digest); });
  return table;
}

}  // namespace lwq::reporting
