// SPDX-License-Identifier: Apache-2.0
// Log-likelihoods of tokens behind others: what zero-shot evaluations measure.
//
// Sequences that begin alike are computed as one tree: what they share once, then each one's own tokens as a branch
// that sees the shared ones and itself, at the positions that it has in a sequence of its own. A batch is computed as
// one tensor, padded behind its shorter trees; the blocks are loaded one at a time and all batches pass through each.
//
// Deterministic: a tree has the bits that its batch gives it; which other batches are scored in the same call does not
// matter. Errors: CANCELLED; INVALID_ARGUMENT for a token outside the vocabulary or a tree that is none;
// RESOURCE_EXHAUSTED when memory runs out. Call from the process's one compute thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/model/llama_config.h"
#include "worker/qat/api/block.h"
#include "worker/qat/api/block_ops.h"
#include "worker/qat/api/execution.h"

namespace lwq::qat {

// Of a model with a sliding window, trees of several branches have at most so many tokens.
struct SequenceTree {
  // A token to be scored: how likely it is behind the one at `place`, and which branch's score it belongs to.
  struct Target {
    int64_t place = 0;
    int32_t token = 0;
    int64_t branch = 0;
  };
  std::vector<int32_t> tokens;    // the shared ones, then each branch's
  int64_t shared = 0;             // at least 1, unless there is one branch
  std::vector<int64_t> branches;  // tokens of each; tokens.size() is `shared` and all of these; 0 where it has none
  std::vector<Target> targets;    // at least one of each branch, in the order of branches
};
using TreeBatch = std::vector<SequenceTree>;

struct BranchScore {
  double log_likelihood = 0;  // Σ of its targets, in nats, of log-softmaxes in float32
  bool is_greedy = true;      // whether each of its targets was the likeliest token
};

struct ScoreOptions {
  Execution execution = {};
  std::string scratch_directory = {};  // activations between two blocks are spilled there
};

// By batch, tree and branch, one after the other.
StatusOr<std::vector<BranchScore>> ScoreTrees(const LlamaConfig& config, const HeadWeights& head,
                                              const std::function<StatusOr<BlockState>(int64_t)>& load_block,
                                              const std::vector<TreeBatch>& batches, const ScoreOptions& options,
                                              const ProgressSink& progress, const CancelToken& cancel);

}  // namespace lwq::qat
