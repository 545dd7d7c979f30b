// Keeps the state with the earliest minimum of the validation loss, the initial state included.
//
// States are held as integer codes (a quarter of the fp32 weights), at most one at a time. One thread.
#pragma once

#include <limits>
#include <optional>

#include "absl/functional/function_ref.h"
#include "worker/qat/api/block.h"

namespace lwq::qat {

class BestKeeper {
 public:
  // `state` is called only when `val_loss` is strictly below every loss before it; what was held is released first.
  // Returns whether it was kept. NaN is never kept.
  bool Offer(double val_loss, absl::FunctionRef<BlockState()> state);

  // +∞ before the first state.
  double loss() const { return loss_; }
  // Requires that a state has been kept.
  BlockState Take() { return std::move(*best_); }

 private:
  double loss_ = std::numeric_limits<double>::infinity();
  std::optional<BlockState> best_;
};

}  // namespace lwq::qat
