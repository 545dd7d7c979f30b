// SPDX-License-Identifier: Apache-2.0
// Keeps the state with the earliest minimum of the validation loss, the initial state included.
//
// At most one state is held at a time: the unit's integer codes (a quarter of the fp32 weights) and, where the training
// keeps them, its latent weights. One thread.
#pragma once

#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "worker/qat/api/train_block.h"

namespace lwq::qat {

class BestKeeper {
 public:
  // `state` is called only when `val_loss` is strictly below every loss before it; what was held is released first.
  // Returns whether it was kept. NaN is never kept.
  bool Offer(double val_loss, absl::FunctionRef<std::vector<TrainedBlock>()> state);

  // +∞ before the first state.
  double loss() const { return loss_; }
  // Null before the first.
  const std::vector<TrainedBlock>* best() const { return best_.has_value() ? &*best_ : nullptr; }
  // As a keeper was when these were its loss() and best().
  void Restore(double loss, std::optional<std::vector<TrainedBlock>> best) {
    loss_ = loss;
    best_ = std::move(best);
  }
  // Requires that a state has been kept.
  std::vector<TrainedBlock> Take() { return std::move(*best_); }

 private:
  double loss_ = std::numeric_limits<double>::infinity();
  std::optional<std::vector<TrainedBlock>> best_;
};

}  // namespace lwq::qat
