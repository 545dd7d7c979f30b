// SPDX-License-Identifier: Apache-2.0
// A mutex that Clang's thread-safety analysis knows (-Wthread-safety; scripts/lint), and what goes with it. Members
// that it guards say so: ABSL_GUARDED_BY(mutex_); functions that need it held: ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_).
//
// Over std::mutex, not absl::Mutex: waits with a timeout must go by the steady clock, which Debian 12's absl does not.
// Waits may return for no reason, as std::condition_variable's, unless they are given a predicate; the predicate is
// called with the mutex held, which the analysis cannot see: write ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) behind its
// parameters.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "absl/base/thread_annotations.h"

namespace lwq {

class ABSL_LOCKABLE Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  void Unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }

 private:
  friend class MutexLock;
  std::mutex mutex_;
};

// Holds the mutex while it lives, but between Unlock and Lock.
class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex* mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex), lock_(mutex->mutex_) {}
  ~MutexLock() ABSL_UNLOCK_FUNCTION() {}
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  void Unlock() ABSL_UNLOCK_FUNCTION() { lock_.unlock(); }
  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { lock_.lock(); }
  Mutex* mutex() const { return mutex_; }

 private:
  friend class CondVar;
  Mutex* const mutex_;
  std::unique_lock<std::mutex> lock_;
};

// Requires of every wait: `lock` is held; it is when the call returns.
class CondVar {
 public:
  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

  void Wait(MutexLock& lock) { condition_.wait(lock.lock_); }
  void WaitUntil(MutexLock& lock, std::chrono::steady_clock::time_point deadline) {
    condition_.wait_until(lock.lock_, deadline);
  }
  template <typename Predicate>
  void Wait(MutexLock& lock, Predicate predicate) {
    condition_.wait(lock.lock_, predicate);
  }
  // Whether the predicate is true at the end.
  template <typename Predicate>
  bool WaitFor(MutexLock& lock, std::chrono::milliseconds timeout, Predicate predicate) {
    return condition_.wait_for(lock.lock_, timeout, predicate);
  }

 private:
  std::condition_variable condition_;
};

}  // namespace lwq
