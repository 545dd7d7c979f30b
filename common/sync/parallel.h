// SPDX-License-Identifier: Apache-2.0
// A few calls at once, and their first error.
//
// Thread-safety: any thread; `call` runs on the calling thread and on others that have ended when ParallelFor returns.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "common/status/status.h"
#include "common/sync/mutex.h"

namespace lwq {

// call(0) to call(count - 1), at most `width` at once. After an error none is begun any more; the error of the lowest
// number among those that failed is returned.
inline Status ParallelFor(int64_t count, int width, const std::function<Status(int64_t)>& call) {
  std::atomic<int64_t> next{0};
  Mutex mutex;
  Status error;
  int64_t failed_at = count;
  const auto work = [&] {
    for (int64_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) {
      const Status status = call(i);
      if (status.ok()) continue;
      next = count;
      const MutexLock lock(&mutex);
      if (i < failed_at) error = status;
      failed_at = std::min(failed_at, i);
    }
  };
  std::vector<std::thread> threads;
  for (int64_t i = 1; i < std::min<int64_t>(width, count); ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  return error;
}

}  // namespace lwq
