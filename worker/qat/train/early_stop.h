// SPDX-License-Identifier: Apache-2.0
// When training of a block ends before its planned steps (docs/spec.md, "Block-AP";
// tests/numerics/golden/blockap/schedules.json).
//
// A validation loss that is not strictly below the best so far adds 1 to a counter; training stops when the counter
// reaches the patience (3.7 acts as 4). `resets`: an improvement sets the counter back to 0, so only consecutive
// failures count (false: EfficientQAT, which counts all of them). The loss before training is not a validation. Pure.
#pragma once

#include <cstdint>

namespace lwq::qat {

class EarlyStop {
 public:
  // A first validation at or above this is no improvement either (EfficientQAT's starting value).
  static constexpr double kStartingBest = 1e6;

  // patience 0: never stops.
  EarlyStop(double patience, bool resets) : patience_(patience), resets_(resets) {}

  // True when training should stop now. NaN is no improvement.
  bool Observe(double val_loss);

  // As an EarlyStop of the same options was when these were its best() and failures().
  void Restore(double best, int64_t failures) {
    best_ = best;
    failures_ = failures;
  }

  double best() const { return best_; }
  int64_t failures() const { return failures_; }

 private:
  double patience_;
  bool resets_;
  double best_ = kStartingBest;
  int64_t failures_ = 0;
};

}  // namespace lwq::qat
