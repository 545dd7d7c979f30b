// SPDX-License-Identifier: Apache-2.0
// Block-AP: trains one quantized block against its full-precision output (EfficientQAT, arXiv 2407.11062, section 3.2;
// the exact semantics are docs/spec.md, "Block-AP"), or a unit of several consecutive blocks as one: the input passes
// through all of them, the error is that of the last one's output (like BRECQ's reconstruction of units coarser than a
// block, arXiv 2102.05426), and one optimizer trains the parameters of all.
//
// Streams: train and validation samples are read in micro-batches in stored order, never shuffled. Deterministic for
// equal inputs and Execution. Memory: at most 7 × the unit's weights in fp32 (for groups of 32 and more;
// train_memory.h) + one micro-batch's activations of every block + the sources' chunks. Errors: CANCELLED;
// INVALID_ARGUMENT (shapes, options); RESOURCE_EXHAUSTED; ABORTED never. A non-finite loss is not an error: the outcome
// says diverged and where. Call from the process's one compute thread.
//
// Where a step does not fit, its gradients are dropped and it is made again with its activations recomputed
// (activations.h), as every step after it: the outcome has the same bits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/artifact/samples.h"
#include "common/model/llama_config.h"
#include "common/recipe/train_settings.h"
#include "common/task/quant_choice.h"
#include "worker/qat/api/activations.h"
#include "worker/qat/api/block.h"
#include "worker/qat/api/checkpoints.h"
#include "worker/qat/api/execution.h"
#include "worker/qat/api/learnt_memory.h"

namespace lwq::qat {

// kCosine is the closed form, min + (base − min)(1 + cos(πt/T))/2; kChainedCosine what EfficientQAT's loop really uses
// (tests/numerics/golden/blockap/schedules.json).
using lwq::LrSchedule;

// The settings (common/recipe/train_settings.h), and what else a training needs to know:
//   epochs                  fractions are honoured; steps = round(epochs × batches). 0 = round-to-nearest
//   batch_size              samples of an optimizer step
//   gradient_accumulation_steps  micro-batches of an optimizer step; divides batch_size
//   quant_lr, zp_lr         of scales, and zero points where zp_lr is not set; 0 freezes
//   weight_lr               of linear weights and norm weights; 0 freezes
//   early_stop              patience in validations; 0 = off. early_stop_resets: an improvement sets the counter back
//                           (false: EfficientQAT)
//   keep_best               earliest minimum of validation loss, the initial state included (false: last)
//   fp16_scales             scales rounded to fp16, zero points clamped, before integers are derived (false:
//                           EfficientQAT, whose scales are at least 1e-4; fp16's smallest is 2^-24)
//   range_contains_zero     initial range widened to contain 0 (false: EfficientQAT)
//   middle_zero_points      of 2-bit blocks: zero points are 1 or 2 from the initial ones on, in every forward pass and
//                           in the integers; others are trained as without it
//   sym                     zero points are 2^(bits − 1) and not trained, whatever zp_lr says; scales are trained
//   clip_grad               above 0: before a step all gradients are scaled so that their L2 norm is at most this, as
//                           torch.nn.utils.clip_grad_norm_ does; over all blocks of the unit
struct TrainOptions : TrainSettings {
  int bits = 0;
  int64_t group_size = 0;         // −1: a whole row
  std::vector<QuantChoice> rest;  // how the unit's blocks after the first are quantized
  int lr_halvings = 0;            // both learning rates × 2^−n (retries after DIVERGED)
  // The outcome brings the latent weights too, so that another training can go on from them.
  bool keep_latent = false;
  Execution execution = {};
};

struct TrainInputs {
  SampleSource* train_in = nullptr;      // quantized chain, [train, seqlen, hidden]
  SampleSource* train_target = nullptr;  // full-precision output of the unit's last block
  SampleSource* val_in = nullptr;        // may have 0 samples: no validation, keep_best keeps the last
  SampleSource* val_target = nullptr;
  // Training goes on from an earlier one: its quantizers (scales and zero points as served) in place of those
  // initialised from min/max, for every block of the unit; empty: from the beginning. The blocks trained are then the
  // latent ones of that training. All seven linears quantized, with the bits and groups of the options.
  std::vector<BlockState> start = {};
};

struct EpochStats {
  double epoch = 0;       // epochs trained so far, fractional after the last partial one
  int64_t step = 0;       // optimizer steps so far
  double train_loss = 0;  // mean over the epoch's steps
  double val_loss = 0;    // NaN without validation samples
  double seconds = 0;
};

struct Divergence {
  double epoch = 0;
  int64_t step = 0;
  double loss = 0;
};

struct TrainedBlock {
  BlockState block;  // all seven linears quantized, norms trained
  // With keep_latent: the weights behind the integers of `block`, full precision (fp32); norms as in `block`.
  BlockState latent;
  int64_t zero_point_flips = 0;  // groups whose rounded zero point differs from its initial value
  int64_t zero_points = 0;       // groups in all
};

struct TrainOutcome {
  std::vector<TrainedBlock> blocks;  // of the unit, in their order; empty when diverged
  std::optional<Divergence> diverged;
  double initial_val_loss = 0;  // before training (round-to-nearest)
  double best_val_loss = 0;
  double final_val_loss = 0;  // of what `blocks` holds
  double epochs_trained = 0;
  int64_t steps = 0;
  int64_t steps_planned = 0;
  bool stopped_early = false;
  // Of the last step of this call: what became of its activations.
  Activations activations = Activations::kKept;
  int64_t zero_point_flips = 0;  // over all blocks
  int64_t zero_points = 0;
  std::vector<EpochStats> epochs;
  std::vector<double> train_losses;  // one per optimizer step
  std::vector<double> grad_norms;    // one per optimizer step: L2 over all trained parameters, before clipping
};

// `unit`: consecutive blocks at full precision (or the latent ones of `start`), one for each of UnitChoices; mostly a
// single one. `checkpoints`: between two steps the training is saved there, and an earlier attempt's is gone on with;
// null: neither. `learnt`: what memory is known to suffice for.
StatusOr<TrainOutcome> TrainBlock(const LlamaConfig& config, const std::vector<BlockState>& unit,
                                  const TrainInputs& inputs, const TrainOptions& options, const ProgressSink& progress,
                                  const CancelToken& cancel, Checkpoints* checkpoints = nullptr,
                                  LearntMemory* learnt = nullptr);

// What decides how much memory a training takes, in words: "1 block of hidden size 4096, …, 2 windows of 2048 tokens at
// a time, bf16".
std::string TrainingShape(const LlamaConfig& config, const TrainOptions& options, int64_t seqlen);

// How each block of the unit is quantized: bits and group_size, then `rest`.
std::vector<QuantChoice> UnitChoices(const TrainOptions& options);

// steps = round(epochs × ceil(train_samples / batch_size)): also the learning rate's horizon.
int64_t PlannedSteps(double epochs, int64_t train_samples, int64_t batch_size);
// What gradients of L2 norm `norm` are multiplied by so that it is at most `clip_grad`: at most 1; 1 where clip_grad is
// 0.
double ClipFactor(double norm, double clip_grad);
// The learning rate of optimizer step `step` (0-based) of `steps`.
double LearningRate(LrSchedule schedule, double base_lr, double min_lr_factor, int64_t step, int64_t steps);

}  // namespace lwq::qat
