// SPDX-License-Identifier: Apache-2.0
#include "reporting/files/run_report.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"
#include "reporting/recipe_differences.h"
#include "reporting/run_facts.h"
#include "reporting/sweep/sweep_report.h"
#include "reporting/task_metrics.h"
#include "reporting/training_outcome.h"

namespace lwq::reporting {
namespace {

using lwqat::v1::Run;
using lwqat::v1::Task;

std::optional<TrainingCurve> CurveOf(const Task& task) {
  const Json metrics = MetricsOf(task);
  const auto epochs = metrics.find("epochs");
  if (epochs == metrics.end() || !epochs->is_array() || epochs->empty()) return std::nullopt;
  TrainingCurve curve{.title = task.title(), .block = task.block()};
  for (const Json& epoch : *epochs) {
    if (!epoch.is_object()) continue;
    curve.points.push_back({.epoch = NumberOf(epoch, "epoch").value_or(static_cast<double>(curve.points.size() + 1)),
                            .train_loss = NumberOf(epoch, "train_loss"),
                            .val_loss = NumberOf(epoch, "val_loss")});
  }
  return curve;
}

std::vector<TrainingCurve> CurvesOf(const Run& run) {
  std::vector<TrainingCurve> curves;
  for (const Task& task : run.tasks()) {
    if (task.kind() != "train_block" || !IsBlockTask(task)) continue;
    if (auto curve = CurveOf(task); curve.has_value()) curves.push_back(*std::move(curve));
  }
  std::stable_sort(curves.begin(), curves.end(), [](const auto& a, const auto& b) { return a.block < b.block; });
  return curves;
}

// The segments of E2E-QP one after the other.
std::vector<double> ScaleLossesOf(const Run& run) {
  std::vector<std::pair<double, Json>> segments;
  for (const Task& task : run.tasks()) {
    if (task.kind() != "train_scales") continue;
    const Json metrics = MetricsOf(task);
    const auto losses = metrics.find("train_losses");
    if (losses == metrics.end() || !losses->is_array()) continue;
    segments.emplace_back(NumberOf(metrics, "first_step").value_or(0), *losses);
  }
  std::stable_sort(segments.begin(), segments.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<double> all;
  for (const auto& [first, losses] : segments) {
    for (const Json& loss : losses) all.push_back(loss.is_number() ? loss.get<double>() : std::nan(""));
  }
  return all;
}

std::vector<KindCost> CostsOf(const Run& run) {
  std::map<std::string, KindCost> costs;
  for (const Task& task : run.tasks()) {
    KindCost& cost = costs[IsSensitivityTask(task) ? absl::StrCat(task.kind(), " of sensitivity") : task.kind()];
    ++cost.tasks;
    cost.reused += task.from_cache() ? 1 : 0;
    cost.seconds += std::max(0.0, task.seconds());
    cost.peak_memory_bytes = std::max(cost.peak_memory_bytes, task.peak_memory_bytes());
    cost.peak_rss_bytes = std::max(cost.peak_rss_bytes, task.peak_rss_bytes());
  }
  std::vector<KindCost> list;
  for (auto& [kind, cost] : costs) {
    cost.kind = kind;
    list.push_back(std::move(cost));
  }
  return list;
}

std::vector<std::pair<std::string, std::string>> DigestsOf(const Run& run) {
  std::vector<std::pair<std::string, std::string>> digests;
  const auto add = [&](const std::string& what, const std::string& digest) {
    if (!digest.empty()) digests.emplace_back(what, digest);
  };
  const auto& spec = run.spec();
  add("result", run.result_digest());
  add("export", run.export_().digest());
  add("model", spec.model().files().digest());
  add("tokenizer", spec.model().tokenizer().digest());
  add(absl::StrCat("calibration text ", spec.calibration().name()), spec.calibration().files().digest());
  for (const auto& text : spec.eval_texts()) add(absl::StrCat("text ", text.name()), text.files().digest());
  for (const auto& task : spec.eval_tasks()) add(absl::StrCat("task ", task.name()), task.files().digest());
  return digests;
}

Json Known(const std::optional<double>& value) {
  return value.has_value() && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

Json CurvesToJson(const std::vector<TrainingCurve>& curves) {
  Json list = Json::array();
  for (const TrainingCurve& curve : curves) {
    Json points = Json::array();
    for (const TrainingCurve::Point& point : curve.points) {
      points.push_back(
          {{"epoch", point.epoch}, {"train_loss", Known(point.train_loss)}, {"val_loss", Known(point.val_loss)}});
    }
    list.push_back({{"title", curve.title}, {"block", curve.block}, {"epochs", std::move(points)}});
  }
  return list;
}

Json CostsToJson(const std::vector<KindCost>& costs) {
  Json list = Json::array();
  for (const KindCost& cost : costs) {
    list.push_back({{"kind", cost.kind},
                    {"tasks", cost.tasks},
                    {"reused", cost.reused},
                    {"seconds", cost.seconds},
                    {"peak_memory_bytes", cost.peak_memory_bytes},
                    {"peak_rss_bytes", cost.peak_rss_bytes}});
  }
  return list;
}

Json MeasuredToJson(const Run& run) {
  Json list = Json::array();
  for (const lwqat::v1::Measured& measured : run.measured()) {
    list.push_back({{"subject", measured.subject()},
                    {"dataset", measured.dataset()},
                    {"metric", measured.metric()},
                    {"value", Known(measured.value())},
                    {"count", measured.count()}});
    if (measured.has_standard_error()) list.back()["standard_error"] = Known(measured.standard_error());
    if (measured.has_add_bos()) list.back()["add_bos"] = measured.add_bos();
  }
  return list;
}

Json RunFactsToJson(const Run& run) {
  Json json{{"id", run.id()},
            {"name", run.spec().name()},
            {"state", RunStateName(run.state())},
            {"error", run.error()},
            {"model", run.spec().model().name()},
            {"model_uri", run.spec().model().uri()},
            {"submitted_unix_seconds", nullptr},
            {"finished_unix_seconds", nullptr}};
  if (run.has_submitted_at()) json["submitted_unix_seconds"] = UnixSeconds(run.submitted_at());
  if (run.has_finished_at()) json["finished_unix_seconds"] = UnixSeconds(run.finished_at());
  if (!run.sweep_id().empty()) {
    json["sweep_id"] = run.sweep_id();
    json["labels"] = std::map<std::string, std::string>(run.labels().begin(), run.labels().end());
  }
  return json;
}

Json PlanToJson(const lwqat::v1::Plan& plan) {
  return {{"average_bits", plan.average_bits()},
          {"stored_bits_per_weight", plan.stored_bits_per_weight()},
          {"quantized_bytes", plan.quantized_bytes()},
          {"export_bytes", plan.export_bytes()},
          {"peak_memory_bytes", plan.peak_memory_bytes()},
          {"order", std::vector<int>(plan.order().begin(), plan.order().end())},
          {"remarks", std::vector<std::string>(plan.remarks().begin(), plan.remarks().end())},
          {"chosen_defaults", std::vector<std::string>(plan.chosen_defaults().begin(), plan.chosen_defaults().end())}};
}

}  // namespace

RunReport BuildRunReport(const Run& run, const std::string& version) {
  const SweepRuns alone{.name = run.spec().name(), .runs = {{run, {}}}};
  return {.title = run.spec().name(),
          .run = run,
          .version = version,
          .layers = LayerResults(run),
          .curves = CurvesOf(run),
          .scale_losses = ScaleLossesOf(run),
          .costs = CostsOf(run),
          .scores = DepthScoresOf(alone),
          .timeline = TimelineOf(alone),
          .differences = RecipeDifferences(run),
          .digests = DigestsOf(run),
          .remarks = UselessTrainingRemarks(run)};
}

Json RunReportToJson(const RunReport& report) {
  const Run& run = report.run;
  Json losses = Json::array();
  for (const double loss : report.scale_losses) losses.push_back(Known(loss));
  Json differences = Json::object();
  for (const auto& [key, value] : report.differences) differences[key] = value;
  Json digests = Json::object();
  for (const auto& [what, digest] : report.digests) digests[what] = digest;
  return {{"kind", "run"},
          {"lwq_version", report.version},
          {"run", RunFactsToJson(run)},
          {"plan", PlanToJson(run.plan())},
          {"layers", LayersToJson(run)},
          {"measured", MeasuredToJson(run)},
          {"curves", CurvesToJson(report.curves)},
          {"scale_losses", std::move(losses)},
          {"sensitivity", SensitivityToJson(report.scores)},
          {"cost", {{"kinds", CostsToJson(report.costs)}}},
          {"timeline", TimelineToJson(report.timeline)},
          {"recipe", LayerStatistics(run).at("config")},
          {"recipe_differences", std::move(differences)},
          {"digests", std::move(digests)},
          {"numerics_class", run.numerics_class()},
          {"kind_classes", std::map<std::string, std::string>(run.kind_classes().begin(), run.kind_classes().end())},
          {"remarks", report.remarks}};
}

}  // namespace lwq::reporting
