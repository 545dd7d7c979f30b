// SPDX-License-Identifier: Apache-2.0
#include "reporting/sweep/sweep_report.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "reporting/metric.h"
#include "reporting/recipe_words.h"
#include "reporting/run_facts.h"

namespace lwq::reporting {
namespace {

using lwqat::v1::Run;

void AddTimes(const Run& run, SweepReport* report) {
  if (run.has_submitted_at()) {
    const double at = UnixSeconds(run.submitted_at());
    report->first_submitted_unix_s = std::min(report->first_submitted_unix_s.value_or(at), at);
  }
  if (run.has_finished_at()) {
    const double at = UnixSeconds(run.finished_at());
    report->last_finished_unix_s = std::max(report->last_finished_unix_s.value_or(at), at);
  }
}

std::string ReasonOf(const Run& run) {
  if (!run.error().empty()) return run.error();
  if (run.state() == lwqat::v1::RUN_STATE_CANCELLED) return "cancelled";
  if (run.state() == lwqat::v1::RUN_STATE_STOPPED) return absl::StrCat("stopped by halving ", StoppedText(run));
  return run.waiting_reason().empty() ? "has not ended" : run.waiting_reason();
}

RunWithoutResult WithoutResult(const Run& run) {
  RunWithoutResult result{.run_id = run.id(),
                          .name = run.spec().name(),
                          .state = RunStateName(run.state()),
                          .reason = ReasonOf(run),
                          .tasks = {}};
  for (const auto& task : run.tasks()) {
    if (task.state() != lwqat::v1::TASK_STATE_FAILED) continue;
    result.tasks.push_back(
        {.title = task.title(), .worker = task.worker(), .attempts = task.attempts(), .error = task.error()});
  }
  return result;
}

// What the runs measured of the models they started from; the first value of a model and column counts.
std::vector<FullPrecision> FullPrecisionOf(const SweepRuns& sweep, const std::vector<ReportColumn>& columns) {
  std::vector<FullPrecision> models;
  for (const SweepRun& entry : sweep.runs) {
    const Run& run = entry.run;
    const std::string& digest = run.spec().model().files().digest();
    for (const auto& measured : run.measured()) {
      const auto column =
          std::find(columns.begin(), columns.end(), ReportColumn{measured.metric(), measured.dataset()});
      const bool is_fp = measured.subject() == "fp" || MethodOf(run.spec().recipe()) == Method::kNone;
      if (!is_fp || column == columns.end() || !std::isfinite(measured.value())) continue;
      auto model = std::find_if(models.begin(), models.end(), [&](const auto& one) { return one.model == digest; });
      if (model == models.end()) {
        models.push_back({.model = digest, .name = run.spec().model().name(), .values = {}});
        model = models.end() - 1;
        model->values.resize(columns.size());
      }
      auto& value = model->values[static_cast<size_t>(column - columns.begin())];
      if (!value.has_value()) value = measured.value();
    }
  }
  return models;
}

Json OrNull(const std::optional<double>& value) {
  return value.has_value() && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

Json ValueToJson(const ArmValue& value) {
  Json json{{"measurement", value.measurement},
            {"n", value.mean.count},
            {"mean", value.mean.mean},
            {"standard_error", OrNull(value.mean.standard_error)},
            {"by_seed", value.by_seed},
            {"on_front", value.on_front},
            {"difference", nullptr}};
  if (value.difference.has_value()) {
    json["difference"] = {{"pairs", value.difference->pairs},
                          {"mean", value.difference->mean},
                          {"standard_error", OrNull(value.difference->standard_error)},
                          {"p_value", OrNull(value.difference->p_value)},
                          {"holm", OrNull(value.holm)}};
  }
  return json;
}

Json ArmsToJson(const SweepReport& report) {
  Json arms = Json::array();
  for (size_t i = 0; i < report.arms.arms.size(); ++i) {
    const Arm& arm = report.arms.arms[i];
    const ArmCost& cost = report.cost.arms[i];
    Json runs = Json::array();
    for (const size_t position : arm.runs) runs.push_back(report.runs.rows[position].run_id);
    Json values = Json::array();
    for (const auto& value : arm.values) values.push_back(value.has_value() ? ValueToJson(*value) : Json(nullptr));
    arms.push_back({{"name", arm.name},
                    {"labels", arm.labels},
                    {"model", arm.model},
                    {"runs", std::move(runs)},
                    {"succeeded", arm.succeeded},
                    {"stored_bits_per_weight", OrNull(arm.stored_bits_per_weight)},
                    {"values", std::move(values)},
                    {"cost",
                     {{"tasks", cost.tasks},
                      {"shared_tasks", cost.shared_tasks},
                      {"own_seconds", cost.own_seconds},
                      {"shared_seconds", cost.shared_seconds},
                      {"fair_seconds", cost.fair_seconds},
                      {"making_seconds", cost.making_seconds},
                      {"making_peak_bytes", cost.making_peak_bytes}}}});
  }
  return arms;
}

Json EffectsToJson(const std::vector<AxisEffect>& effects) {
  Json json = Json::array();
  for (const AxisEffect& effect : effects) {
    Json levels = Json::array();
    for (const AxisLevel& level : effect.levels) {
      levels.push_back({{"value", level.value}, {"matched", level.matched}});
      if (level.matched == 0) continue;
      levels.back().update({{"mean", level.mean},
                            {"reference_mean", level.reference_mean},
                            {"effect", level.effect},
                            {"standard_error", OrNull(level.standard_error)}});
    }
    json.push_back({{"axis", effect.axis},
                    {"reference", effect.reference},
                    {"in_logs", effect.in_logs},
                    {"levels", std::move(levels)}});
  }
  return json;
}

Json CostToJson(const SweepCost& cost) {
  Json workers = Json::array();
  for (const WorkerCost& worker : cost.workers) {
    workers.push_back({{"worker", worker.worker}, {"tasks", worker.tasks}, {"seconds", worker.seconds}});
  }
  return {{"runs_tasks", cost.runs_tasks},       {"tasks", cost.tasks},
          {"apart_seconds", cost.apart_seconds}, {"total_seconds", cost.total_seconds},
          {"reused_tasks", cost.reused_tasks},   {"reused_seconds", cost.reused_seconds},
          {"workers", std::move(workers)}};
}

Json WithoutResultToJson(const std::vector<RunWithoutResult>& runs) {
  Json json = Json::array();
  for (const RunWithoutResult& run : runs) {
    Json tasks = Json::array();
    for (const auto& task : run.tasks) {
      tasks.push_back(
          {{"title", task.title}, {"worker", task.worker}, {"attempts", task.attempts}, {"error", task.error}});
    }
    json.push_back({{"run_id", run.run_id},
                    {"name", run.name},
                    {"state", run.state},
                    {"reason", run.reason},
                    {"tasks", std::move(tasks)}});
  }
  return json;
}

}  // namespace

Json SensitivityToJson(const std::vector<ModelDepthScores>& models) {
  Json json = Json::array();
  for (const ModelDepthScores& model : models) {
    Json metrics = Json::array();
    for (const DepthScores& one : model.metrics) {
      metrics.push_back({{"metric", one.metric}, {"measurements", one.measurements}, {"scores", one.scores}});
    }
    Json correlations = Json::array();
    for (const auto& row : model.correlations) {
      Json& cells = correlations.emplace_back(Json::array());
      for (const auto& cell : row) cells.push_back(OrNull(cell));
    }
    json.push_back(
        {{"model", model.model}, {"metrics", std::move(metrics)}, {"correlations", std::move(correlations)}});
  }
  return json;
}

Json TimelineToJson(const Timeline& timeline) {
  Json workers = Json::array();
  for (const TimelineWorker& worker : timeline.workers) {
    workers.push_back({{"worker", worker.name},
                       {"tasks", worker.tasks},
                       {"busy_seconds", worker.busy_seconds},
                       {"first_start", worker.first_start},
                       {"last_end", worker.last_end}});
  }
  Json tasks = Json::array();
  for (const TimelineTask& task : timeline.tasks) {
    tasks.push_back({{"worker", task.worker},
                     {"group", TimelineGroupName(task.group)},
                     {"title", task.title},
                     {"run", task.run},
                     {"start", task.start},
                     {"end", task.end}});
  }
  return {{"from_unix_seconds", timeline.from_unix_s},
          {"workers", std::move(workers)},
          {"tasks", std::move(tasks)},
          {"left_out", timeline.left_out}};
}

StatusOr<SweepReport> BuildSweepReport(const SweepRuns& sweep, std::optional<size_t> baseline_run) {
  if (sweep.runs.empty()) return absl::InvalidArgumentError("a report needs at least one run");
  std::vector<Run> runs;
  std::set<std::string> ids;
  for (const SweepRun& entry : sweep.runs) {
    if (!ids.insert(entry.run.id()).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("run ", ShortId(entry.run.id()), " is named twice; name each run once"));
    }
    runs.push_back(entry.run);
  }
  SweepReport report{.name = sweep.name, .runs = BuildReport(runs, 0)};
  std::erase_if(report.runs.rows, [](const ReportRow& row) { return row.run_id.empty(); });
  report.arms = BuildArms(sweep, report.runs, baseline_run);
  report.full_precision = FullPrecisionOf(sweep, report.arms.columns);
  for (size_t column = 0; column < report.arms.columns.size(); ++column) {
    report.effects.push_back(AxisEffects(report.arms, column));
  }
  report.sensitivity = DepthScoresOf(sweep);
  report.cost = CostOf(sweep, report.arms.arms);
  report.timeline = TimelineOf(sweep);
  for (const Run& run : runs) {
    AddTimes(run, &report);
    if (run.state() != lwqat::v1::RUN_STATE_SUCCEEDED) report.without_result.push_back(WithoutResult(run));
  }
  return report;
}

Json SweepReportToJson(const SweepReport& report) {
  Json columns = Json::array();
  for (const ReportColumn& column : report.arms.columns) {
    const MetricTraits traits = TraitsOfMetric(column.metric);
    columns.push_back(
        {{"metric", column.metric},
         {"dataset", column.dataset},
         {"title", absl::StrCat(traits.title, " ", column.dataset)},
         {"lower_is_better", traits.lower_is_better.has_value() ? Json(*traits.lower_is_better) : Json()}});
  }
  Json full_precision = Json::array();
  for (const FullPrecision& model : report.full_precision) {
    Json values = Json::array();
    for (const auto& value : model.values) values.push_back(OrNull(value));
    full_precision.push_back({{"model", model.model}, {"name", model.name}, {"values", std::move(values)}});
  }
  Json effects = Json::array();
  for (const auto& of_column : report.effects) effects.push_back(EffectsToJson(of_column));
  return {{"name", report.name},
          {"columns", std::move(columns)},
          {"axes", report.arms.axes},
          {"baseline", report.arms.baseline},
          {"arms", ArmsToJson(report)},
          {"full_precision", std::move(full_precision)},
          {"effects", std::move(effects)},
          {"sensitivity", SensitivityToJson(report.sensitivity)},
          {"cost", CostToJson(report.cost)},
          {"timeline", TimelineToJson(report.timeline)},
          {"without_result", WithoutResultToJson(report.without_result)},
          {"remarks", report.arms.remarks}};
}

}  // namespace lwq::reporting
