// SPDX-License-Identifier: Apache-2.0
// A block's channels rescaled before it is quantized, so that those that carry large activations are rounded more
// finely (AWQ, arXiv 2306.00978, section 3.2). In full precision the block's function stays what it is.
//
// A channel's scale s divides what makes the channel and multiplies the weights that read it:
//   source                      divided by s            columns multiplied by s
//   input_layernorm             gains                   q, k, v
//   self_attn.v_proj            rows, bias              o (of every query head that reads the key/value head)
//   post_attention_layernorm    gains                   gate, up
//   mlp.up_proj                 rows, bias              down
// The rotation and the norms of queries and keys stand between q and k, the nonlinearity behind gate: what they make
// has no scale. Nothing outside the block changes.
//
// Round-to-nearest and Block-AP's quantizers have groups along a row: dividing a row by s changes none of its integers.
// The four sources are therefore searched one by one, in any order, each against the activations of the block as it is.
//
// Values. Thread-safety: FoldScales may be called from any thread that may use LibTorch; SearchScales from the
// process's one compute thread.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "common/artifact/samples.h"
#include "common/artifact/tensor.h"
#include "common/model/llama_config.h"
#include "common/recipe/zero_points.h"
#include "common/status/status.h"
#include "worker/qat/api/block.h"
#include "worker/qat/api/execution.h"

namespace lwq::qat {

// What makes channels that have scales, in the order of the block.
enum class ScaledSource { kInputNorm, kValues, kPostAttentionNorm, kUp };
inline constexpr ScaledSource kScaledSources[] = {ScaledSource::kInputNorm, ScaledSource::kValues,
                                                  ScaledSource::kPostAttentionNorm, ScaledSource::kUp};
// "input_layernorm", "self_attn.v_proj", "post_attention_layernorm", "mlp.up_proj".
std::string_view ScaledSourceName(ScaledSource source);
// How many channels it makes: hidden, key/value heads × head_dim, hidden, intermediate.
int64_t ChannelsOf(const LlamaConfig& config, ScaledSource source);

// By ScaledSource, F32 [ChannelsOf]: finite and positive.
using BlockScales = std::array<HostTensor, std::size(kScaledSources)>;

// INVALID_ARGUMENT, naming the source, unless the scales are of the model's shape, finite and positive.
Status CheckScales(const LlamaConfig& config, const BlockScales& scales);

// The block with its scales worked in, everything that they touch in F32: products of numbers that a model stores in
// fewer bits would not fit there. Element by element in float32, so the bytes are the same on every machine.
// INVALID_ARGUMENT for scales that do not fit (CheckScales) and a block whose linears are quantized already.
StatusOr<BlockState> FoldScales(const LlamaConfig& config, const BlockState& block, const BlockScales& scales);

struct ScaleSearchOptions {
  // The quantizer whose error is compared: round-to-nearest with fp16 scales and ranges that contain 0, or symmetric.
  int bits = 0;
  int64_t group_size = 0;  // divides the input width of every linear; −1: a whole row
  int64_t steps = 20;      // exponents 0, 1/steps … 1
  ZeroPoints zero_points = ZeroPoints::kAny;
  int64_t error_samples = 1;  // the error is measured on the tokens of the first so many samples
  Execution execution = {};   // computes in float32, whatever the precision
};

// What was found for one source.
struct SourceScales {
  double exponent = 0;
  double error = 0;        // Σ over linears and tokens of ‖(Q(W·s)/s − W)·x‖² at that exponent
  double error_as_is = 0;  // at exponent 0, where all scales are 1
};
struct ScaleSearch {
  BlockScales scales;
  std::array<SourceScales, std::size(kScaledSources)> found;  // by ScaledSource
};

// A(k) → the block's scales. With m the mean of |x| of each channel over all tokens of `activations`, no less than
// 1e-4 of the largest, a source's scales are s = m^e / √(max m^e · min m^e): AWQ's, whose bound is absolute. A value
// channel's |x| is the mean over the query heads that read it. e is the exponent of the smallest error, the smallest of
// equals; sums are in float64 in the order of linears and samples. One sample at a time passes through the block.
// Where nothing ever flows (all m are 0) every scale is 1.
//
// Memory: the block, the inputs of its linears for the tokens of the error, one linear four times, and its outputs for
// those tokens. INVALID_ARGUMENT for shapes, bits or samples that do not fit; FAILED_PRECONDITION where activations or
// errors are not finite; CANCELLED.
StatusOr<ScaleSearch> SearchScales(const LlamaConfig& config, const BlockState& block, SampleSource& activations,
                                   const ScaleSearchOptions& options, const ProgressSink& progress,
                                   const CancelToken& cancel);

}  // namespace lwq::qat
