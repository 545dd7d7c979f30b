// SPDX-License-Identifier: Apache-2.0
// The kinds of tasks, and what everybody has to know of each: the rows of task_kinds.inc.
//
// Pure values, constexpr; thread-safety: none needed. Not here: parameters (task_params.h), costs
// (coordinator/plan/cost/task_costs.h), and what a kind does (worker/tasks).
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <type_traits>

#include "common/status/status.h"

namespace lwq {

// tokenize        text → token windows
// embed           token windows → A(0)
// advance         A(k), state of block k → A(k+1); full precision where no block checkpoint is given
// train_block     Block-AP
// rtn_block       round-to-nearest, needs no activations
// evaluate_ppl    losses of a shard of a text's windows, by a model with the given block checkpoints
// reduce_ppl      losses of all shards → perplexity, as a measured value
// evaluate_reference  evaluate_ppl of the full-precision model, and the hidden states that its head reads
// evaluate_kl     evaluate_ppl, and how far the model's next-token distributions are from the reference's
// reduce_kl       divergences of all shards → KL divergence and top-1 agreement, as measured values
// prepare_requests  published items of a zero-shot task → token ids of what a model is asked
// score_requests  log-likelihoods of a shard of them, by a model with the given block checkpoints
// reduce_accuracy log-likelihoods of all shards → accuracies or perplexities, as measured values, and a line for each
//                 request
// export          a directory in a serving format
// Sensitivity:
// loss_gradient   A(n) → the loss of every sample and its gradient G(n)
// backward_block  A(k), G(k+1) → G(k), and the squared norms of every sample's weight gradient
// gradient_norm   weight gradients summed by shard → the norm of their mean
// output_fisher   A(k), G(k+1) → Σ (output gradient × output error)² of every choice of bits and groups
// loss_delta      A(k) → how the loss rises when block k alone is quantized
// hessian         one probe of Hutchinson's estimator
// weight_error    ‖W − Q(W)‖² of every choice
// Preparation:
// search_scales   A(k) → the scales of block k's channels, which later tasks work into its weights
// Other methods on the same activations:
// gptq_block      A(k) → block k rounded column by column, with the errors made up for; Block-AP may start from it
// fit_rounding    A(k), full-precision A(k+1) → block k with its weights frozen, its rounding fitted (SignRound,
//                 OmniQuant); Block-AP may start from it
// E2E-QP:
// train_scales    blocks of the quantized model, token windows → the next optimizer steps of all their scales
// And noop, which does nothing: it measures the system itself.
enum class TaskKind {
#define LWQ_TASK_KIND(enumerator, name, version, Params, outputs, arithmetic, main_rank) enumerator,
#include "common/task/task_kinds.inc"
};

// Whether a kind's bits depend on the machine; then it is pinned to a numerics class.
enum class Arithmetic {
  kSameEverywhere,  // copies, integer work, sums in float64
  kAsRecipe,        // in the recipe's precision
  kFp32,            // in float32, whatever the recipe says: sensitivity, preparation
};

// A role that a kind makes. A disposable one may be deleted once nobody needs it: activations, gradients.
struct OutputTraits {
  std::string_view role;  // "": none
  bool disposable = false;
};

// At most two roles; a unit, and train_scales, has each for every of its blocks.
struct OutputsTraits {
  std::array<OutputTraits, 2> roles;
  size_t count = 0;
  bool measures = false;  // a success must report what was measured (measured.h)
  constexpr OutputsTraits Then(OutputTraits output) const {
    OutputsTraits longer = *this;
    longer.roles[longer.count++] = output;
    return longer;
  }
  constexpr OutputsTraits ThenDisposable(std::string_view role) const { return Then({role, true}); }
};

struct TaskKindTraits {
  TaskKind kind = TaskKind::kNoop;
  std::string_view name;
  int version = 0;
  OutputsTraits outputs;
  Arithmetic arithmetic = Arithmetic::kSameEverywhere;
  int main_rank = 0;
};

namespace task_kinds {

constexpr OutputsTraits NoOutputs() {
  return {};
}
constexpr OutputsTraits Measures() {
  OutputsTraits none;
  none.measures = true;
  return none;
}
constexpr OutputsTraits Kept(std::string_view role) {
  return OutputsTraits().Then({role, false});
}
constexpr OutputsTraits Disposable(std::string_view role) {
  return OutputsTraits().ThenDisposable(role);
}

inline constexpr auto kTable = std::to_array<TaskKindTraits>({
#define LWQ_TASK_KIND(enumerator, name, version, Params, outputs, arithmetic, main_rank) \
  {TaskKind::enumerator, name, version, outputs, arithmetic, main_rank},
#include "common/task/task_kinds.inc"
});

}  // namespace task_kinds

// Every kind, in the table's order.
constexpr const auto& AllTaskKinds() {
  return task_kinds::kTable;
}

constexpr const TaskKindTraits& TraitsOf(TaskKind kind) {
  return task_kinds::kTable[static_cast<size_t>(kind)];
}

constexpr std::string_view TaskKindName(TaskKind kind) {
  return TraitsOf(kind).name;
}
// INVALID_ARGUMENT for a name that this version does not know.
StatusOr<TaskKind> ParseTaskKind(std::string_view name);

// Whether a role of a kind ("latent", or "latent.2" of a unit) is a disposable one. False for a role it does not have.
bool IsDisposable(TaskKind kind, std::string_view role);

// visit(std::integral_constant<TaskKind, kind>): what a caller must have for every kind, checked by the compiler.
template <typename Visit>
decltype(auto) VisitTaskKind(TaskKind kind, Visit&& visit) {
  switch (kind) {
#define LWQ_TASK_KIND(enumerator, name, version, Params, outputs, arithmetic, main_rank) \
  case TaskKind::enumerator:                                                             \
    return visit(std::integral_constant<TaskKind, TaskKind::enumerator>());
#include "common/task/task_kinds.inc"
  }
  LWQ_CHECK(false, "no task kind ", static_cast<int>(kind));
}

}  // namespace lwq
