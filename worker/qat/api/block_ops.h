// SPDX-License-Identifier: Apache-2.0
// What a worker does with samples and blocks besides training: embed tokens, run a block over a sample set, measure
// perplexity, quantize by round-to-nearest.
//
// All of it streams: a micro-batch of samples is read, computed and written before the next. Deterministic: equal
// inputs and Execution give equal bytes. Errors: CANCELLED; INVALID_ARGUMENT for shapes that do not fit the model;
// RESOURCE_EXHAUSTED when memory runs out. Call from the process's one compute thread.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "common/artifact/samples.h"
#include "common/model/llama_config.h"
#include "common/recipe/zero_points.h"
#include "worker/qat/api/block.h"
#include "worker/qat/api/execution.h"

namespace lwq::qat {

// tokens [samples, seqlen] (I32) → out [samples, seqlen, hidden] in `out_dtype`; embedding [vocab, hidden] of any float
// type. A token outside the vocabulary is INVALID_ARGUMENT.
Status Embed(const LlamaConfig& config, const HostTensor& embedding, SampleSource& tokens, DType out_dtype,
             SampleSink& out);

// Runs the block over all samples of `in` ([samples, seqlen, hidden], F32 or BF16) in micro-batches and appends the
// outputs in `out_dtype`.
struct AdvanceOptions {
  int64_t micro_batch = 1;
  DType out_dtype = DType::kF32;
  Execution execution = {};
};
Status AdvanceBlock(const LlamaConfig& config, const BlockState& block, SampleSource& in, SampleSink& out,
                    const AdvanceOptions& options, const ProgressSink& progress, const CancelToken& cancel);

// Round-to-nearest: quantizers initialised from min/max (docs/spec.md, "Block-AP", step 1) and no training.
struct RtnOptions {
  int bits = 4;
  int64_t group_size = 128;         // −1: a whole row
  bool range_contains_zero = true;  // initial range widened to contain 0 (false: EfficientQAT)
  // Scales are fp16 numbers, the smallest 2^-24, before the integers are derived (false: EfficientQAT, at least 1e-4).
  bool fp16_scales = true;
  ZeroPoints zero_points = ZeroPoints::kAny;
};
StatusOr<BlockState> QuantizeRtn(const LlamaConfig& config, const BlockState& block, const RtnOptions& options);

// Perplexity as the GPTQ papers measure it: windows of `tokens` [windows, seqlen] (I32); per window the mean
// cross-entropy of its seqlen − 1 next tokens; exp of the mean over windows. `load_block(k)` gives block k; blocks are
// loaded one at a time, all windows pass through it, and the activations in between are held by the implementation
// (spilled to `scratch_directory`). Where windows are measured in parts that begin at multiples of `micro_batch`, each
// has the bits it has when all are measured at once.
struct PerplexityOptions {
  int64_t micro_batch = 1;
  Execution execution = {};
  std::string scratch_directory = {};
};
struct PerplexityResult {
  double perplexity = 0;
  double nll_sum = 0;  // sum over windows of the mean cross-entropy
  int64_t windows = 0;
  int64_t tokens = 0;  // windows × seqlen
};
// The loss of every window, in order.
StatusOr<std::vector<double>> MeasureWindowLosses(const LlamaConfig& config, const HeadWeights& head,
                                                  const std::function<StatusOr<BlockState>(int64_t)>& load_block,
                                                  SampleSource& tokens, const PerplexityOptions& options,
                                                  const ProgressSink& progress, const CancelToken& cancel);
// What the losses of all windows of `seqlen` tokens come to, added up in their order. Requires at least one.
PerplexityResult PerplexityOf(const std::vector<double>& losses, int64_t seqlen);
// Both.
StatusOr<PerplexityResult> EvaluatePerplexity(const LlamaConfig& config, const HeadWeights& head,
                                              const std::function<StatusOr<BlockState>(int64_t)>& load_block,
                                              SampleSource& tokens, const PerplexityOptions& options,
                                              const ProgressSink& progress, const CancelToken& cancel);

}  // namespace lwq::qat
