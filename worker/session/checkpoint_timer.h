// SPDX-License-Identifier: Apache-2.0
// When a task that is being executed is saved: so often that little is lost, so seldom that it costs little.
//
// The next time is at least the interval, and at least kCostFactor times what the last checkpoint took, after that one
// or the beginning of the task. What one took is remembered from task to task; of the first of a process it is not
// known. So of the time after the first, saving takes 1 / (1 + kCostFactor) at most: less than two percent.
//
// Pure: times are the caller's, in seconds of any steady clock. Thread-safety: none.
#pragma once

#include <algorithm>

namespace lwq::worker {

class CheckpointTimer {
 public:
  static constexpr double kCostFactor = 50;

  // 0: never.
  explicit CheckpointTimer(double interval_seconds) : interval_seconds_(interval_seconds) {}

  bool enabled() const { return interval_seconds_ > 0; }
  void TaskBegins(double now) { since_ = now; }
  bool IsDue(double now) const {
    return enabled() && now - since_ >= std::max(interval_seconds_, kCostFactor * last_cost_);
  }
  // One was stored, or could not be.
  void Saved(double begin, double end) {
    last_cost_ = end - begin;
    since_ = end;
  }

 private:
  const double interval_seconds_;
  double since_ = 0;
  double last_cost_ = 0;
};

}  // namespace lwq::worker
