// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/cost/memory.h"

#include <algorithm>

namespace lwq::coordinator {
namespace {

constexpr int64_t kFloatBytes = 4;
constexpr int64_t kTextBytesPerToken = 4;
constexpr int64_t kTrainingCopies = 7;
constexpr int64_t kChunks = 4;
constexpr int64_t kQueriesInFlight = 256;
constexpr int64_t kChunkBytes = int64_t{8} << 20;
constexpr int64_t kLogitElements = int64_t{4} << 20;

// Norms of queries and keys keep three float copies of both, per token.
int64_t HeadNormFloats(const LlamaConfig& config) {
  return config.query_key_norms ? 3 * (config.num_attention_heads + config.num_key_value_heads) * config.head_dim : 0;
}

// Seven copies of the weights cover scales, zero points and their ten copies in all for groups of 32 and more.
int64_t SmallGroupBytes(int64_t parameters, int64_t group_size) {
  constexpr int64_t kCoveredGroup = 32;
  constexpr int64_t kQuantizerBytes = 40;
  if (group_size < 1 || group_size >= kCoveredGroup) return 0;
  return parameters * kQuantizerBytes / group_size - parameters * kQuantizerBytes / kCoveredGroup;
}

// Weights that are trained, and what there is for each of them.
int64_t ParameterBytes(const LlamaConfig& config, const Recipe& recipe, int64_t blocks_in_unit) {
  const int64_t parameters = blocks_in_unit * BlockParameters(config);
  return kTrainingCopies * parameters * kFloatBytes + SmallGroupBytes(parameters, recipe.group_size);
}

}  // namespace

int64_t ActivationBytes(const LlamaConfig& config, int64_t micro_batch, int64_t seqlen) {
  const int64_t query = config.num_attention_heads * config.head_dim;
  const int64_t key_value = config.num_key_value_heads * config.head_dim;
  const int64_t score_rows = seqlen / 2 + 3 * std::min(seqlen, kQueriesInFlight);
  const int64_t floats_per_token = 10 * config.hidden_size + 5 * query + 6 * key_value + 6 * config.intermediate_size +
                                   config.num_attention_heads * score_rows + HeadNormFloats(config);
  return micro_batch * seqlen * floats_per_token * kFloatBytes;
}

int64_t KeptActivationBytes(const LlamaConfig& config, int64_t micro_batch, int64_t seqlen) {
  const int64_t query = config.num_attention_heads * config.head_dim;
  const int64_t key_value = config.num_key_value_heads * config.head_dim;
  const int64_t chunks = (seqlen + kQueriesInFlight - 1) / kQueriesInFlight;
  const int64_t value_copies = (chunks + 2) / 2;  // the mean of 1 … chunks, rounded up
  const int64_t score_rows = (seqlen + std::min(seqlen, kQueriesInFlight)) / 2;
  const int64_t floats_per_token = 8 * config.hidden_size + 2 * query + (1 + value_copies) * key_value +
                                   4 * config.intermediate_size + config.num_attention_heads * score_rows +
                                   HeadNormFloats(config);
  return micro_batch * seqlen * floats_per_token * kFloatBytes;
}

int64_t TrainMemoryBytes(const LlamaConfig& config, const Recipe& recipe, int64_t blocks_in_unit) {
  const int64_t micro_batch = recipe.batch_size / recipe.gradient_accumulation_steps;
  return ParameterBytes(config, recipe, blocks_in_unit) + ActivationBytes(config, micro_batch, recipe.training_seqlen) +
         (blocks_in_unit - 1) * KeptActivationBytes(config, micro_batch, recipe.training_seqlen) +
         ChunkBytes(config, recipe.training_seqlen);
}

int64_t LeastTrainMemoryBytes(const LlamaConfig& config, const Recipe& recipe, int64_t blocks_in_unit) {
  const int64_t query = config.num_attention_heads * config.head_dim;
  const int64_t key_value = config.num_key_value_heads * config.head_dim;
  const int64_t streams = (2 * blocks_in_unit + 3) * config.hidden_size;
  const int64_t feed_forward = 6 * config.hidden_size + 6 * config.intermediate_size;
  const int64_t attention = 6 * config.hidden_size + 7 * query + 8 * key_value + HeadNormFloats(config) +
                            4 * config.num_attention_heads * std::min(recipe.training_seqlen, kQueriesInFlight);
  const int64_t tokens = recipe.batch_size / recipe.gradient_accumulation_steps * recipe.training_seqlen;
  const int64_t mask = recipe.training_seqlen * recipe.training_seqlen;
  const int64_t recomputed = ParameterBytes(config, recipe, blocks_in_unit) +
                             (tokens * (streams + std::max(feed_forward, attention)) + mask) * kFloatBytes +
                             ChunkBytes(config, recipe.training_seqlen);
  return std::min(recomputed, TrainMemoryBytes(config, recipe, blocks_in_unit));
}

int64_t ForwardBytes(const LlamaConfig& config, int64_t micro_batch, int64_t seqlen) {
  return ActivationBytes(config, micro_batch, seqlen) / 3;
}

int64_t ChunkBytes(const LlamaConfig& config, int64_t seqlen) {
  return kChunks * std::max(kChunkBytes, seqlen * config.hidden_size * kFloatBytes);
}

int64_t StoredActivationBytes(const LlamaConfig& config, const Recipe& recipe) {
  const int64_t value_bytes = recipe.activation_dtype == Precision::kBf16 ? 2 : 4;
  return (recipe.train_size + recipe.val_size) * recipe.training_seqlen * config.hidden_size * value_bytes;
}

int64_t StoredHiddenBytes(const LlamaConfig& config, int64_t text_bytes) {
  return text_bytes / kTextBytesPerToken * config.hidden_size * kFloatBytes;
}

int64_t LogitBytes(const LlamaConfig& config, int64_t seqlen, int64_t copies) {
  const int64_t elements = std::min(seqlen * config.vocab_size, std::max(kLogitElements, config.vocab_size));
  return copies * elements * kFloatBytes;
}

}  // namespace lwq::coordinator
