// Which kinds of tasks a run needs, known before its graph is: what placement must find workers for.
//
// Pure; thread-safe.
#pragma once

#include <optional>
#include <set>

#include "common/task/task_def.h"
#include "coordinator/graph/run_spec.h"
#include "coordinator/plan/recipe.h"

namespace lwq::coordinator {

// Whether the run measures how sensitive the blocks are: by its method, or because its policies go by scores that the
// spec does not give, or that reorder_every measures again.
bool MeasuresSensitivity(const RunSpec& spec, const Recipe& recipe);

// Every kind the run's graph has, by how it goes:
//   block_ap          tokenize, embed, advance, train_block
//   rtn               rtn_block
//   sensitivity       what its metric needs; the other methods too where they measure:
//     every metric      tokenize, embed, advance
//     gradient          + loss_gradient, backward_block, gradient_norm
//     fisher            + loss_gradient, backward_block
//     output_fisher     + loss_gradient, backward_block, output_fisher
//     hessian           + loss_gradient, backward_block, hessian
//     loss_delta        + loss_delta
//     pilot             + train_block, loss_delta
//   mpq_strategy optimal that has scores but no table: + weight_error
//   evaluation        tokenize, evaluate_ppl
//   export            export
// `recipe` is resolved, pinned or not.
std::set<TaskKind> KindsOfRun(const RunSpec& spec, const Recipe& recipe);

// The kind that a run's work is in, whose class decides its precision: train_block, else the last pinned one of
// hessian, loss_delta, output_fisher, backward_block, evaluate_ppl that it needs. Nothing: no kind of it is pinned.
std::optional<TaskKind> MainKindOf(const std::set<TaskKind>& kinds);

}  // namespace lwq::coordinator
