// SPDX-License-Identifier: Apache-2.0
// E2E-QP: end-to-end training of quantization parameters (EfficientQAT, arXiv 2407.11062, section 3.3; docs/e2e_qp.md).
// All scales of a quantized model are trained together on the mean next-token cross-entropy of token windows; integers,
// zero points, norms, biases, embedding and head stay as they are.
//
// Training is cut into segments of optimizer steps. What one leaves for the next is the ScaleState alone, so N segments
// of one step and one segment of N steps make the same bytes.
//
// One window is computed at a time: forward block by block, each block's input spilled to `scratch_directory`; the
// loss's gradient at the head; backward block by block, each recomputed under autograd from its decoded weights, whose
// gradient U is summed into the scales': ∂loss/∂s = Σ over the group of (code − zero) · U. Resident are one decoded
// block with its gradients and activations, the head, and of every block its integers (a byte each) and four numbers
// for each scale; of activations one input per block lies on disk.
//
// Deterministic for equal inputs and Execution. Errors: CANCELLED; INVALID_ARGUMENT for blocks that are not wholly
// quantized, shapes that do not fit the model or each other, and options that make no sense; RESOURCE_EXHAUSTED when
// memory or the scratch disk runs out. A loss or gradient that is not finite is no error: the outcome says where. Call
// from the process's one compute thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/artifact/samples.h"
#include "common/model/llama_config.h"
#include "worker/qat/api/block.h"
#include "worker/qat/api/block_ops.h"
#include "worker/qat/api/execution.h"

namespace lwq::qat {

// Of a block: its scales one after the other, linear by linear in the order of kAllLinears, each [out, groups]
// row-major, in full precision as the optimizer moves them. F32 [number of scales].
struct BlockScaleState {
  HostTensor scales;
  HostTensor exp_avg;     // AdamW's m
  HostTensor exp_avg_sq;  // AdamW's v
};
struct ScaleState {
  int64_t steps = 0;  // taken so far
  std::vector<BlockScaleState> blocks;
};

// Where training begins: the blocks' own scales, moments of 0. INVALID_ARGUMENT naming a linear that is not quantized.
StatusOr<ScaleState> InitialScaleState(const LlamaConfig& config, const std::vector<BlockState>& blocks);

// The scales that are served: fp16 numbers of at least 2^-24 or, without fp16_scales, fp32 ones of at least 1e-4
// (quantizer_reference.h). Training's forward passes use these; gradients go straight through.
StatusOr<std::vector<BlockState>> WithTrainedScales(const std::vector<BlockState>& blocks, const ScaleState& state,
                                                    bool fp16_scales);

struct TrainScalesOptions {
  int64_t steps = 0;        // of this segment; the first is state.steps
  int64_t total_steps = 0;  // the learning rate's horizon
  // Windows of an optimizer step; step t takes batch t mod ⌈windows / batch_size⌉ in stored order, never shuffled. Of a
  // last batch that is smaller the loss is the mean over what it has.
  int64_t batch_size = 1;
  double lr = 0;
  int lr_halvings = 0;  // the rate × 2^−n (retries after DIVERGED)
  double warmup_ratio = 0;
  double clip_grad = 0;  // largest L2 norm of all scales' gradients together; 0: any
  bool fp16_scales = true;
  bool validates_first = false;  // before the segment, too
  Execution execution = {};
  std::string scratch_directory = {};
};

struct ScaleDivergence {
  int64_t step = 0;  // of the whole training, from 0
  double loss = 0;
  double grad_norm = 0;  // NaN where the loss is not finite
};

struct TrainScalesOutcome {
  ScaleState state;  // after the segment; empty when diverged
  std::optional<ScaleDivergence> diverged;
  double initial_val_loss = 0;       // mean over validation windows; NaN without them, or unless validates_first
  double final_val_loss = 0;         // NaN without validation windows
  std::vector<double> train_losses;  // one per optimizer step, before it
  std::vector<double> grad_norms;    // L2 over all scales, before clipping
};

// `train` and `validation`: I32 [windows, seqlen], seqlen ≥ 2, of one length; `validation` may have no windows.
StatusOr<TrainScalesOutcome> TrainScales(const LlamaConfig& config, const HeadWeights& head,
                                         const std::vector<BlockState>& blocks, const ScaleState& state,
                                         SampleSource& train, SampleSource& validation,
                                         const TrainScalesOptions& options, const ProgressSink& progress,
                                         const CancelToken& cancel);

// The mean loss of one batch and its gradient with respect to every block's scales, in the order of BlockScaleState.
// What an optimizer step sees; for checks.
struct ScaleGradients {
  double loss = 0;
  std::vector<HostTensor> blocks;  // F32
};
StatusOr<ScaleGradients> GradientsOfScales(const LlamaConfig& config, const HeadWeights& head,
                                           const std::vector<BlockState>& blocks, const ScaleState& state,
                                           SampleSource& windows, const TrainScalesOptions& options);

// The learning rate of step `step` (from 0) of `steps`: of the first w = ⌈warmup_ratio · steps⌉, lr · (step + 1) / w;
// then lr · (1 + cos(π (step − w) / (steps − w))) / 2. No step has the rate 0.
double ScaleLearningRate(double lr, double warmup_ratio, int64_t step, int64_t steps);

}  // namespace lwq::qat
