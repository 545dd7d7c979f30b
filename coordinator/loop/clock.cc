// SPDX-License-Identifier: Apache-2.0
#include "coordinator/loop/clock.h"

#include <chrono>

namespace lwq::coordinator {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

}  // namespace

Instant SystemClock::Now() {
  return {.steady_ms = duration_cast<milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count(),
          .unix_ms = duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count()};
}

void SystemClock::Wait(MutexLock& lock, CondVar& wake, std::optional<int64_t> deadline_ms) {
  if (!deadline_ms.has_value()) {
    wake.Wait(lock);
    return;
  }
  wake.WaitUntil(lock, std::chrono::steady_clock::time_point(milliseconds(*deadline_ms)));
}

}  // namespace lwq::coordinator
