// SPDX-License-Identifier: Apache-2.0
// Time for the coordinator's loop: now, and waiting. Both are injected, so that tests decide when time passes.
#pragma once

#include <cstdint>
#include <optional>

#include "common/sync/mutex.h"
#include "coordinator/scheduler/state/ids.h"

namespace lwq::coordinator {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant Now() = 0;
  // Returns when `wake` is notified, when the steady clock reaches `deadline_ms` (never, if absent), or spuriously.
  // Requires: `lock` is held; it is while the call returns.
  virtual void Wait(MutexLock& lock, CondVar& wake, std::optional<int64_t> deadline_ms) = 0;
};

// The machine's clocks. Thread-safe.
class SystemClock : public Clock {
 public:
  Instant Now() override;
  void Wait(MutexLock& lock, CondVar& wake, std::optional<int64_t> deadline_ms) override;
};

}  // namespace lwq::coordinator
