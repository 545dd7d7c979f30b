// Answers that take long, computed one after another on a thread of their own, so that the loop only loops: it answers
// heartbeats within milliseconds whatever is asked.
//
// Thread-safety: Post may be called from any thread. Ownership: the runtime must outlive this. Not here: what is
// computed.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "coordinator/runtime/runtime.h"
#include "coordinator/scheduler/state_reader.h"

namespace lwq::coordinator {

class Background {
 public:
  // Called once, on the background's thread. Looks of the reader fail with UNAVAILABLE once the loop has ended.
  using Job = std::function<void(StateReader& reader)>;
  static constexpr size_t kMaxWaiting = 1000;

  explicit Background(Runtime* runtime);
  // Does what was posted before; quickly, where the runtime has been stopped.
  ~Background();

  // False: kMaxWaiting jobs wait already, and this one was not taken.
  [[nodiscard]] bool Post(Job job);

 private:
  void Work();

  Runtime* const runtime_;
  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<Job> jobs_;  // guarded by mutex_
  bool ending_ = false;   // guarded by mutex_
  std::thread thread_;    // last: it uses the rest
};

}  // namespace lwq::coordinator
