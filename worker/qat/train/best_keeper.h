// Keeps the state with the earliest minimum of the validation loss, the initial state included.
//
// At most one state is held at a time: its integer codes (a quarter of the fp32 weights) and, where the training keeps
// them, its latent weights. One thread.
#pragma once

#include <limits>
#include <optional>

#include "absl/functional/function_ref.h"
#include "worker/qat/api/block.h"

namespace lwq::qat {

struct TrainedState {
  BlockState block;
  BlockState latent;  // empty unless the training keeps it
};

class BestKeeper {
 public:
  // `state` is called only when `val_loss` is strictly below every loss before it; what was held is released first.
  // Returns whether it was kept. NaN is never kept.
  bool Offer(double val_loss, absl::FunctionRef<TrainedState()> state);

  // +∞ before the first state.
  double loss() const { return loss_; }
  // Requires that a state has been kept.
  TrainedState Take() { return std::move(*best_); }

 private:
  double loss_ = std::numeric_limits<double>::infinity();
  std::optional<TrainedState> best_;
};

}  // namespace lwq::qat
