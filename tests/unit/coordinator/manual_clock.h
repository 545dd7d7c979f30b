// SPDX-License-Identifier: Apache-2.0
// A clock that a test moves. Waits end when the test moves it past their deadline, or when they are woken.
#pragma once

#include "common/sync/mutex.h"
#include "coordinator/loop/clock.h"

namespace lwq::coordinator::testing {

class ManualClock : public Clock {
 public:
  Instant Now() override {
    const MutexLock lock(&mutex_);
    return now_;
  }

  void Wait(MutexLock& lock, CondVar& wake, std::optional<int64_t> deadline_ms) override {
    {
      const MutexLock guard(&mutex_);
      if (deadline_ms.has_value() && *deadline_ms <= now_.steady_ms) return;
      waiting_ = &wake;
      waiting_lock_ = lock.mutex();
    }
    wake.Wait(lock);
    const MutexLock guard(&mutex_);
    waiting_ = nullptr;
  }

  void Advance(int64_t ms) {
    CondVar* wake = nullptr;
    Mutex* waiting_lock = nullptr;
    {
      const MutexLock lock(&mutex_);
      now_.steady_ms += ms;
      now_.unix_ms += ms;
      wake = waiting_;
      waiting_lock = waiting_lock_;
    }
    if (wake == nullptr) return;
    // Under the waiter's own lock, so that the wake cannot fall between its look at the clock and its wait.
    const MutexLock lock(waiting_lock);
    wake->NotifyAll();
  }

 private:
  Mutex mutex_;
  Instant now_{.steady_ms = 1'000'000, .unix_ms = 1'700'000'000'000};
  CondVar* waiting_ = nullptr;
  Mutex* waiting_lock_ = nullptr;
};

}  // namespace lwq::coordinator::testing
