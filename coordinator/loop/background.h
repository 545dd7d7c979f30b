// SPDX-License-Identifier: Apache-2.0
// Work that takes long, done on threads of its own, so that the loop only loops: it answers heartbeats within
// milliseconds whatever is asked.
//
// Thread-safety: Post may be called from any thread. Ownership: the runtime must outlive this. Not here: what is
// computed.
#pragma once

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "common/sync/mutex.h"
#include "coordinator/loop/runtime.h"
#include "coordinator/scheduler/state/state_reader.h"

namespace lwq::coordinator {

struct BackgroundOptions {
  int threads = 1;
  // How much nicer than the loop's thread. Where processors are short, Linux gives one of nice n about 1.25^-n of what
  // the loop gets; elsewhere it is ignored.
  int nice = 0;
};

class Background {
 public:
  // Called once, on one of the background's threads. Looks of the reader fail with UNAVAILABLE once the loop has ended.
  using Job = std::function<void(StateReader& reader)>;
  static constexpr size_t kMaxWaiting = 1000;

  Background(Runtime* runtime, const BackgroundOptions& options);
  // Does what was posted before; quickly, where the runtime has been stopped.
  ~Background();

  // Jobs begin in the order they come. False: kMaxWaiting wait already, and this one was not taken.
  [[nodiscard]] bool Post(Job job);
  // Always taken: for what is bounded by other means, as the parts of a job are, or one job for each stream.
  void PostAnyway(Job job);

 private:
  void Work();

  Runtime* const runtime_;
  const int nice_;
  Mutex mutex_;
  CondVar posted_;
  std::deque<Job> jobs_ ABSL_GUARDED_BY(mutex_);
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;  // last: they use the rest
};

}  // namespace lwq::coordinator
