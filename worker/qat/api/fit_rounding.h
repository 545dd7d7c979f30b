// SPDX-License-Identifier: Apache-2.0
// Fits how the frozen weights of one block are rounded, against the block's full-precision output: the methods that
// people compare Block-AP with, which train neither weights nor norms.
//
// Every group's range is clipped to [low · min, high · max] of its weights, from which scale and zero point follow as
// round-to-nearest has them; a weight's integer is round(w / s + v) + z. What is trained, and by what, is the method's:
//   SignRound (AutoRound; Cheng et al., arXiv 2309.05516, section 3): the offsets v in [−0.5, 0.5] and low and high in
//     [0, 1], from v = 0 and low = high = 1, by signed gradient descent with rates that fall linearly to 0.
//   OmniQuant's learnable weight clipping (Shao et al., arXiv 2308.13137, section 3.2, equation 2): v = 0, low = σ(β)
//     and high = σ(γ) from β = γ = 4, by AdamW with a constant rate and no weight decay. No gradient flows through the
//     rounding of the zero point.
// Gradients pass the other roundings straight through. docs/comparators.md has what differs from their programs.
//
// Train samples are read in stored order, batch_size of them for a step, computed one at a time. Validation is
// Block-AP's: before the first step (round-to-nearest, whatever the method starts from), after each pass over the train
// samples, and after the last step. Deterministic for equal inputs and Execution. Call from the process's one compute
// thread.
#pragma once

#include <cstdint>
#include <vector>

#include "common/artifact/samples.h"
#include "common/model/llama_config.h"
#include "common/recipe/choices.h"
#include "common/recipe/zero_points.h"
#include "common/status/status.h"
#include "worker/qat/api/block.h"
#include "worker/qat/api/execution.h"
#include "worker/qat/api/train_block.h"

namespace lwq::qat {

struct FitOptions {
  RoundingFit fit = RoundingFit::kSignRound;
  int bits = 4;
  int64_t group_size = 128;  // −1: a whole row
  int64_t steps = 0;         // 0: round-to-nearest
  int64_t batch_size = 1;    // samples of a step; the last of a pass has what is left
  double offset_lr = 0;      // of v; 0 keeps it at 0. SignRound alone
  double range_lr = 0;       // of low and high, or of β and γ; 0 freezes them
  bool keep_best = true;     // earliest minimum of validation loss, round-to-nearest included (false: last)
  bool fp16_scales = true;   // as RtnOptions, and so the next two
  bool range_contains_zero = true;
  ZeroPoints zero_points = ZeroPoints::kAny;
  // The outcome brings the latent weights, too.
  bool keep_latent = false;
  Execution execution = {};
};

// One validation, and the steps since the one before.
struct FitStats {
  int64_t step = 0;       // steps so far
  double train_loss = 0;  // mean over those steps
  double val_loss = 0;    // NaN without validation samples
  double seconds = 0;
};

struct FitOutcome {
  BlockState block;  // all seven linears quantized; norms and biases as they came
  // With keep_latent: w + s · v, fp32, which have exactly the integers of `block` under its scales and zero points:
  // what a training goes on from.
  BlockState latent;
  double initial_val_loss = 0;  // of round-to-nearest; all three NaN without validation samples
  double best_val_loss = 0;
  double final_val_loss = 0;  // of `block`
  std::vector<FitStats> validations;
  std::vector<double> train_losses;  // one per step, before it
};

// `inputs` as of a training, from the beginning (no start). Memory: the weights, for SignRound their offsets and those'
// gradients, the latent and the fake-quantized weights with theirs, the best state, and one sample's activations: at
// most 7 × the block's weights in fp32, or 8 × with keep_latent. Errors: INVALID_ARGUMENT (shapes, options, a start);
// FAILED_PRECONDITION where a loss or a weight is not finite; RESOURCE_EXHAUSTED; CANCELLED.
StatusOr<FitOutcome> FitRounding(const LlamaConfig& config, const BlockState& block, const TrainInputs& inputs,
                                 const FitOptions& options, const ProgressSink& progress, const CancelToken& cancel);

// What a base rate is at step `step` (0-based) of `steps`: base · (1 − step / steps) for SignRound, base for OmniQuant.
double FitRate(RoundingFit fit, double base, int64_t step, int64_t steps);

}  // namespace lwq::qat
