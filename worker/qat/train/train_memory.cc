// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/api/train_memory.h"

#include <algorithm>

#include "worker/qat/gemm/gemm_kernels.h"
#include "worker/qat/model/block_forward.h"
#include "worker/qat/model/products.h"

namespace lwq::qat {
namespace {

constexpr int64_t kF32Bytes = 4;

int64_t ComputeBytes(const TrainOptions& options) {
  switch (options.execution.precision) {
    case Precision::kF32:
      return 4;
    case Precision::kBF16:
      return 2;
  }
  return 4;
}

// Scores of the chunks of queries, per sample: what one chunk takes, and what all chunks keep for backward; and the
// rows of values that all chunks read.
struct ScoreElements {
  int64_t largest_chunk = 0;
  int64_t kept = 0;
  int64_t value_rows = 0;
};
ScoreElements CountScores(const LlamaConfig& config, int64_t seqlen) {
  ScoreElements elements;
  for (int64_t first = 0; first < seqlen; first += kQueryChunk) {
    const int64_t count = std::min(kQueryChunk, seqlen - first);
    const int64_t begin = config.sliding_window ? std::max<int64_t>(0, first - *config.sliding_window + 1) : 0;
    const int64_t chunk = config.num_attention_heads * count * (first + count - begin);
    elements.largest_chunk = std::max(elements.largest_chunk, chunk);
    elements.kept += chunk;
    elements.value_rows += first + count - begin;
  }
  return elements;
}

// block_forward.h: in bf16, where the CPU has the kernels and the block nothing they do not know.
bool TrainsFused(const LlamaConfig& config, const TrainOptions& options) {
  const bool has_biases = std::find(config.has_bias.begin(), config.has_bias.end(), true) != config.has_bias.end();
  return options.execution.precision == Precision::kBF16 && HasGemmKernels() && !has_biases && !config.query_key_norms;
}

// Of an element packed for a product (gemm_kernels.h).
constexpr int64_t kPackedBytes = 2;

// What fused_block.h keeps and holds; attention's buffers are a few rows of scores for each head at work.
int64_t FusedActivationBytes(const LlamaConfig& config, const TrainOptions& options, int64_t seqlen) {
  const int64_t compute = ComputeBytes(options);
  const int64_t samples = options.batch_size / std::max<int64_t>(1, options.gradient_accumulation_steps);
  const int64_t hidden = config.hidden_size, inner = config.intermediate_size;
  const int64_t queries = config.num_attention_heads * config.head_dim;
  const int64_t keys = config.num_key_value_heads * config.head_dim;
  // Per token: the stream between the halves, its norms and the sums of softmax in fp32; outputs of all products but
  // the last.
  const int64_t kept_by_block = seqlen * (kF32Bytes * (hidden + 2 + config.num_attention_heads) +
                                          compute * 2 * (hidden + queries + keys + inner));
  // Once: input, target, error and its gradient; and per further block the stream it reads.
  const int64_t ends = seqlen * 4 * kF32Bytes * hidden;
  // Backward of the feed-forward half: gradients of its three inner tensors, one of them packed.
  const int64_t feed_forward = seqlen * (compute * (3 * inner + hidden) + kPackedBytes * inner);
  const auto further = static_cast<int64_t>(options.rest.size());
  const int64_t mask = kF32Bytes * seqlen * seqlen;
  return samples * (kept_by_block + ends + feed_forward + further * (kept_by_block + seqlen * kF32Bytes * hidden)) +
         mask;
}

}  // namespace

int64_t EstimateParameterBytes(const LlamaConfig& config, const TrainOptions& options) {
  const int64_t compute = ComputeBytes(options);
  const std::vector<QuantChoice> choices = UnitChoices(options);
  int64_t quantizers = 0, largest = 0;
  for (const LinearKind kind : kAllLinears) {
    const LinearShape shape = ShapeOf(config, kind);
    for (const QuantChoice& choice : choices) {
      const int64_t group = choice.group_size > 0 ? choice.group_size : shape.in_features;
      quantizers += shape.out_features * (shape.in_features / group);
    }
    largest = std::max(largest, shape.out_features * shape.in_features);
  }
  const int64_t parameters = static_cast<int64_t>(choices.size()) * BlockParameters(config);
  const int64_t values_and_moments = 3 * kF32Bytes * parameters;
  // Backward drops a fake-quantized weight as it makes the gradient, so without accumulation only one of the two is
  // whole.
  const int64_t gradients = kF32Bytes * parameters, fake_quantized = compute * parameters;
  const bool accumulates = options.gradient_accumulation_steps > 1;
  int64_t gradients_or_weights = accumulates ? gradients + fake_quantized : std::max(gradients, fake_quantized);
  int64_t packed = 0;
  if (TrainsFused(config, options)) {
    // The fused block gives up its weights only when it has the gradients of all of them, in the type of the products.
    const int64_t both = fake_quantized + compute * BlockParameters(config);
    gradients_or_weights = accumulates ? gradients + both : std::max(gradients, both);
    packed = kPackedBytes * largest;
  }
  const int64_t latent = options.keep_latent ? kF32Bytes * parameters : 0;
  const int64_t best = parameters + latent;  // one byte a code
  // Gradient of a fake-quantized weight, and of its latent one; or a weight packed for a product.
  const int64_t in_flight = std::max((kF32Bytes + compute) * largest, packed);
  const int64_t quantizer_bytes =
      2 * 5 * kF32Bytes * quantizers;  // scale and zero point: as above, and the served copy
  return values_and_moments + gradients_or_weights + best + in_flight + quantizer_bytes;
}

int64_t EstimateActivationBytes(const LlamaConfig& config, const TrainOptions& options, int64_t seqlen) {
  if (TrainsFused(config, options)) return FusedActivationBytes(config, options, seqlen);
  const int64_t compute = ComputeBytes(options);
  const int64_t samples = options.batch_size / std::max<int64_t>(1, options.gradient_accumulation_steps);
  const int64_t hidden = config.hidden_size;
  const int64_t queries = config.num_attention_heads * config.head_dim;
  const int64_t keys = config.num_key_value_heads * config.head_dim;
  const ScoreElements scores = CountScores(config, seqlen);
  // Norms of queries and keys keep those widened, their squares and the normalised ones, in fp32.
  const int64_t head_norms = config.query_key_norms ? seqlen * 3 * kF32Bytes * (queries + keys) : 0;
  // Kept from forward to backward, per token: input, target, two normalised copies and the squares they come from, the
  // stream between the halves and the error in fp32; in the dtype of the products both norms' outputs, rotated queries
  // and keys and the heads' outputs; the values, which every chunk copies; and the softmaxes.
  const int64_t kept = seqlen * (8 * kF32Bytes * hidden + compute * (2 * hidden + 2 * queries + keys)) +
                       compute * (scores.value_rows * keys + scores.kept) + head_norms;
  // On top, the larger of two moments. The feed-forward half: four kept products and three gradients, less the first
  // already dropped. The attention half: raw, masked and normalised scores of a chunk (or their gradients), one of them
  // widened where bf16 products are (products.h: on CPUs that do not multiply bf16), and rotations in fp32.
  const int64_t feed_forward = seqlen * (compute * 6 * config.intermediate_size + 2 * kF32Bytes * hidden);
  const int64_t widened = compute < kF32Bytes && WidensProducts() ? kF32Bytes * scores.largest_chunk : 0;
  const int64_t attention = compute * 3 * scores.largest_chunk + widened + seqlen * 3 * kF32Bytes * (queries + keys);
  const int64_t mask = kF32Bytes * seqlen * seqlen;
  // Every further block keeps the same (input and error are there once) and the four products of its feed-forward half;
  // only one block at a time is at its worst moment.
  const int64_t kept_by_further =
      kept - seqlen * 2 * kF32Bytes * hidden + seqlen * compute * 4 * config.intermediate_size;
  const auto further = static_cast<int64_t>(options.rest.size());
  return samples * (kept + std::max(feed_forward, attention) + further * kept_by_further) + mask;
}

int64_t EstimateTrainMemoryBytes(const LlamaConfig& config, const TrainOptions& options, int64_t seqlen) {
  return EstimateParameterBytes(config, options) + EstimateActivationBytes(config, options, seqlen);
}

}  // namespace lwq::qat
