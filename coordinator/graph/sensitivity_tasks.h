// SPDX-License-Identifier: Apache-2.0
// Measuring the sensitivity of a model's blocks as tasks, and reading what they measured.
//
//   A(n) ─loss_gradient s─▶ G(n) ─backward n−1, s─▶ G(n−1) ─▶ …          for every shard s of the samples
//   fisher           the backward tasks' norms
//   gradient         their sums by shard ─▶ gradient_norm
//   output_fisher    A(k), G(k+1) ─▶ every choice of bits and groups
//   hessian          A(first…n), G(first+1…n) ─▶ one probe
//   loss_delta       A(k) ─▶ the rest of the model, block k in every choice
//   pilot            A(k), A(k+1) ─train─▶ a candidate for every choice ─▶ loss_delta
//
// Samples are the first sensitivity_samples calibration windows, in shards of sensitivity_shard_samples. Sums are added
// in the order of shards, so what comes out does not depend on who executed what. Formulas: docs/sensitivity.md.
//
// Pure; thread-safe. Determinism: equal arguments give equal tasks in equal order.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "common/model/llama_config.h"
#include "coordinator/graph/model_state.h"
#include "coordinator/graph/planned_task.h"
#include "coordinator/graph/prepare_tasks.h"
#include "coordinator/graph/run_spec.h"
#include "coordinator/plan/policy/measurement.h"

namespace lwq::coordinator {

// What is to be measured, and the tasks that measure it.
struct PendingMeasurement {
  struct Part {
    Digest task;
    TaskKind kind = TaskKind::kNoop;
    int64_t block = 0;  // the first it says something about
    int64_t probe = 0;
  };
  std::optional<SensitivityMetric> metric;  // absent where scores are given and only squared errors are missing
  std::vector<int64_t> blocks;
  int64_t trained_blocks = 0;
  std::vector<Part> parts;  // by block, then probe, then shard
};

struct SensitivityRequest {
  std::optional<SensitivityMetric> metric;  // absent for none
  std::vector<int64_t> blocks;              // to measure, by layer
  bool squared_error = false;               // also ‖W − Q(W)‖² of every choice
  int64_t trained_blocks = 0;               // of the model at this moment
};

// `tokens` are the calibration windows; `model` the state to measure, whose chain grows by what is read;
// `add_pilot` adds the training of a pilot and returns its checkpoint.
struct SensitivityContext {
  const RunSpec& spec;
  const Recipe& recipe;
  TaskInput tokens;
  ModelState& model;
  const ScalesByBlock& scales;  // of blocks that are measured as they will be quantized
  TaskList& tasks;
  std::function<TaskOutputRef(int64_t block, const QuantChoice& choice)> add_pilot;
};
PendingMeasurement AddSensitivityTasks(const SensitivityRequest& request, const SensitivityContext& context);

// Metrics of a finished task as JSON.
using MetricsOf = std::function<StatusOr<Json>(const Digest& task)>;

// What the finished tasks say. INTERNAL naming the kind where metrics are not what the kind promises; INVALID_ARGUMENT
// naming the block where what was measured is not finite; errors of `metrics`.
StatusOr<Measurement> CollectMeasurement(const PendingMeasurement& pending, const LlamaConfig& config,
                                         const Recipe& recipe, const MetricsOf& metrics);

}  // namespace lwq::coordinator
