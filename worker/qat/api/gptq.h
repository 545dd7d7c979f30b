// SPDX-License-Identifier: Apache-2.0
// GPTQ of one block (Frantar et al., arXiv 2210.17323, section 3 and Algorithm 1): the columns of each linear are
// rounded one after the other, and the columns still to come make up for each error as well as the inputs allow.
//
// For a linear W [out, in] that reads columns X [in, tokens], with H = 2 X Xᵀ and U the upper Cholesky factor of H⁻¹:
//   e = (W[:, i] − Q(W[:, i])) / U[i, i];   W[:, j] −= e U[i, j] for j > i
// in batches of at most 128 columns, after each of which the columns behind it are updated by one product (step 2 of
// section 3.3). Where a group begins, a batch begins, and the group's scale and zero point are those that
// round-to-nearest would give the group's columns as they then are.
//
// The linears are rounded in the order q, k, v; o; gate, up; down: each reads what the block gives once those before it
// are rounded (true_sequential of AutoGPTQ and GPTQModel). Norms and biases stay as they are.
//
// H is summed in float64 over samples, of products that are summed in float32 over the tokens of one sample; damping,
// factor and inverse are float64; W, U and the errors are float32. The input of every linear is computed in the
// execution's precision. Only the ratio of H's elements counts, so the factor 2 is left out.
//
// Deterministic for equal inputs and Execution. Call from the process's one compute thread.
#pragma once

#include <cstdint>
#include <vector>

#include "common/artifact/samples.h"
#include "common/model/llama_config.h"
#include "common/recipe/zero_points.h"
#include "common/status/status.h"
#include "worker/qat/api/block.h"
#include "worker/qat/api/execution.h"

namespace lwq::qat {

struct GptqOptions {
  int bits = 4;
  int64_t group_size = 128;  // −1: a whole row
  // λ = damp_percent × the mean of H's diagonal is added to the diagonal, above 0. Where the sum is not positive
  // definite, the share is raised by 0.01 up to 1, as GPTQModel's damp_auto_increment does.
  double damp_percent = 0.01;
  // Columns by descending H[i, i], equal ones in their own order. Groups stay those of the weight's own columns, and
  // their scales and zero points are those of the weights as they came (static_groups): the result needs no order of
  // columns (g_idx) to be served.
  bool desc_act = false;
  bool fp16_scales = true;          // as RtnOptions
  bool range_contains_zero = true;  // as RtnOptions
  ZeroPoints zero_points = ZeroPoints::kAny;
  // The outcome brings the latent weights, too.
  bool keep_latent = false;
  Execution execution = {};
};

// What came of one linear.
struct GptqLinearStats {
  LinearKind kind = LinearKind::kQ;
  double error = 0;         // Σ over tokens of ‖(W − Q(W)) x‖², x as the linear read it
  double damp_percent = 0;  // as used
  int64_t dead_columns = 0;
};

struct GptqOutcome {
  BlockState block;  // all seven linears quantized
  // With keep_latent: the weights of each column at the moment it was rounded, fp32, which have exactly the integers of
  // `block` under its scales and zero points: what a training goes on from.
  BlockState latent;
  std::vector<GptqLinearStats> linears;  // in the order of kAllLinears
};

// `activations` [samples, seqlen, hidden], F32 or BF16: what the block reads. They are read four times, one sample at a
// time. A column that is 0 for every token (a dead one) is rounded to nearest and makes up for nothing: AutoGPTQ sets
// its weights to 0 instead, which costs every text on which the column is not.
//
// Memory: the block, its rounded self, and of the widest input n columns three float64 matrices [n, n]. Errors:
// INVALID_ARGUMENT (shapes, bits, groups, no samples, damp_percent, weights that are not finite); FAILED_PRECONDITION
// where what a linear reads is not finite, or no damping helps; RESOURCE_EXHAUSTED; CANCELLED.
StatusOr<GptqOutcome> QuantizeGptq(const LlamaConfig& config, const BlockState& block, SampleSource& activations,
                                   const GptqOptions& options, const ProgressSink& progress, const CancelToken& cancel);

}  // namespace lwq::qat
