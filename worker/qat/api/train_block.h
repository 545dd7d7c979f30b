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
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/artifact/samples.h"
#include "common/model/llama_config.h"
#include "common/task/quant_choice.h"
#include "worker/qat/api/block.h"
#include "worker/qat/api/execution.h"

namespace lwq::qat {

enum class LrSchedule {
  kCosine,         // closed form: min + (base − min)(1 + cos(πt/T))/2
  kChainedCosine,  // what EfficientQAT's loop really uses (tests/numerics/golden/blockap/schedules.json)
};

struct TrainOptions {
  int bits = 4;
  int64_t group_size = 128;       // −1: a whole row
  std::vector<QuantChoice> rest;  // how the unit's blocks after the first are quantized
  double epochs = 2;       // fractional epochs are honoured; steps = round(epochs × batches). 0 = round-to-nearest
  int64_t batch_size = 2;  // samples of an optimizer step
  int64_t gradient_accumulation_steps = 1;  // micro-batches of an optimizer step; divides batch_size
  double quant_lr = 1e-4;                   // scales (and zero points where zp_lr is not set); 0 freezes
  std::optional<double> zp_lr;
  double weight_lr = 1e-5;  // linear weights and norm weights; 0 freezes
  double min_lr_factor = 20;
  double wd = 0;
  double early_stop = 0;          // patience in validations; 0 = off
  bool early_stop_resets = true;  // an improvement sets the counter back (false: EfficientQAT)
  bool keep_best = true;          // earliest minimum of validation loss, the initial state included (false: last)
  // Scales rounded to fp16, zero points clamped, before integers are derived (false: EfficientQAT, whose scales are at
  // least 1e-4; fp16's smallest is 2^-24).
  bool fp16_scales = true;
  bool range_contains_zero = true;  // initial range widened to contain 0 (false: EfficientQAT)
  LrSchedule lr_schedule = LrSchedule::kCosine;
  int lr_halvings = 0;  // both learning rates × 2^−n (retries after DIVERGED)
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
  int64_t zero_point_flips = 0;  // over all blocks
  int64_t zero_points = 0;
  std::vector<EpochStats> epochs;
  std::vector<double> train_losses;  // one per optimizer step
  std::vector<double> grad_norms;    // one per optimizer step: L2 over all trained parameters, before the step
};

// `unit`: consecutive blocks at full precision (or the latent ones of `start`), one for each of UnitChoices; mostly a
// single one.
StatusOr<TrainOutcome> TrainBlock(const LlamaConfig& config, const std::vector<BlockState>& unit,
                                  const TrainInputs& inputs, const TrainOptions& options, const ProgressSink& progress,
                                  const CancelToken& cancel);

// How each block of the unit is quantized: bits and group_size, then `rest`.
std::vector<QuantChoice> UnitChoices(const TrainOptions& options);

// steps = round(epochs × ceil(train_samples / batch_size)): also the learning rate's horizon.
int64_t PlannedSteps(double epochs, int64_t train_samples, int64_t batch_size);
// The learning rate of optimizer step `step` (0-based) of `steps`.
double LearningRate(LrSchedule schedule, double base_lr, double min_lr_factor, int64_t step, int64_t steps);

}  // namespace lwq::qat
