// SPDX-License-Identifier: Apache-2.0
#include "coordinator/web/connection_threads.h"

#include <utility>

namespace lwq::coordinator {

void ConnectionThreads::enqueue(std::function<void()> serve) {
  const MutexLock lock(&mutex_);
  waiting_.push_back(std::move(serve));
  if (idle_ < waiting_.size() && threads_.size() < most_) {
    threads_.emplace_back([this] { Loop(); });
  } else {
    wake_.NotifyAll();
  }
}

void ConnectionThreads::shutdown() {
  std::vector<std::thread> threads;
  {
    const MutexLock lock(&mutex_);
    stopping_ = true;
    threads.swap(threads_);
  }
  wake_.NotifyAll();
  for (std::thread& thread : threads) thread.join();
}

void ConnectionThreads::Loop() {
  while (true) {
    std::function<void()> serve;
    {
      MutexLock lock(&mutex_);
      ++idle_;
      wake_.Wait(lock, [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || !waiting_.empty(); });
      --idle_;
      if (waiting_.empty()) return;
      serve = std::move(waiting_.front());
      waiting_.pop_front();
    }
    serve();
  }
}

}  // namespace lwq::coordinator
