// SPDX-License-Identifier: Apache-2.0
// How much a model suffers from quantizing one block, measured on one block at a time (docs/sensitivity.md).
//
// l_i is the mean next-token cross-entropy of sample i over its seqlen − 1 targets. Boundary activations A(k) (what
// block k reads; A(n) is what the head reads) and boundary gradients G(k) = ∂l_i/∂A(k), one per sample, come from and
// go to sample sets, so no call ever holds more than one block, its gradients and one sample; intermediate results of
// calls that walk over several blocks are spilled to `scratch_directory`. Everything runs in float32, whatever
// execution.precision says, one sample at a time, and scores are summed in float64 in the order of samples: what is
// measured of a sample has the same bits in whichever shard it lies. Only the weight gradients of a shard
// (LinearGradients) are summed in float32: the metric `gradient` depends in its last bits on how samples are cut into
// shards.
//
// Units: losses in nats per token. Errors: CANCELLED; INVALID_ARGUMENT for shapes that do not fit the model or each
// other; RESOURCE_EXHAUSTED when memory or the scratch disk runs out. Deterministic. Call from the process's one
// compute thread.
//
// Sources: Fisher and gradient norm by definition; Hutchinson's estimator (Commun. Stat. 1990) with Pearlmutter's
// Hessian-vector products (Neural Computation 1994), the products streamed by the chain rule; output_fisher after
// ModelOpt's AutoQuantize (the squared product of output gradient and output error), taken at the block's output.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/artifact/samples.h"
#include "common/model/llama_config.h"
#include "worker/qat/api/block.h"
#include "worker/qat/api/block_ops.h"
#include "worker/qat/api/execution.h"

namespace lwq::qat {

struct SensitivityOptions {
  Execution execution = {};
  std::string scratch_directory = {};  // of OutputFisher, LossDelta, HessianCurvatures; each states what it takes
};

// Gives block k as it is at present.
using BlockLoader = std::function<StatusOr<BlockState>(int64_t)>;
using SampleOpener = std::function<StatusOr<std::unique_ptr<SampleSource>>(int64_t)>;

// A(n), tokens [samples, seqlen] → l_i of every sample; appends ∂l_i/∂A(n) (F32) to `gradients`.
StatusOr<std::vector<double>> LossGradient(const LlamaConfig& config, const HeadWeights& head,
                                           SampleSource& activations, SampleSource& tokens, SampleSink& gradients,
                                           const SensitivityOptions& options, const ProgressSink& progress,
                                           const CancelToken& cancel);

// The gradient of Σ l_i with respect to each of the seven linears, F32 [out, in].
using LinearGradients = std::map<LinearKind, HostTensor>;

struct BlockGradients {
  std::vector<double> squared_norms;  // per sample: ‖∂l_i/∂W‖² over the seven linears
  LinearGradients sum;                // empty unless asked for
};
// A(k), G(k + 1) → the weight gradients of every sample; appends G(k) to `out`, which may be null.
StatusOr<BlockGradients> BackwardBlock(const LlamaConfig& config, const BlockState& block, SampleSource& activations,
                                       SampleSource& gradients, SampleSink* out, bool sum_gradients,
                                       const SensitivityOptions& options, const ProgressSink& progress,
                                       const CancelToken& cancel);

// Per candidate state of the block: Σ over samples, tokens and features of (G(k + 1) · (candidate(A(k)) −
// block(A(k))))². `candidates` are loaded one at a time. Scratch: one sample set.
StatusOr<std::vector<double>> OutputFisher(const LlamaConfig& config, const BlockState& block,
                                           const std::vector<std::function<StatusOr<BlockState>()>>& candidates,
                                           SampleSource& activations, SampleSource& gradients,
                                           const SensitivityOptions& options, const ProgressSink& progress,
                                           const CancelToken& cancel);

struct LossDeltaResult {
  double loss_sum = 0;            // Σ l_i of the model as it is
  std::vector<double> loss_sums;  // per candidate: with block `block` replaced by it
};
// A(block) → the losses at the end of the model. Blocks after `block` are loaded one at a time and shared by all
// candidates. Scratch: a sample set for the model as it is and one per candidate.
StatusOr<LossDeltaResult> LossDelta(const LlamaConfig& config, const HeadWeights& head, int64_t block,
                                    const BlockLoader& load_block,
                                    const std::vector<std::function<StatusOr<BlockState>()>>& candidates,
                                    SampleSource& activations, SampleSource& tokens, const SensitivityOptions& options,
                                    const ProgressSink& progress, const CancelToken& cancel);

// One probe of Hutchinson's estimator.
struct HessianProbe {
  int64_t first_block = 0;
  int64_t blocks = 1;
  // The probe's entries for one linear of a block: I8 [out, in] of ±1.
  std::function<StatusOr<HostTensor>(int64_t block, LinearKind kind)> vector;
};
struct HessianInputs {
  const HeadWeights* head = nullptr;
  BlockLoader load_block;
  SampleOpener activations;  // A(k) of the shard's samples, k = first_block … n
  SampleOpener gradients;    // G(k), k = first_block + 1 … n
  SampleSource* tokens = nullptr;
};
// Per block of the probe: Σ over samples of v_kᵀ (H_i v)_k, H_i the Hessian of l_i over the probe's linears. Walks
// forward from first_block with the directional derivatives of the activations and back again with those of the
// gradients. Scratch: a sample set per block from first_block on, and one more.
StatusOr<std::vector<double>> HessianCurvatures(const LlamaConfig& config, const HessianProbe& probe,
                                                const HessianInputs& inputs, const SensitivityOptions& options,
                                                const ProgressSink& progress, const CancelToken& cancel);

// The probe that is drawn from (seed, probe number): the same on every machine. Entries by block and linear do not
// depend on which blocks the probe covers.
StatusOr<HostTensor> RademacherVector(const LlamaConfig& config, int64_t seed, int64_t probe, int64_t block,
                                      LinearKind kind);

// ‖W − Q(W)‖² over the block's seven linears, Q round-to-nearest (QuantizeRtn) with each choice. On the CPU; the same
// bits on every machine.
StatusOr<std::vector<double>> WeightErrors(const LlamaConfig& config, const BlockState& block,
                                           const std::vector<RtnOptions>& choices);

}  // namespace lwq::qat
