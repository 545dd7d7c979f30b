// SPDX-License-Identifier: Apache-2.0
// A thread for each connection that is open, made when it is needed: streams last for hours, and each holds its thread.
// Beyond the most there may be, connections wait.
#pragma once

#include <httplib.h>

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "common/sync/mutex.h"

namespace lwq::coordinator {

class ConnectionThreads final : public httplib::TaskQueue {
 public:
  explicit ConnectionThreads(size_t most) : most_(most) {}
  ~ConnectionThreads() override { shutdown(); }

  void enqueue(std::function<void()> serve) override;
  // Ends once all that was taken has been served.
  void shutdown() override;

 private:
  void Loop();

  const size_t most_;
  Mutex mutex_;
  CondVar wake_;
  std::deque<std::function<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
  size_t idle_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace lwq::coordinator
