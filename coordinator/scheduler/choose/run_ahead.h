// SPDX-License-Identifier: Apache-2.0
// Activations that would be made before anybody needs them.
//
// A chain is quicker than the trainings it feeds: with nothing to stop it, every activation of a model is stored at
// once. So beyond the budget (SchedulerOptions::activation_bytes), counted over what is stored and somebody reads, a
// READY step of a chain
//   is held back   where no result could soon follow: every reader, directly or through further such tasks, also waits
//                  for something that nobody has begun to make (sequential: the next block waits for the one before)
//   gives way      otherwise, to what the same run has ready that makes results (independent: trainings).
// So the budget may be exceeded by what the trainings in progress and the next ones need. Measurements are results,
// whatever they make.
//
// A reference that quantized models are compared with (evaluate_reference) is such a step, too: its hidden states wait
// for the quantized model. Where the full-precision model's perplexity follows from it, it gives way.
//
// Depth before breadth: a chain is not begun beyond the budget for a run that nobody works for while somebody works for
// a run of the same project that goes before it; that one's end frees what it reads. Its first activation counts
// beside those that are being made, or all idle workers would begin one at once.
// Otherwise a run nobody works for is never held back: what it waits for may be just this. So nothing waits for ever:
// of all runs the first goes on.
//
// A project may have a budget of its own (ProjectOptions::max_stored_bytes), over the activations that were made for it
// and that somebody reads, and those that are being made. Beyond it, and while anything is executed for the project, a
// step of a chain is held back that begins a chain, or after which no result could soon follow: so runs that hold
// activations are brought to their end, which frees them, before others begin. While nothing is executed for the
// project, what goes first is let go on.
//
// Pure on State; thread-safety: none.
#pragma once

#include "coordinator/scheduler/state/state.h"

namespace lwq::coordinator {

// Whether what the READY task makes goes beyond the budget. Only a chain's steps do.
bool ExceedsBudget(const State& state, const TaskEntry& task);

// Whether it is to wait, even for an idle worker. Cost: beyond a budget, the tasks between it and its nearest results.
bool IsHeldBack(const State& state, const TaskEntry& task);
// Whether it is for the sake of its project's budget.
bool IsHeldByProject(const State& state, const TaskEntry& task);
// Whether all tasks of the kind are, for the project that is charged for them: those that begin chains.
bool AreHeldByProject(const State& state, TaskKind kind, const std::string& project);

}  // namespace lwq::coordinator
