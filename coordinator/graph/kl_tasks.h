// SPDX-License-Identifier: Apache-2.0
// The evaluation of a text as tasks where the quantized model is compared with the full-precision one (eval_kl):
//
//   tokens ─evaluate_reference─▶ losses, hidden ─┐
//   tokens, blocks ────────────evaluate_kl───────┴▶ losses, divergences ─reduce_kl─▶ kl_divergence, top1_agreement
//
// a reference and a comparison for each shard. Both give the perplexities' losses too, so that neither model passes
// over the text twice. The reference names no quantized block: every run of a sweep, and every later one, has the same.
//
// Pure; thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "coordinator/graph/planned_task.h"
#include "coordinator/graph/run_spec.h"

namespace lwq::coordinator {

// A text, and what its evaluation reads.
struct EvaluatedText {
  const RunSpec& spec;
  const Recipe& recipe;
  const TextSource& text;
  Digest tokens;  // the task that makes them
};

// By shard.
using ShardTasks = std::vector<Digest>;

// Passes of the full-precision model.
ShardTasks AddReference(const EvaluatedText& evaluated, TaskList& tasks);

// Passes of the model with these checkpoints, by block, called `label`, and the reduction of their divergences.
ShardTasks AddComparison(const EvaluatedText& evaluated, const ShardTasks& reference, const std::string& label,
                         const std::map<int64_t, TaskOutputRef>& blocks, TaskList& tasks);

// " (2/4)"; nothing where there is one shard.
std::string ShardTitle(int64_t shard, int64_t shards);

}  // namespace lwq::coordinator
