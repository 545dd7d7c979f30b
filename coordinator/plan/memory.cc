#include "coordinator/plan/memory.h"

#include <algorithm>

#include "coordinator/plan/policies.h"

namespace lwq::coordinator {
namespace {

constexpr int64_t kFloatBytes = 4;
constexpr int64_t kTrainingCopies = 7;
constexpr int64_t kChunks = 4;
constexpr int64_t kQueriesInFlight = 256;
constexpr int64_t kChunkBytes = int64_t{8} << 20;
constexpr int64_t kLogitElements = int64_t{4} << 20;

// Stored samples that a task holds: four chunks of 8 MiB, or of one sample where that is larger.
int64_t ChunkBytes(const LlamaConfig& config, int64_t seqlen) {
  return kChunks * std::max(kChunkBytes, seqlen * config.hidden_size * kFloatBytes);
}

// Sensitivity takes the logits of a sample 16 MiB at a time, those of one token at least; `copies` tensors of that size
// are alive at once.
int64_t LogitBytes(const LlamaConfig& config, int64_t seqlen, int64_t copies) {
  const int64_t elements = std::min(seqlen * config.vocab_size, std::max(kLogitElements, config.vocab_size));
  return copies * elements * kFloatBytes;
}

// Norms of queries and keys keep three float copies of both, per token.
int64_t HeadNormFloats(const LlamaConfig& config) {
  return config.query_key_norms ? 3 * (config.num_attention_heads + config.num_key_value_heads) * config.head_dim : 0;
}

// A forward pass without backward holds about a third of what training keeps.
int64_t ForwardBytes(const LlamaConfig& config, int64_t micro_batch, int64_t seqlen) {
  return ActivationBytes(config, micro_batch, seqlen) / 3;
}

// Seven copies of the weights cover scales, zero points and their ten copies in all for groups of 32 and more.
int64_t SmallGroupBytes(int64_t parameters, int64_t group_size) {
  constexpr int64_t kCoveredGroup = 32;
  constexpr int64_t kQuantizerBytes = 40;
  if (group_size < 1 || group_size >= kCoveredGroup) return 0;
  return parameters * kQuantizerBytes / group_size - parameters * kQuantizerBytes / kCoveredGroup;
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
  const int64_t parameters = blocks_in_unit * BlockParameters(config);
  return kTrainingCopies * parameters * kFloatBytes + SmallGroupBytes(parameters, recipe.group_size) +
         ActivationBytes(config, micro_batch, recipe.training_seqlen) +
         (blocks_in_unit - 1) * KeptActivationBytes(config, micro_batch, recipe.training_seqlen) +
         ChunkBytes(config, recipe.training_seqlen);
}

int64_t TaskMemoryBytes(TaskKind kind, const LlamaConfig& config, const Recipe& recipe) {
  const int64_t block = BlockParameters(config) * kFloatBytes;
  const int64_t embedding = config.vocab_size * config.hidden_size * kFloatBytes;
  switch (kind) {
    case TaskKind::kTrainBlock:
      return TrainMemoryBytes(config, recipe, MostBlocksInUnit(recipe, config.num_hidden_layers));
    case TaskKind::kAdvance:
      return block + ForwardBytes(config, recipe.batch_size, recipe.training_seqlen) +
             ChunkBytes(config, recipe.training_seqlen);
    case TaskKind::kEmbed:
      return embedding + ChunkBytes(config, recipe.training_seqlen);
    case TaskKind::kEvaluatePpl: {
      // Logits and their log-softmax.
      const int64_t head = embedding + 2 * recipe.batch_size * recipe.ppl_seqlen * config.vocab_size * kFloatBytes;
      return std::max(block + ForwardBytes(config, recipe.batch_size, recipe.ppl_seqlen), head) +
             ChunkBytes(config, recipe.ppl_seqlen);
    }
    case TaskKind::kRtnBlock:
      return 3 * block;
    case TaskKind::kExport:
      return 2 * block + embedding;
    // Sensitivity takes one sample at a time; samples are read from two sets and written to one.
    case TaskKind::kLossGradient:
      return embedding + LogitBytes(config, recipe.training_seqlen, 4) + 2 * ChunkBytes(config, recipe.training_seqlen);
    // The block, its gradients, and their sum.
    case TaskKind::kBackwardBlock:
      return 3 * block + ActivationBytes(config, 1, recipe.training_seqlen) +
             2 * ChunkBytes(config, recipe.training_seqlen);
    // A candidate is decoded from its integers; the head takes the place of the last block.
    case TaskKind::kOutputFisher:
      return 2 * block + ForwardBytes(config, 1, recipe.training_seqlen) +
             2 * ChunkBytes(config, recipe.training_seqlen);
    case TaskKind::kLossDelta:
      return std::max(2 * block + ForwardBytes(config, 1, recipe.training_seqlen),
                      embedding + LogitBytes(config, recipe.training_seqlen, 3)) +
             2 * ChunkBytes(config, recipe.training_seqlen);
    // Gradients of gradients: the graph is kept twice, beside the weights the probe, the gradients and their products.
    case TaskKind::kHessian:
      return std::max(5 * block + 3 * ActivationBytes(config, 1, recipe.training_seqlen),
                      embedding + LogitBytes(config, recipe.training_seqlen, 8)) +
             2 * ChunkBytes(config, recipe.training_seqlen);
    // The integers of a whole block, and one linear with its rounded self.
    case TaskKind::kWeightError:
      return 2 * block;
    // One linear in float64 and in float32.
    case TaskKind::kGradientNorm:
      return 3 * config.hidden_size * std::max(config.intermediate_size, config.num_attention_heads * config.head_dim) *
             kFloatBytes;
    case TaskKind::kReducePpl:  // a number for each window
    case TaskKind::kTokenize:
    case TaskKind::kNoop:
      return 0;
  }
  return 0;
}

}  // namespace lwq::coordinator
