// SPDX-License-Identifier: Apache-2.0
// From the metrics of finished sensitivity tasks to a measurement: sums in the order of shards, in float64.
#include <algorithm>
#include <cmath>
#include <map>

#include "coordinator/graph/sensitivity_tasks.h"
#include "coordinator/plan/recipe/sensitivity_choices.h"

namespace lwq::coordinator {
namespace {

class Collector {
 public:
  Collector(const PendingMeasurement& pending, int64_t layers, const Recipe& recipe, const MetricsOf& metrics)
      : pending_(pending), layers_(static_cast<size_t>(layers)), recipe_(recipe), metrics_(metrics) {}

  StatusOr<Measurement> Collect() {
    measurement_.metric = pending_.metric;
    measurement_.trained_blocks = pending_.trained_blocks;
    measurement_.samples = recipe_.sensitivity_samples;
    measurement_.seqlen = recipe_.training_seqlen;
    if (pending_.metric.has_value()) measurement_.scores.assign(layers_, 0);
    if (pending_.metric == SensitivityMetric::kFisher) LWQ_RETURN_IF_ERROR(Fisher());
    if (pending_.metric == SensitivityMetric::kGradient) LWQ_RETURN_IF_ERROR(GradientNorm());
    if (pending_.metric == SensitivityMetric::kHessian) LWQ_RETURN_IF_ERROR(Hessian());
    if (pending_.metric.has_value() && IsTableMetric(*pending_.metric)) LWQ_RETURN_IF_ERROR(Table());
    LWQ_RETURN_IF_ERROR(SquaredErrors());
    LWQ_RETURN_IF_ERROR(CheckFinite());
    return std::move(measurement_);
  }

 private:
  double samples() const { return static_cast<double>(recipe_.sensitivity_samples); }
  double& score(int64_t block) { return measurement_.scores[static_cast<size_t>(block)]; }

  Status Broken(TaskKind kind, std::string_view what) const {
    return absl::InternalError(absl::StrCat("the metrics of a ", TaskKindName(kind), " task have no ", what));
  }

  // `count` finite numbers; −1: any number of them.
  StatusOr<std::vector<double>> Numbers(const PendingMeasurement::Part& part, const char* name, int64_t count) const {
    LWQ_ASSIGN_OR_RETURN(const Json metrics, metrics_(part.task));
    const auto list = metrics.is_object() ? metrics.find(name) : metrics.end();
    if (list == metrics.end() || !list->is_array()) return Broken(part.kind, absl::StrCat("list '", name, "'"));
    std::vector<double> numbers;
    for (const Json& number : *list) {
      if (!number.is_number() || !std::isfinite(number.get<double>())) {
        return absl::InvalidArgumentError(absl::StrCat("the sensitivity of block ", part.block,
                                                       " could not be measured: '", name,
                                                       "' is not finite; the model may overflow in fp32"));
      }
      numbers.push_back(number.get<double>());
    }
    if (count >= 0 && std::ssize(numbers) != count) {
      return Broken(part.kind, absl::StrCat(count, " numbers '", name, "'"));
    }
    return numbers;
  }

  Status Fisher() {
    for (const auto& part : pending_.parts) {
      if (part.kind != TaskKind::kBackwardBlock) continue;
      LWQ_ASSIGN_OR_RETURN(const std::vector<double> norms, Numbers(part, "squared_gradient_norms", -1));
      for (const double norm : norms) score(part.block) += norm;
    }
    for (double& total : measurement_.scores) total /= samples();
    return absl::OkStatus();
  }

  Status GradientNorm() {
    for (const auto& part : pending_.parts) {
      if (part.kind != TaskKind::kGradientNorm) continue;
      LWQ_ASSIGN_OR_RETURN(const Json metrics, metrics_(part.task));
      const StatusOr<double> norm = JsonDouble(metrics, "gradient_norm", "metrics");
      if (!norm.ok() || !std::isfinite(*norm)) return Broken(part.kind, "number 'gradient_norm'");
      score(part.block) = *norm;
    }
    return absl::OkStatus();
  }

  // vᵀHv of every probe is the mean over the samples; the trace is the mean over the probes.
  Status Hessian() {
    std::map<int64_t, std::map<int64_t, double>> probes;  // block → probe → Σ over samples
    const bool whole_model = recipe_.hessian_scope == HessianScope::kModel;
    for (const auto& part : pending_.parts) {
      if (part.kind != TaskKind::kHessian) continue;
      const int64_t covered = whole_model ? static_cast<int64_t>(layers_) : 1;
      LWQ_ASSIGN_OR_RETURN(const std::vector<double> curvatures, Numbers(part, "curvatures", covered));
      for (int64_t i = 0; i < covered; ++i) {
        probes[part.block + i][part.probe] += curvatures[static_cast<size_t>(i)];
      }
    }
    measurement_.standard_errors.assign(layers_, 0);
    for (const int64_t block : pending_.blocks) {
      const double count = static_cast<double>(probes[block].size());
      double sum = 0;
      for (const auto& [probe, value] : probes[block]) sum += value / samples();
      const double mean = sum / count;
      double squares = 0;
      for (const auto& [probe, value] : probes[block]) squares += std::pow(value / samples() - mean, 2);
      score(block) = mean;
      if (count > 1) {
        measurement_.standard_errors[static_cast<size_t>(block)] = std::sqrt(squares / (count - 1) / count);
      }
    }
    return absl::OkStatus();
  }

  // In nats per token: output_fisher is the second-order term of the loss, half of the mean of the squared products.
  Status Table() {
    ScoreTable table;
    LWQ_ASSIGN_OR_RETURN(table.choices, SensitivityChoices(recipe_));
    const int64_t choices = std::ssize(table.choices);
    table.loss.assign(layers_, std::vector<double>(table.choices.size(), 0));
    for (const auto& part : pending_.parts) {
      std::vector<double>& row = table.loss[static_cast<size_t>(part.block)];
      if (part.kind == TaskKind::kOutputFisher) {
        LWQ_ASSIGN_OR_RETURN(const std::vector<double> sums, Numbers(part, "sums", choices));
        for (size_t i = 0; i < row.size(); ++i) row[i] += sums[i] / 2;
      } else if (part.kind == TaskKind::kLossDelta) {
        LWQ_ASSIGN_OR_RETURN(const std::vector<double> sums, Numbers(part, "loss_sums", choices));
        LWQ_ASSIGN_OR_RETURN(const Json metrics, metrics_(part.task));
        const StatusOr<double> before = JsonDouble(metrics, "loss_sum", "metrics");
        if (!before.ok()) return Broken(part.kind, "number 'loss_sum'");
        for (size_t i = 0; i < row.size(); ++i) row[i] += sums[i] - *before;
      }
    }
    for (std::vector<double>& row : table.loss) {
      for (double& loss : row) loss /= samples();
    }
    LWQ_ASSIGN_OR_RETURN(measurement_.scores, ScoresAt(table, {recipe_.wbits, recipe_.group_size}));
    measurement_.table = std::move(table);
    return absl::OkStatus();
  }

  Status SquaredErrors() {
    ScoreTable table;
    LWQ_ASSIGN_OR_RETURN(table.choices, SensitivityChoices(recipe_));
    for (const auto& part : pending_.parts) {
      if (part.kind != TaskKind::kWeightError) continue;
      LWQ_ASSIGN_OR_RETURN(std::vector<double> errors, Numbers(part, "squared_errors", std::ssize(table.choices)));
      table.loss.push_back(std::move(errors));
    }
    if (!table.loss.empty()) measurement_.squared_error = std::move(table);
    return absl::OkStatus();
  }

  // Sums of finite numbers may not be.
  Status CheckFinite() const {
    for (size_t block = 0; block < layers_; ++block) {
      bool finite = true;
      const auto look_at = [&finite](double number) { finite = finite && std::isfinite(number); };
      if (!measurement_.scores.empty()) look_at(measurement_.scores[block]);
      if (!measurement_.standard_errors.empty()) look_at(measurement_.standard_errors[block]);
      if (measurement_.table.has_value()) {
        std::for_each(measurement_.table->loss[block].begin(), measurement_.table->loss[block].end(), look_at);
      }
      if (finite) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("the sensitivity of block ", block, " is not a finite number; the model may overflow in fp32"));
    }
    return absl::OkStatus();
  }

  const PendingMeasurement& pending_;
  size_t layers_;
  const Recipe& recipe_;
  const MetricsOf& metrics_;
  Measurement measurement_;
};

}  // namespace

StatusOr<Measurement> CollectMeasurement(const PendingMeasurement& pending, const LlamaConfig& config,
                                         const Recipe& recipe, const MetricsOf& metrics) {
  return Collector(pending, config.num_hidden_layers, recipe, metrics).Collect();
}

}  // namespace lwq::coordinator
