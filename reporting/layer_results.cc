// SPDX-License-Identifier: Apache-2.0
#include "reporting/layer_results.h"

#include <algorithm>
#include <string_view>

#include "reporting/json_text.h"
#include "reporting/run_facts.h"
#include "reporting/task_metrics.h"
#include "reporting/training_outcome.h"

namespace lwq::reporting {
namespace {

using lwqat::v1::BlockPlan;
using lwqat::v1::Run;
using lwqat::v1::Task;

template <typename T>
void AddTo(std::optional<T>* sum, std::optional<T> value) {
  if (value.has_value()) sum->emplace(sum->value_or(T{}) + *value);
}

// A reused result may carry no time of its own: its epochs do.
double SecondsOf(const Task& task, const Json& metrics) {
  if (task.seconds() > 0) return task.seconds();
  double seconds = 0;
  const auto epochs = metrics.find("epochs");
  if (epochs == metrics.end() || !epochs->is_array()) return 0;
  for (const Json& epoch : *epochs) seconds += NumberOf(epoch, "seconds").value_or(0);
  return seconds;
}

// What the training counted for the block at `place` in its unit.
const Json& MetricsOfBlock(const Json& metrics, int place) {
  const auto blocks = metrics.find("blocks");
  const bool counted = blocks != metrics.end() && blocks->is_array() && place < static_cast<int>(blocks->size());
  return counted && (*blocks)[static_cast<size_t>(place)].is_object() ? (*blocks)[static_cast<size_t>(place)] : metrics;
}

void AddTraining(const Task& task, int place, int unit_blocks, LayerResult* layer) {
  const Json metrics = MetricsOf(task);
  const Json& own = MetricsOfBlock(metrics, place);
  AddTo(&layer->epochs_trained, NumberOf(metrics, "epochs_trained"));
  AddTo(&layer->steps, IntegerOf(metrics, "steps"));
  AddTo(&layer->zero_point_flips, IntegerOf(own, "zero_point_flips"));
  if (const auto points = IntegerOf(own, "zero_points"); points.has_value()) layer->zero_points = points;
  if (!layer->initial_val_loss.has_value()) layer->initial_val_loss = NumberOf(metrics, "initial_val_loss");
  if (const auto loss = NumberOf(metrics, "best_val_loss"); loss.has_value()) layer->best_val_loss = loss;
  if (const auto loss = NumberOf(metrics, "final_val_loss"); loss.has_value()) layer->final_val_loss = loss;
  if (const auto lowered = LoweredLoss(metrics); lowered.has_value()) {
    layer->loss_lowered = layer->loss_lowered.value_or(false) || *lowered;
  }
  const double seconds = SecondsOf(task, metrics);
  if (seconds > 0) AddTo(&layer->training_seconds, std::optional<double>(seconds / unit_blocks));
  if (task.peak_memory_bytes() > 0) {
    layer->peak_memory_bytes = std::max(layer->peak_memory_bytes.value_or(0), task.peak_memory_bytes());
  }
}

void AddScales(const Task& task, LayerResult* layer) {
  const Json metrics = MetricsOf(task);
  if (!metrics.contains("sources")) return;
  for (const Json& found : metrics.at("sources")) {
    const auto source = JsonString(found, "source", "metrics");
    const auto exponent = NumberOf(found, "exponent");
    if (source.ok() && exponent.has_value()) layer->scale_exponents.emplace_back(*source, *exponent);
  }
}

std::optional<double> SensitivityOf(const Run& run, const BlockPlan& block) {
  if (block.has_sensitivity()) return block.sensitivity();
  if (!run.sensitivity().empty() && block.layer_idx() < run.sensitivity(0).scores_size()) {
    return run.sensitivity(0).scores(block.layer_idx());
  }
  return std::nullopt;
}

template <typename T>
Json OrNull(const std::optional<T>& value) {
  return value.has_value() ? Json(*value) : Json(nullptr);
}

Json LayerToJson(const LayerResult& layer) {
  const BlockPlan& plan = layer.plan;
  Json json{{"layer_idx", plan.layer_idx()},
            {"position", plan.position()},
            {"unit", plan.unit()},
            {"sensitivity", OrNull(layer.sensitivity)},
            {"bit_width", plan.bit_width()},
            {"group_size", plan.group_size()},
            {"stored_bits_per_weight", plan.stored_bits_per_weight()},
            {"epochs_planned", plan.epochs()},
            {"epochs_trained", OrNull(layer.epochs_trained)},
            {"steps", OrNull(layer.steps)},
            {"quant_lr", plan.quant_lr()},
            {"zp_lr", plan.zp_lr()},
            {"weight_lr", plan.weight_lr()},
            {"patience", plan.patience()},
            {"initial_val_loss", OrNull(layer.initial_val_loss)},
            {"best_val_loss", OrNull(layer.best_val_loss)},
            {"final_val_loss", OrNull(layer.final_val_loss)},
            {"loss_lowered", OrNull(layer.loss_lowered)},
            {"zero_point_flips", OrNull(layer.zero_point_flips)},
            {"zero_points", OrNull(layer.zero_points)},
            {"training_time", OrNull(layer.training_seconds)},
            {"peak_memory_bytes", OrNull(layer.peak_memory_bytes)}};
  for (const auto& [source, exponent] : layer.scale_exponents) json["scale_exponents"][source] = exponent;
  return json;
}

}  // namespace

std::vector<LayerResult> LayerResults(const Run& run) {
  std::vector<LayerResult> layers;
  for (const BlockPlan& block : run.plan().blocks()) {
    LayerResult& layer = layers.emplace_back();
    layer.plan = block;
    layer.sensitivity = SensitivityOf(run, block);
    const auto same_unit = [&](const BlockPlan& other) { return other.unit() == block.unit(); };
    const auto unit_blocks = std::count_if(run.plan().blocks().begin(), run.plan().blocks().end(), same_unit);
    for (const Task& task : run.tasks()) {
      if (task.kind() == "search_scales" && task.block() == block.layer_idx()) AddScales(task, &layer);
      if (!IsBlockTask(task) || task.block() != block.unit()) continue;
      if (task.state() != lwqat::v1::TASK_STATE_SUCCEEDED) continue;
      AddTraining(task, block.layer_idx() - block.unit(), static_cast<int>(unit_blocks), &layer);
    }
  }
  return layers;
}

Json LayersToJson(const Run& run) {
  Json list = Json::array();
  for (const LayerResult& layer : LayerResults(run)) list.push_back(LayerToJson(layer));
  return list;
}

Json LayerStatistics(const Run& run) {
  double training_time = 0;
  for (const LayerResult& layer : LayerResults(run)) training_time += layer.training_seconds.value_or(0);
  return Json{{"model", run.spec().model().name()},
              {"layers", LayersToJson(run)},
              {"order", Json(std::vector<int>(run.plan().order().begin(), run.plan().order().end()))},
              {"average_bits", run.plan().average_bits()},
              {"stored_bits_per_weight", run.plan().stored_bits_per_weight()},
              {"total_training_time", training_time},
              {"result_digest", run.result_digest()},
              {"config", RecipeToJson(run.plan().recipe())}};
}

Json RunToJson(const Run& run) {
  Json json = ToJson(run);
  json["layers"] = LayersToJson(run);
  return json;
}

}  // namespace lwq::reporting
