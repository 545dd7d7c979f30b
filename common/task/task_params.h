// The parameters of every task kind: what the coordinator's graph writes and the worker's executor reads.
//
// One struct per kind; ToJson is canonical (every field present, so that a default that changes later changes the key),
// FromJson refuses unknown and missing fields with INVALID_ARGUMENT. Roles of inputs and outputs stand beside each
// struct.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/json/json.h"
#include "common/status/status.h"

namespace lwq {

// Inputs: "tokenizer" (files), "text" (files). Output: "tokens": sample set I32 [seqlen].
struct TokenizeParams {
  // "windows": train_size + val_size calibration windows, the validation windows last; "stream": every disjoint window
  // of the text.
  std::string mode = "windows";
  int64_t seqlen = 0;
  int64_t train_size = 0;  // windows only
  int64_t val_size = 0;
  int64_t seed = 0;
  bool disjoint = true;  // windows do not overlap each other (efficientqat: drawn independently)
  Json ToJson() const;
  static StatusOr<TokenizeParams> FromJson(const Json& json);
};

// Inputs: "model" (files), "tokens". Output: "activations": sample set [seqlen, hidden].
struct EmbedParams {
  std::string dtype = "F32";  // of the stored activations: "F32" or "BF16"
  Json ToJson() const;
  static StatusOr<EmbedParams> FromJson(const Json& json);
};

// Inputs: "model", "activations", and "block" (a checkpoint) unless the block is at full precision. Output:
// "activations".
struct AdvanceParams {
  int64_t block = 0;
  int64_t micro_batch = 1;
  std::string dtype = "F32";
  Json ToJson() const;
  static StatusOr<AdvanceParams> FromJson(const Json& json);
};

// Inputs: "model", "inputs" (activations the quantized block reads), "targets" (full-precision outputs); to go on from
// an earlier training its "start" (output "block") and "latent". Outputs: "block" and, with keep_latent, "latent".
// Metrics: initial_val_loss, best_val_loss, final_val_loss, epochs_planned, epochs_trained, steps, stopped_early,
// zero_point_flips, zero_points, epochs [{epoch, step, train_loss, val_loss, seconds}], bits, group_size, quant_lr,
// weight_lr.
struct TrainBlockParams {
  int64_t block = 0;
  int64_t train_size = 0;  // samples [0, train_size) train, [train_size, train_size + val_size) validate
  int64_t val_size = 0;
  int bits = 4;
  int64_t group_size = 128;  // −1: whole row
  double epochs = 2;
  int64_t batch_size = 2;
  int64_t gradient_accumulation_steps = 1;
  double quant_lr = 1e-4;
  std::optional<double> zp_lr;
  double weight_lr = 1e-5;
  double min_lr_factor = 20;
  double wd = 0;
  double early_stop = 0;
  bool early_stop_resets = true;
  bool keep_best = true;
  bool fp16_scales = true;
  bool range_contains_zero = true;
  std::string lr_schedule = "cosine";  // "cosine" | "chained_cosine"
  bool keep_latent = false;            // a second output, "latent", for a training that goes on from this one
  Json ToJson() const;
  static StatusOr<TrainBlockParams> FromJson(const Json& json);
};

// Input: "model". Output: "block".
struct RtnBlockParams {
  int64_t block = 0;
  int bits = 4;
  int64_t group_size = 128;
  bool fp16_scales = true;
  bool range_contains_zero = true;
  Json ToJson() const;
  static StatusOr<RtnBlockParams> FromJson(const Json& json);
};

// Inputs: "model", "tokens" (from mode "stream"), and "block.<k>" for every block that is not at full precision.
// No output. Metrics: perplexity, nll_sum, windows, tokens.
struct EvaluatePplParams {
  int64_t micro_batch = 1;
  Json ToJson() const;
  static StatusOr<EvaluatePplParams> FromJson(const Json& json);
};

// Inputs: "model", "block.<k>" for every block, "tokenizer" (files, optional). Output: "files". Metrics: file_bytes,
// stored_bits_per_weight.
struct ExportParams {
  std::string format = "gptq_v2";  // "gptq_v2" | "fake_quant"
  Json ToJson() const;
  static StatusOr<ExportParams> FromJson(const Json& json);
};

}  // namespace lwq
