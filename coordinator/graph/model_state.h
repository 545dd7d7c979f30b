// SPDX-License-Identifier: Apache-2.0
// The model as it is at one moment of a run: which blocks are quantized, and the activations before each of them.
//
//   A(0) = H(embedding, tokens),  A(k+1) = H(A(k), state(k))          (docs/spec.md, "Handoffs")
//
// Activations are named when somebody asks for them; a block that changes makes those after it new ones. Equal states
// reached in different ways name equal tasks, which is what makes handoffs shareable. A value of the graph builder.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "common/task/task_def.h"

namespace lwq::coordinator {

class ModelState {
 public:
  // Adds the task that passes `activations` through a block in the state that a checkpoint gives (none: full precision)
  // and returns its output.
  using Advance = std::function<TaskInput(int64_t block, const TaskInput& activations,
                                          const std::optional<TaskOutputRef>& checkpoint)>;

  // All blocks at full precision. `embedded` is A(0).
  ModelState(int64_t blocks, TaskInput embedded, Advance advance)
      : advance_(std::move(advance)), checkpoints_(static_cast<size_t>(blocks)), activations_{std::move(embedded)} {}

  int64_t blocks() const { return static_cast<int64_t>(checkpoints_.size()); }
  const std::optional<TaskOutputRef>& checkpoint(int64_t block) const {
    return checkpoints_[static_cast<size_t>(block)];
  }

  // A(block), 0 … blocks().
  const TaskInput& ActivationsBefore(int64_t block) {
    while (static_cast<int64_t>(activations_.size()) <= block) {
      const int64_t before = static_cast<int64_t>(activations_.size()) - 1;
      activations_.push_back(advance_(before, activations_.back(), checkpoint(before)));
    }
    return activations_[static_cast<size_t>(block)];
  }

  void Quantize(int64_t block, TaskOutputRef checkpoint) {
    checkpoints_[static_cast<size_t>(block)] = std::move(checkpoint);
    const size_t still_true = static_cast<size_t>(block) + 1;
    if (activations_.size() > still_true) activations_.resize(still_true);
  }

 private:
  Advance advance_;
  std::vector<std::optional<TaskOutputRef>> checkpoints_;
  std::vector<TaskInput> activations_;
};

}  // namespace lwq::coordinator
