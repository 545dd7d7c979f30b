// SPDX-License-Identifier: Apache-2.0
// What became of each block of a run: the plan's row beside what its training measured. One source for
// layer_statistics.json, for "layers" in a run's JSON and for the per-block table of `lwq get`.
//
// A unit of several blocks is one training: its losses, steps and peak memory are those of each of its blocks, its time
// is shared out evenly, and zero points are counted by block where the training did. With handoff relay a block has two
// trainings: epochs, steps, flips and time add up, the first loss is the first one's and the last the last one's.
//
// Pure. What is not known (yet) is absent, in JSON null.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/json/json.h"
#include "lwqat/v1/run.pb.h"

namespace lwq::reporting {

struct LayerResult {
  lwqat::v1::BlockPlan plan;
  std::optional<double> sensitivity;
  std::optional<double> epochs_trained;
  std::optional<int64_t> steps;  // of the optimizer
  std::optional<double> initial_val_loss;
  std::optional<double> best_val_loss;
  std::optional<double> final_val_loss;
  std::optional<bool> loss_lowered;  // by any step of any of its trainings (training_outcome.h)
  std::optional<int64_t> zero_point_flips;
  std::optional<int64_t> zero_points;
  std::optional<double> training_seconds;
  std::optional<int64_t> peak_memory_bytes;
  // Of a run that prepares its blocks, by what the scales divide (worker/qat/api/prepare.h) in its order; else empty.
  std::vector<std::pair<std::string, double>> scale_exponents;
};

// By layer; empty for a run that quantizes nothing.
std::vector<LayerResult> LayerResults(const lwqat::v1::Run& run);

// [{layer_idx, …}]: the fields of docs/formats.md, "Beside an exported model"; numbers as numbers.
Json LayersToJson(const lwqat::v1::Run& run);

// The content of layer_statistics.json: {layers, average_bits, stored_bits_per_weight, total_training_time, order,
// config, …}.
Json LayerStatistics(const lwqat::v1::Run& run);

// The run as its message, with "layers" besides.
Json RunToJson(const lwqat::v1::Run& run);

}  // namespace lwq::reporting
