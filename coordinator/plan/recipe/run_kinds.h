// SPDX-License-Identifier: Apache-2.0
// Which kinds of tasks a run needs, known before its graph is: what placement must find workers for, and what the
// estimate of a run's peak memory goes over.
//
// Pure; thread-safe.
#pragma once

#include <optional>
#include <set>

#include "common/task/task_def.h"
#include "coordinator/plan/recipe/resolved_recipe.h"

namespace lwq::coordinator {

// Every kind of task that the run's graph has. A run has the kinds of each line that applies to it:
//   block_ap          tokenize, embed, advance, train_block
//   rtn               rtn_block
//   prepare awq       tokenize, embed, advance, search_scales
//   e2e_qp            tokenize, train_scales
//   sensitivity       what its metric needs; the other methods too where they measure:
//     every metric      tokenize, embed, advance
//     gradient          + loss_gradient, backward_block, gradient_norm
//     fisher            + loss_gradient, backward_block
//     output_fisher     + loss_gradient, backward_block, output_fisher
//     hessian           + loss_gradient, backward_block, hessian
//     loss_delta        + loss_delta
//     pilot             + train_block, loss_delta
//   mpq_strategy optimal that has scores but no table: + weight_error
//   eval_texts        tokenize, evaluate_ppl, reduce_ppl
//   eval_tasks        prepare_requests, score_requests, reduce_accuracy
//   export            export
// A run that has made its measurement still has the kinds that made it; scales of a model's only block need no advance.
struct EvalInputs {
  bool texts = false;
  bool tasks = false;
};
std::set<TaskKind> KindsOfRun(const ResolvedRecipe& resolved, EvalInputs given);

// The kind that a run's work is in, whose class decides its precision: the one of highest main_rank (task_kinds.inc).
// It has no main kind where none of its kinds has a rank.
std::optional<TaskKind> MainKindOf(const std::set<TaskKind>& kinds);

}  // namespace lwq::coordinator
