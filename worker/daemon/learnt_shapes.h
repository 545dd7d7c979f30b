// SPDX-License-Identifier: Apache-2.0
// What this process has learnt about its device's memory, until it ends; said in the log of the task's run, and
// counted.
//
// A device that was shared for a while is not tried again: what others left would decide how long a task takes, from
// one task to the next. Compute thread only.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "worker/qat/api/learnt_memory.h"

namespace lwq::worker {

class LearntShapes final : public qat::LearntMemory {
 public:
  // `observe` is called for each shape that did not fit.
  explicit LearntShapes(std::function<void()> observe) : observe_(std::move(observe)) {}

  bool Recomputes(std::string_view shape) const override;
  void DidNotFit(std::string_view shape, const Status& reason, int64_t step, int64_t steps) override;

 private:
  const std::function<void()> observe_;
  std::set<std::string, std::less<>> shapes_;
};

}  // namespace lwq::worker
