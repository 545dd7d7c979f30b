// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/recipe/eval_shards.h"

#include <algorithm>

namespace lwq::coordinator {
namespace {

constexpr int64_t kShardTokens = 16384;
constexpr int64_t kBytesPerToken = 4;
constexpr int64_t kBytesPerItem = 1024;
constexpr int64_t kMaxShards = 256;

int64_t RoundedUp(int64_t number, int64_t multiple) {
  return (number + multiple - 1) / multiple * multiple;
}

}  // namespace

int64_t DefaultEvalShardWindows(int64_t ppl_seqlen) {
  return std::max<int64_t>(1, kShardTokens / std::max<int64_t>(1, ppl_seqlen));
}

int64_t EvalShards(const Recipe& recipe, int64_t text_bytes) {
  const int64_t windows = text_bytes / kBytesPerToken / recipe.ppl_seqlen;
  const int64_t shards = windows / recipe.eval_shard_windows + (windows % recipe.eval_shard_windows != 0 ? 1 : 0);
  if (shards <= 2) return std::max<int64_t>(1, shards);
  return RoundedUp(std::min(shards, kMaxShards), 4);
}

int64_t EvalTaskShards(const Recipe& recipe, int64_t file_bytes) {
  if (recipe.eval_limit > 0 && recipe.eval_limit < file_bytes / kBytesPerItem) {
    file_bytes = recipe.eval_limit * kBytesPerItem;
  }
  return EvalShards(recipe, file_bytes);
}

}  // namespace lwq::coordinator
