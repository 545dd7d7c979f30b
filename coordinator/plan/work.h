// How much work a task is, from the model's shape: about the floating-point operations it needs, so that the time of a
// task that never ran follows from the times of others of its kind. Only ratios within a kind mean anything.
//
//   forward of a block, per token:   2 × its weights + 2 × query heads × head size × sequence (causal attention)
//   train_block:       (3 × train_size × epochs + val_size × (⌈epochs⌉ + 1)) forwards, for every block of the unit
//   advance:           a forward of every sample            embed: a copy of every hidden vector
//   evaluate_ppl:      forwards of all blocks and the head, for as many tokens as the shard has bytes of the text
//   loss_gradient:     3 × the head                         backward_block: 3 forwards
//   output_fisher:     1 + choices forwards                 loss_delta: as many, through all later blocks
//   hessian:           6 forwards through all blocks from the first probed one on
//   rtn_block, weight_error, gradient_norm, export: the weights they go through
//   tokenize, reduce_ppl: the bytes of the text             noop: 1
//
// Pure; thread-safe.
#pragma once

#include <cstdint>

#include "common/model/llama_config.h"
#include "common/task/task_def.h"
#include "coordinator/plan/recipe.h"

namespace lwq::coordinator {

// `text_bytes` is the size of the text that kEvaluatePpl and kReducePpl are of. 0 is unknown: `model` is null but the
// kind needs one, or the parameters are not the kind's (a newer version's).
double TaskWork(const TaskDef& def, const LlamaConfig* model, const Recipe& recipe, int64_t text_bytes);

}  // namespace lwq::coordinator
