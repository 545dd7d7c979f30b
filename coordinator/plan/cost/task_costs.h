// SPDX-License-Identifier: Apache-2.0
// What a task costs: how much memory it needs at its peak, which placement compares with what a worker has, and how
// much work it is, so that the time of a task that never ran follows from the times of others of its kind.
//
// Work is about the floating-point operations of a task; only ratios within a kind mean anything:
//   forward of a block, per token:   2 × its weights + 2 × query heads × head size × sequence (causal attention)
// Memory is that of the tensors a task holds at once (memory.h); everything is counted in fp32, an upper bound for
// bf16. Both are given for every kind in one place, task_costs.cc, which does not compile where one is missing.
//
// Pure; thread-safe.
#pragma once

#include <cstdint>

#include "common/model/llama_config.h"
#include "common/task/task_def.h"
#include "coordinator/plan/recipe/recipe.h"

namespace lwq::coordinator {

// Peak of one task of the kind in a run of the recipe, in bytes; of train_block: of the largest unit it may have.
int64_t TaskMemoryBytes(TaskKind kind, const LlamaConfig& config, const Recipe& recipe);

// `text_bytes` is the size of the text, or of the published items, that the task evaluates. 0 is unknown: `model` is
// null but the kind needs one, or the parameters are not the kind's (a newer version's).
double TaskWork(const TaskDef& def, const LlamaConfig* model, const Recipe& recipe, int64_t text_bytes);

}  // namespace lwq::coordinator
