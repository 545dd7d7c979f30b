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
//     init gptq         + gptq_block
//     init signround, omniquant
//                       + fit_rounding
//   rtn               rtn_block
//   gptq              tokenize, embed, advance, gptq_block
//   signround, omniquant
//                     tokenize, embed, advance, fit_rounding
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
//   eval_texts        tokenize
//     eval_ppl          + reduce_ppl, and evaluate_ppl without eval_kl or of a halving's rungs
//     eval_kl           + evaluate_reference, evaluate_kl, reduce_kl
//   eval_tasks        prepare_requests, score_requests, reduce_accuracy
//   export            export
// A run that has made its measurement still has the kinds that made it; scales of a model's only block, and GPTQ of it,
// need no advance.
struct EvalInputs {
  bool texts = false;
  bool tasks = false;
  bool rungs = false;  // the model is evaluated on the way, for its sweep's halving
};
std::set<TaskKind> KindsOfRun(const ResolvedRecipe& resolved, EvalInputs given);

// Whether the method quantizes each block on its own, by what it reads (GPTQ, SignRound, OmniQuant).
bool QuantizesWithoutTraining(const Recipe& recipe);

// Whether blocks go through GPTQ: as the method, or to start their training from.
bool RunsGptq(const Recipe& recipe);

// How the rounding of blocks is fitted, likewise. A recipe has one of the two at most.
std::optional<RoundingFit> RoundingFitOf(const Recipe& recipe);

// The kind that a run's work is in, whose class decides its precision: the one of highest main_rank (task_kinds.inc).
// It has no main kind where none of its kinds has a rank.
std::optional<TaskKind> MainKindOf(const std::set<TaskKind>& kinds);

}  // namespace lwq::coordinator
