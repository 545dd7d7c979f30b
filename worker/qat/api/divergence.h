// SPDX-License-Identifier: Apache-2.0
// How far a model's next-token distributions q are from another's, p: the mean of KL(p ‖ q) = Σ_w p(w) ln(p(w) / q(w))
// over predicted tokens, in nats, and the share of them at which both find the same token likeliest. p is the
// full-precision model, as in papers on quantization; windows and predicted tokens are those of perplexity
// (block_ops.h): seqlen − 1 a window.
//
// The reference's part is computed once and kept: the hidden states that its head reads, a vector a token, from which
// its logits follow. A compared model passes the same windows through its blocks, and both go through the one head a
// slice of tokens at a time, so that no more than a few million logits exist at once. Softmaxes and sums are float64:
// a model compared with itself has a divergence of exactly 0.
//
// Deterministic; a window has the bits it has alone where parts begin at multiples of `micro_batch`. Errors: CANCELLED;
// INVALID_ARGUMENT for shapes that do not fit the model or each other; RESOURCE_EXHAUSTED when memory runs out. Call
// from the process's one compute thread.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "common/artifact/samples.h"
#include "common/model/llama_config.h"
#include "worker/qat/api/block_ops.h"

namespace lwq::qat {

// Of one window.
struct WindowDivergence {
  double sum = 0;          // of KL over its predicted tokens, in their order
  double square_sum = 0;   // of its square
  int64_t agreements = 0;  // predicted tokens whose likeliest token is the same; of equally likely ones the first
  friend bool operator==(const WindowDivergence&, const WindowDivergence&) = default;
};

struct ComparedWindows {
  std::vector<double> losses;  // as MeasureWindowLosses gives them, to the last bit
  std::vector<WindowDivergence> divergences;
};

// MeasureWindowLosses, and what comes out of the last block for every window, F32 [seqlen, hidden], into `hidden`.
StatusOr<std::vector<double>> MeasureReference(const LlamaConfig& config, const HeadWeights& head,
                                               const std::function<StatusOr<BlockState>(int64_t)>& load_block,
                                               SampleSource& tokens, SampleSink& hidden,
                                               const PerplexityOptions& options, const ProgressSink& progress,
                                               const CancelToken& cancel);

// MeasureWindowLosses, and every window's divergence from the reference, whose hidden states are `reference`: as many
// windows, F32 [seqlen, hidden].
StatusOr<ComparedWindows> CompareWithReference(const LlamaConfig& config, const HeadWeights& head,
                                               const std::function<StatusOr<BlockState>(int64_t)>& load_block,
                                               SampleSource& tokens, SampleSource& reference,
                                               const PerplexityOptions& options, const ProgressSink& progress,
                                               const CancelToken& cancel);

}  // namespace lwq::qat
