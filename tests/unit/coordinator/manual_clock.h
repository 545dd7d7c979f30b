// A clock that a test moves. Waits end when the test moves it past their deadline, or when they are woken.
#pragma once

#include <mutex>

#include "coordinator/runtime/clock.h"

namespace lwq::coordinator::testing {

class ManualClock : public Clock {
 public:
  Instant Now() override {
    std::lock_guard lock(mutex_);
    return now_;
  }

  void Wait(std::unique_lock<std::mutex>& lock, std::condition_variable& wake,
            std::optional<int64_t> deadline_ms) override {
    {
      std::lock_guard guard(mutex_);
      if (deadline_ms.has_value() && *deadline_ms <= now_.steady_ms) return;
      waiting_ = &wake;
      waiting_lock_ = lock.mutex();
    }
    wake.wait(lock);
    std::lock_guard guard(mutex_);
    waiting_ = nullptr;
  }

  void Advance(int64_t ms) {
    std::condition_variable* wake = nullptr;
    std::mutex* waiting_lock = nullptr;
    {
      std::lock_guard lock(mutex_);
      now_.steady_ms += ms;
      now_.unix_ms += ms;
      wake = waiting_;
      waiting_lock = waiting_lock_;
    }
    if (wake == nullptr) return;
    // Under the waiter's own lock, so that the wake cannot fall between its look at the clock and its wait.
    std::lock_guard lock(*waiting_lock);
    wake->notify_all();
  }

 private:
  std::mutex mutex_;
  Instant now_{.steady_ms = 1'000'000, .unix_ms = 1'700'000'000'000};
  std::condition_variable* waiting_ = nullptr;
  std::mutex* waiting_lock_ = nullptr;
};

}  // namespace lwq::coordinator::testing
