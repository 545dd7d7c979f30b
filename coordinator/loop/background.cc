// SPDX-License-Identifier: Apache-2.0
#include "coordinator/loop/background.h"

#include <unistd.h>

#include <future>
#include <memory>
#include <utility>

namespace lwq::coordinator {
namespace {

// A look waits for its turn on the loop's thread.
class LoopReader : public StateReader {
 public:
  explicit LoopReader(Runtime* runtime) : runtime_(runtime) {}

  Status Look(absl::FunctionRef<void(const State& state)> look) override {
    // Shared: this thread may go on while the loop's is still inside set_value.
    const auto done = std::make_shared<std::promise<Status>>();
    runtime_->Read([done, look](const State* state, Instant) {
      if (state != nullptr) look(*state);
      done->set_value(state != nullptr ? absl::OkStatus() : Stopping());
    });
    return done->get_future().get();
  }

 private:
  Runtime* const runtime_;
};

}  // namespace

Background::Background(Runtime* runtime, const BackgroundOptions& options) : runtime_(runtime), nice_(options.nice) {
  for (int i = 0; i < options.threads; ++i) threads_.emplace_back([this] { Work(); });
}

Background::~Background() {
  {
    const MutexLock lock(&mutex_);
    ending_ = true;
  }
  posted_.NotifyAll();
  for (std::thread& thread : threads_) thread.join();
}

bool Background::Post(Job job) {
  {
    const MutexLock lock(&mutex_);
    if (jobs_.size() >= kMaxWaiting) return false;
    jobs_.push_back(std::move(job));
  }
  posted_.NotifyOne();
  return true;
}

void Background::PostAnyway(Job job) {
  {
    const MutexLock lock(&mutex_);
    jobs_.push_back(std::move(job));
  }
  posted_.NotifyOne();
}

void Background::Work() {
#ifdef __linux__
  // Of the calling thread alone, there, and never refused.
  if (nice_ != 0) [[maybe_unused]]
    const int priority = nice(nice_);
#endif
  LoopReader reader(runtime_);
  MutexLock lock(&mutex_);
  while (true) {
    posted_.Wait(lock, [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return ending_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.Unlock();
    job(reader);
    lock.Lock();
  }
}

}  // namespace lwq::coordinator
