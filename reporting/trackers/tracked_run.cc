// SPDX-License-Identifier: Apache-2.0
#include "reporting/trackers/tracked_run.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "absl/strings/str_format.h"
#include "common/digest/digest.h"
#include "common/text/utf8.h"
#include "reporting/json_text.h"
#include "reporting/layer_results.h"
#include "reporting/run_facts.h"
#include "reporting/task_metrics.h"

namespace lwq::reporting {
namespace {

using lwqat::v1::Run;
using lwqat::v1::Task;

constexpr size_t kLongestName = 200;
constexpr char kFullPrecisionSubject[] = "fp";

int64_t UnixMs(const google::protobuf::Timestamp& time) {
  return time.seconds() * 1000 + time.nanos() / 1'000'000;
}

// Series as they are put together: a point at each step, the last one wins.
class SeriesByName {
 public:
  void Add(const std::string& name, int64_t step, double value, int64_t unix_ms) {
    points_[name][step] = {.step = step, .value = value, .unix_ms = unix_ms};
  }

  std::vector<TrackedSeries> Finish() const {
    std::vector<TrackedSeries> series;
    for (const auto& [name, points] : points_) {
      TrackedSeries& one = series.emplace_back();
      one.name = name;
      const size_t stride = (points.size() + kMostTrackedPoints - 1) / kMostTrackedPoints;
      size_t place = 0;
      for (const auto& [step, point] : points) {
        if (++place % stride == 0 || place == points.size()) one.points.push_back(point);
      }
    }
    return series;
  }

 private:
  std::map<std::string, std::map<int64_t, TrackedPoint>> points_;
};

// Epochs end as long after the task's begin as they took; where nobody executed it here, all at `otherwise_unix_ms`.
void AddEpochs(const Task& task, int64_t otherwise_unix_ms, int64_t* last_step, SeriesByName* series) {
  const Json metrics = MetricsOf(task);
  const auto epochs = metrics.find("epochs");
  if (epochs == metrics.end() || !epochs->is_array()) return;
  const std::string block = absl::StrFormat("block_%03d", task.block());
  double seconds = 0;
  int64_t end = *last_step;
  for (const Json& epoch : *epochs) {
    const auto step = JsonInt(epoch, "step", "epoch");
    if (!step.ok() || *step < 0) continue;
    seconds += NumberOf(epoch, "seconds").value_or(0);
    const int64_t unix_ms =
        task.has_started_at() ? UnixMs(task.started_at()) + std::llround(seconds * 1000) : otherwise_unix_ms;
    end = *last_step + *step;
    for (const char* loss : {"train_loss", "val_loss"}) {
      if (const auto value = NumberOf(epoch, loss); value.has_value()) {
        series->Add(absl::StrCat(loss, "/", block), end, *value, unix_ms);
      }
    }
  }
  *last_step = end;
}

// A block that is trained twice (handoff relay) goes on where its first training ended.
void AddTrainings(const Run& run, int64_t start_unix_ms, SeriesByName* series) {
  std::map<int, int64_t> last_steps;  // by block
  for (const Task& task : run.tasks()) {
    if (!IsBlockTask(task) || task.state() != lwqat::v1::TASK_STATE_SUCCEEDED) continue;
    AddEpochs(task, start_unix_ms, &last_steps[task.block()], series);
  }
}

void AddEndToEnd(const Run& run, int64_t start_unix_ms, SeriesByName* series) {
  for (const Task& task : run.tasks()) {
    if (task.kind() != "train_scales" || task.state() != lwqat::v1::TASK_STATE_SUCCEEDED) continue;
    const Json metrics = MetricsOf(task);
    const auto first = JsonInt(metrics, "first_step", "metrics");
    if (!first.ok() || *first < 0) continue;
    const int64_t unix_ms = task.has_finished_at() ? UnixMs(task.finished_at()) : start_unix_ms;
    for (const auto& [key, name] : {std::pair("train_losses", "e2e/train_loss"), {"grad_norms", "e2e/grad_norm"}}) {
      const auto values = metrics.find(key);
      if (values == metrics.end() || !values->is_array()) continue;
      for (size_t i = 0; i < values->size(); ++i) {
        const Json& value = (*values)[i];
        if (value.is_number()) series->Add(name, *first + static_cast<int64_t>(i), value.get<double>(), unix_ms);
      }
    }
  }
}

void AddBlocks(const Run& run, int64_t unix_ms, SeriesByName* series) {
  for (const LayerResult& layer : LayerResults(run)) {
    const auto add = [&](const char* name, std::optional<double> value) {
      if (value.has_value()) series->Add(absl::StrCat("blocks/", name), layer.plan.layer_idx(), *value, unix_ms);
    };
    add("bits", layer.plan.bit_width());
    add("stored_bits_per_weight", layer.plan.stored_bits_per_weight());
    add("sensitivity", layer.sensitivity);
    add("initial_val_loss", layer.initial_val_loss);
    add("best_val_loss", layer.best_val_loss);
    add("final_val_loss", layer.final_val_loss);
    add("training_seconds", layer.training_seconds);
  }
}

std::map<std::string, double> SummaryOf(const Run& run) {
  std::map<std::string, double> summary;
  for (const auto& measured : run.measured()) {
    const char* kind = measured.subject() == kFullPrecisionSubject ? "eval_fp/" : "eval/";
    const std::string name =
        absl::StrCat(kind, TrackedName(measured.metric()), "/", TrackedName(ReplaceAll(measured.dataset(), "/", "_")));
    summary.emplace(name, measured.value());
  }
  if (!run.plan().blocks().empty()) {
    summary["run/average_bits"] = run.plan().average_bits();
    summary["run/stored_bits_per_weight"] = run.plan().stored_bits_per_weight();
  }
  if (run.export_bytes() > 0) summary["run/export_bytes"] = static_cast<double>(run.export_bytes());
  if (run.has_finished_at()) summary["run/wall_seconds"] = ElapsedSeconds(run, 0);
  summary["run/tasks"] = run.tasks_total();
  summary["run/tasks_shared"] = run.tasks_shared();
  return summary;
}

std::map<std::string, Json> ParametersOf(const SweepRun& entry) {
  const Run& run = entry.run;
  std::map<std::string, Json> parameters;
  const bool is_planned = run.has_plan() && run.plan().has_recipe();
  const Json recipe = RecipeToJson(is_planned ? run.plan().recipe() : run.spec().recipe());
  for (const auto& [name, value] : recipe.items()) parameters[name] = value;
  if (!run.spec().model().name().empty()) parameters["model"] = run.spec().model().name();
  if (!run.spec().calibration().name().empty()) parameters["calib_dataset"] = run.spec().calibration().name();
  for (const auto& [axis, value] : entry.labels) parameters[absl::StrCat("label.", TrackedName(axis))] = value;
  if (!run.result_digest().empty()) parameters["result_digest"] = run.result_digest();
  return parameters;
}

}  // namespace

TrackedRun TrackRun(const SweepRun& entry) {
  const Run& run = entry.run;
  TrackedRun tracked;
  tracked.id = run.id();
  tracked.name = run.spec().name();
  tracked.group = run.sweep_id();
  tracked.state = run.state();
  tracked.start_unix_ms = UnixMs(run.submitted_at());
  if (run.has_finished_at()) tracked.end_unix_ms = UnixMs(run.finished_at());
  tracked.parameters = ParametersOf(entry);
  tracked.summary = SummaryOf(run);
  SeriesByName series;
  AddTrainings(run, tracked.start_unix_ms, &series);
  AddEndToEnd(run, tracked.start_unix_ms, &series);
  AddBlocks(run, tracked.end_unix_ms.value_or(tracked.start_unix_ms), &series);
  tracked.series = series.Finish();
  return tracked;
}

std::string TrackedName(std::string_view text) {
  std::string name;
  for (const char c : text.substr(0, kLongestName)) {
    const bool is_plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '/';
    const bool is_inner_dot = c == '.' && !name.empty() && name.back() != '/';
    name += is_plain || is_inner_dot ? c : '_';
  }
  return name.empty() ? "_" : name;
}

std::string TrackedFolder(const TrackedRun& run) {
  return absl::StrCat(TrackedName(ReplaceAll(run.name, "/", "_")), "-", DigestOf(run.id).hex().substr(0, 8));
}

}  // namespace lwq::reporting
