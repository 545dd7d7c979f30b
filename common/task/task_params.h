// SPDX-License-Identifier: Apache-2.0
// The parameters of every task kind: what the coordinator's graph writes and the worker's executor reads.
//
// Where a run prepares its blocks (recipe field prepare), tasks that quantize or measure the weights of block k have
// its "scales.<k>" as one more input, and work them into the block that "model" has: train_block of every block of its
// unit that it does not go on from, rtn_block, gptq_block, fit_rounding, weight_error, backward_block, output_fisher,
// loss_delta and hessian.
//
// One struct per kind; ToJson is canonical (every field present, so that a default that changes later changes the key;
// only settings younger than stored tasks are left out at their default),
// FromJson refuses unknown and missing fields with INVALID_ARGUMENT. Roles of inputs and outputs stand beside each
// struct.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json/json.h"
#include "common/recipe/choices.h"
#include "common/recipe/train_settings.h"
#include "common/status/status.h"
#include "common/task/quant_choice.h"
#include "common/task/task_kind.h"

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
// an earlier training, gptq_block or fit_rounding, its "start" (output "block") and "latent". Outputs: "block" and,
// with keep_latent, "latent". With `rest`, a unit of several blocks is trained as one against the last one's output:
// block + i has its roles with ".i" appended ("block.1", "latent.1", "start.1"). Metrics: initial_val_loss,
// best_val_loss, final_val_loss, epochs_planned, epochs_trained, steps, stopped_early, zero_point_flips, zero_points,
// epochs [{epoch, step, train_loss, val_loss, seconds}], bits, group_size, quant_lr, weight_lr (rates as used, after
// halvings), blocks [{layer_idx, bits, group_size, zero_point_flips, zero_points}]; the others are the unit's (flips
// its sum; bits and group_size its first block's).
struct TrainBlockParams : TrainSettings {
  int64_t block = 0;
  int64_t train_size = 0;  // samples [0, train_size) train, [train_size, train_size + val_size) validate
  int64_t val_size = 0;
  int bits = 0;
  int64_t group_size = 0;         // −1: whole row
  bool keep_latent = false;       // a second output, "latent", for a training that goes on from this one
  std::vector<QuantChoice> rest;  // how the blocks after `block` are quantized that are trained with it
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
  bool middle_zero_points = false;
  bool sym = false;
  Json ToJson() const;
  static StatusOr<RtnBlockParams> FromJson(const Json& json);
};

// Inputs: "model", "tokens" (from mode "stream"), and "block.<k>" for every block that is not at full precision.
// Output: "losses" of the windows of shard `shard` of `shards` (worker/tasks/window_losses.h). A window's loss is the
// same however many shards there are. Metrics: first_window, windows (of the shard).
struct EvaluatePplParams {
  int64_t micro_batch = 1;
  int64_t shard = 0;
  int64_t shards = 1;
  Json ToJson() const;
  static StatusOr<EvaluatePplParams> FromJson(const Json& json);
};

// Inputs: "losses.0" … of the shards in their order. No output. Metrics: measured (the perplexity, over so many tokens:
// measured.h), nll_sum, windows. Summed in float64 in the order of windows.
struct ReducePplParams {
  int64_t shards = 1;
  Json ToJson() const;
  static StatusOr<ReducePplParams> FromJson(const Json& json);
};

// Inputs: "model", "tokens" (from mode "stream"). Outputs: "losses" of the windows of shard `shard` of `shards`, those
// of evaluate_ppl without a "block.<k>" to the last bit, and "hidden": sample set F32 [seqlen, hidden] of these
// windows, what comes out of the last block, before the final norm. Metrics: first_window, windows (of the shard).
struct EvaluateReferenceParams {
  int64_t micro_batch = 1;
  int64_t shard = 0;
  int64_t shards = 1;
  Json ToJson() const;
  static StatusOr<EvaluateReferenceParams> FromJson(const Json& json);
};

// Inputs: "model", "tokens" (from mode "stream"), "reference" (output "hidden" of the same shard's evaluate_reference,
// made in equally many shards), and "block.<k>" for every block that is not at full precision. Outputs: "losses" of the
// shard's windows, those of evaluate_ppl to the last bit, and their "divergences" (worker/tasks/window_divergences.h).
// A window's are the same however many shards there are. Metrics: first_window, windows (of the shard).
struct EvaluateKlParams {
  int64_t micro_batch = 1;
  int64_t shard = 0;
  int64_t shards = 1;
  Json ToJson() const;
  static StatusOr<EvaluateKlParams> FromJson(const Json& json);
};

// Inputs: "divergences.0" … of the shards in their order. No output. Metrics: measured (kl_divergence and
// top1_agreement, over so many predicted tokens: measured.h), windows. Summed in float64 in the order of windows.
struct ReduceKlParams {
  int64_t shards = 1;
  Json ToJson() const;
  static StatusOr<ReduceKlParams> FromJson(const Json& json);
};

// Inputs: "tokenizer" (files), "items" (files: the published items, and a file of labels where these are apart;
// common/eval_tasks/item_file.h). Output: "requests" (common/eval_tasks/request_set.h). Metrics: items, requests,
// add_bos (whether a token stands in front of every text).
struct PrepareRequestsParams {
  std::string task;                // its name: common/eval_tasks/eval_task.h
  AddBos add_bos = AddBos::kAuto;  // kAuto: as the tokenizer does
  int64_t limit = 0;               // only so many items; 0: all
  int64_t window = 0;              // of a task of whole documents: tokens that the model reads at once; else 0
  Json ToJson() const;
  static StatusOr<PrepareRequestsParams> FromJson(const Json& json);
};

// Inputs: "model", "requests", and "block.<k>" for every block that is not at full precision. Output: "scores" of the
// batches of shard `shard` of `shards` (worker/tasks/score_batches.h, common/eval_tasks/request_scores.h). A request's
// score is the same however many shards there are. Metrics: requests, batches (of the shard).
struct ScoreRequestsParams {
  int64_t batch_tokens = 1;  // tokens of a batch, padding counted
  int64_t shard = 0;
  int64_t shards = 1;
  Json ToJson() const;
  static StatusOr<ScoreRequestsParams> FromJson(const Json& json);
};

// Inputs: "requests", "scores.0" … of the shards in their order. Output: "lines" (files: a line for each request,
// common/eval_tasks/request_dump.h). Metrics: measured (what the task measures, over so many items, words or bytes:
// common/eval_tasks/task_measures.h, measured.h), requests.
struct ReduceAccuracyParams {
  int64_t shards = 1;
  Json ToJson() const;
  static StatusOr<ReduceAccuracyParams> FromJson(const Json& json);
};

// Inputs: "model", "block.<k>" for every block, "tokenizer" and "companions" (files, optional: what is copied through
// beside the model's own small files). Output: "files". Metrics: file_bytes, stored_bits_per_weight.
struct ExportParams {
  ExportFormat format = ExportFormat::kGptqV2;  // not kNone: that is no export
  bool middle_zero_points = false;              // the checkpoints were made so
  bool sym = false;                             // likewise
  Json ToJson() const;
  static StatusOr<ExportParams> FromJson(const Json& json);
};

// Sensitivity (docs/sensitivity.md). l_i is the mean next-token cross-entropy of sample i. A shard is samples
// [first_sample, first_sample + samples) of the calibration windows: of "activations" and "tokens", which are whole
// sets, these are read; of "gradients", which are sets of a shard, all. Everything is computed in float32 and summed in
// the order of samples. "block" is the checkpoint of the block where it is not at full precision.

// Inputs: "model", "activations" (after the last block), "tokens". Output: "gradients": sample set F32
// [seqlen, hidden], sample j the gradient of l of sample first_sample + j. Metrics: losses [l].
struct LossGradientParams {
  int64_t first_sample = 0;
  int64_t samples = 0;
  Json ToJson() const;
  static StatusOr<LossGradientParams> FromJson(const Json& json);
};

// Inputs: "model", "activations" (before the block), "gradients" (after it), "block" (optional). Outputs: "gradients"
// (before the block; not for block 0, where nobody reads it) and, with sum_gradients, "gradient_sum": the sum over the
// shard's samples of the gradient of l_i with respect to the seven linears (worker/tasks/gradient_sum.h). Metrics:
// squared_gradient_norms [‖∂l_i/∂W‖² over the seven linears].
struct BackwardBlockParams {
  int64_t block = 0;
  int64_t first_sample = 0;
  int64_t samples = 0;
  bool sum_gradients = false;
  Json ToJson() const;
  static StatusOr<BackwardBlockParams> FromJson(const Json& json);
};

// Inputs: "sum.0" … of the shards in their order. No output. Metrics: gradient_norm: ‖Σ shards / samples‖₂.
struct GradientNormParams {
  int64_t samples = 0;  // of all shards
  Json ToJson() const;
  static StatusOr<GradientNormParams> FromJson(const Json& json);
};

// Inputs as BackwardBlock. No output. Metrics: sums [choice]: Σ over the shard's samples, tokens and features of
// (∂l_i/∂y × (Q(y) − y))², y the block's output.
struct OutputFisherParams {
  int64_t block = 0;
  int64_t first_sample = 0;
  int64_t samples = 0;
  std::vector<QuantChoice> choices;  // rounded to nearest
  bool fp16_scales = true;
  bool range_contains_zero = true;
  bool middle_zero_points = false;
  bool sym = false;
  Json ToJson() const;
  static StatusOr<OutputFisherParams> FromJson(const Json& json);
};

// Inputs: "model", "activations" (before the block), "tokens", "block.<j>" for every later block that is not at full
// precision and for the block itself, and "candidate.<i>" (checkpoints of the block) for i < candidates. No output.
// Metrics: loss_sum: Σ l_i of the model as it is; loss_sums [choice]: with the block replaced, round-to-nearest by each
// of `choices`, then by each candidate.
struct LossDeltaParams {
  int64_t block = 0;
  int64_t first_sample = 0;
  int64_t samples = 0;
  std::vector<QuantChoice> choices;
  int64_t candidates = 0;
  bool fp16_scales = true;
  bool range_contains_zero = true;
  bool middle_zero_points = false;
  bool sym = false;
  Json ToJson() const;
  static StatusOr<LossDeltaParams> FromJson(const Json& json);
};

// Inputs: "model", "tokens", "activations.<k>" for k = first_block … n (n blocks), "gradients.<k>" for
// k = first_block + 1 … n, and "block.<k>" for blocks that are not at full precision. No output. Metrics:
// curvatures [k − first_block]: Σ over the shard's samples of v_kᵀ(H v)_k, H the Hessian of l_i and v the probe: a
// Rademacher vector over the linears of blocks first_block … first_block + blocks − 1, drawn from seed and probe.
struct HessianParams {
  int64_t first_block = 0;
  int64_t blocks = 1;  // 1: "block" scope; all: "model" scope
  int64_t probe = 0;
  int64_t seed = 0;
  int64_t first_sample = 0;
  int64_t samples = 0;
  Json ToJson() const;
  static StatusOr<HessianParams> FromJson(const Json& json);
};

// Input: "model". No output. Metrics: squared_errors [choice]: ‖W − Q(W)‖² over the block's seven linears, round to
// nearest.
struct WeightErrorParams {
  int64_t block = 0;
  std::vector<QuantChoice> choices;
  bool fp16_scales = true;
  bool range_contains_zero = true;
  bool middle_zero_points = false;
  bool sym = false;
  Json ToJson() const;
  static StatusOr<WeightErrorParams> FromJson(const Json& json);
};

// Inputs: "model", "activations" (before the block, at full precision). Output: "scales" of the block's channels
// (worker/tasks/block_scales.h). Metrics: sources [{source, exponent, error, error_as_is}], as worker/qat/api/prepare.h
// says. Samples [0, samples) of the set are read; the error is that of the first error_samples of them, rounded to
// nearest with these bits and groups.
struct SearchScalesParams {
  int64_t block = 0;
  int64_t samples = 0;
  int64_t error_samples = 0;
  int bits = 0;
  int64_t group_size = 0;
  int64_t steps = 0;  // exponents 0, 1/steps … 1
  bool sym = false;   // the quantizer whose error is compared is symmetric
  Json ToJson() const;
  static StatusOr<SearchScalesParams> FromJson(const Json& json);
};

// Inputs: "model", "activations" (before the block, as the quantized block will read them). Outputs: "block" and, with
// keep_latent, "latent": the weights that were rounded, for a training that goes on from them. Samples [0, samples) of
// the set are read. Metrics: linears [{linear, error, damp_percent, dead_columns}], as worker/qat/api/gptq.h says.
struct GptqBlockParams {
  int64_t block = 0;
  int64_t samples = 0;
  int bits = 4;
  int64_t group_size = 128;  // −1: whole row
  double damp_percent = 0.01;
  bool desc_act = false;
  bool fp16_scales = true;
  bool range_contains_zero = true;
  bool middle_zero_points = false;
  bool sym = false;
  bool keep_latent = false;
  Json ToJson() const;
  static StatusOr<GptqBlockParams> FromJson(const Json& json);
};

// Inputs: "model", "inputs" (activations the quantized block reads), "targets" (its full-precision outputs). Outputs:
// "block" and, with keep_latent, "latent": the weights behind its integers, for a training that goes on from them.
// Samples are split as in train_block. Metrics: initial_val_loss (of round-to-nearest), best_val_loss, final_val_loss,
// steps, validations [{step, train_loss, val_loss, seconds}]; losses are null without validation samples.
struct FitRoundingParams {
  int64_t block = 0;
  RoundingFit fit = RoundingFit::kSignRound;
  int64_t train_size = 0;
  int64_t val_size = 0;
  int bits = 4;
  int64_t group_size = 128;  // −1: whole row
  int64_t steps = 0;
  int64_t batch_size = 1;
  double offset_lr = 0;  // SignRound's; 0 with OmniQuant
  double range_lr = 0;
  bool keep_best = true;
  bool fp16_scales = true;
  bool range_contains_zero = true;
  bool middle_zero_points = false;
  bool sym = false;
  bool keep_latent = false;
  Json ToJson() const;
  static StatusOr<FitRoundingParams> FromJson(const Json& json);
};

// E2E-QP (docs/e2e_qp.md). A segment: optimizer steps [first_step, first_step + steps) of total_steps. Inputs: "model",
// "tokens" (windows: [0, train_size) train, [train_size, train_size + val_size) validate), "block.<k>" for every block
// k < blocks, all quantized, and but for the first segment the "state" of the one before. Outputs: "state" (scales,
// moments, steps: worker/tasks/scale_state.h) or, of the last segment, "block", "block.1" … of all blocks, their scales
// trained. Metrics: first_step, steps, train_losses [step], grad_norms [step] (before clipping), lr (as used, after
// halvings), initial_val_loss (of the first segment; else null), final_val_loss (after the segment); mean next-token
// cross-entropies in nats, null without validation windows.
struct TrainScalesParams {
  int64_t blocks = 0;
  int64_t train_size = 0;
  int64_t val_size = 0;
  int64_t batch_size = 1;
  int64_t first_step = 0;
  int64_t steps = 0;
  int64_t total_steps = 0;  // the learning rate's horizon
  double lr = 0;
  double warmup_ratio = 0;
  double clip_grad = 0;
  bool fp16_scales = true;
  bool is_last() const { return first_step + steps == total_steps; }
  Json ToJson() const;
  static StatusOr<TrainScalesParams> FromJson(const Json& json);
};

// Of a kind that has none.
struct NoParams {};

namespace task_kinds {
template <TaskKind>
struct ParamsOfKind;
#define LWQ_TASK_KIND(enumerator, name, version, Params, outputs, arithmetic, main_rank) \
  template <>                                                                            \
  struct ParamsOfKind<TaskKind::enumerator> {                                            \
    using type = Params;                                                                 \
  };
#include "common/task/task_kinds.inc"
}  // namespace task_kinds

template <TaskKind kKind>
using ParamsOf = typename task_kinds::ParamsOfKind<kKind>::type;

}  // namespace lwq
