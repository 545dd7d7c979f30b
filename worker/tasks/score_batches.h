// SPDX-License-Identifier: Apache-2.0
// From the requests of a task to what is computed: a tree for the choices of an item, batches of trees of like length,
// and shards of whole batches.
//
// What is computed beside what follows from the requests and the parameters alone, never from the shards, so that a
// request has the same log-likelihood however many there are (docs/adr/0012-evaluation-shards.md).
//
// Pure; thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "common/eval_tasks/eval_requests.h"
#include "common/model/llama_config.h"
#include "common/status/status.h"
#include "worker/qat/api/score_sequences.h"

namespace lwq::worker {

struct ScoreBatch {
  qat::TreeBatch trees;
  // Of each branch of each tree: which requests it is, counted over all items. Equal choices of an item are one branch:
  // their scores must be equal to the last bit, or a tie would be decided by rounding.
  std::vector<std::vector<int64_t>> places;
};

// Trees by rising length, those of equal length in the order of items; a batch holds as many as fit into
// `batch_tokens`, padding counted, at least one. A request longer than the model's window loses its oldest tokens, as
// in lm-evaluation-harness. The choices of an item are one tree where that is not longer than `batch_tokens` and the
// window, else a tree each. INVALID_ARGUMENT for a continuation that is longer than the window.
StatusOr<std::vector<ScoreBatch>> ScoreBatches(const std::vector<RequestItem>& items, const LlamaConfig& config,
                                               int64_t batch_tokens);

// The batches [first, first + count) of shard `shard` of `shards`: an even share; some are empty where there are fewer.
struct BatchRange {
  int64_t first = 0;
  int64_t count = 0;
  friend bool operator==(const BatchRange&, const BatchRange&) = default;
};
BatchRange BatchesOfShard(int64_t batches, int64_t shard, int64_t shards);

}  // namespace lwq::worker
