// SPDX-License-Identifier: Apache-2.0
// The one way to stop what a verb is doing: Ctrl-C, SIGTERM, or a cause found inside the program.
//
// Waits and calls in flight end at once: waits because they wait here, calls because they hold a Hook that cancels
// them. Thread-safety: all methods from any thread. Raise is not async-signal-safe; InstallSignalHandlers does the
// crossing.
#pragma once

#include <chrono>
#include <functional>
#include <map>

#include "common/status/status.h"
#include "common/sync/mutex.h"

namespace lwq::client {

class Interrupt {
 public:
  Interrupt() = default;
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // The first reason stays; every call counts and runs the hooks again.
  void Raise(const Status& reason);
  // The same for a cause found inside the program: nothing when it was raised before, so that only a person's second
  // wish counts as one.
  void RaiseOnce(const Status& reason);
  bool raised() const;
  // How often Raise was called: the second Ctrl-C means "now".
  int count() const;
  // OK until raised, then the reason.
  Status reason() const;
  // Sleeps unless or until raised. True when raised.
  bool WaitFor(std::chrono::milliseconds duration);

  // Calls `action` at every Raise while it lives, and at once when it was raised before. The destructor waits for an
  // action that is running.
  class Hook {
   public:
    Hook(Interrupt* interrupt, std::function<void()> action);
    ~Hook();
    Hook(const Hook&) = delete;
    Hook& operator=(const Hook&) = delete;

   private:
    Interrupt* interrupt_;
    int id_;
  };

 private:
  void Raise(const Status& reason, int count_max);

  mutable Mutex mutex_;
  CondVar changed_;
  Mutex hooks_mutex_;  // held while hooks run; taken before mutex_, never after
  std::map<int, std::function<void()>> hooks_ ABSL_GUARDED_BY(hooks_mutex_);
  int next_hook_ ABSL_GUARDED_BY(hooks_mutex_) = 0;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
  Status reason_ ABSL_GUARDED_BY(mutex_);
};

// The reason of a Ctrl-C: ends with exit code 130.
Status InterruptedByUser();

// SIGINT and SIGTERM raise `interrupt` (which must live as long as the process); SIGPIPE is ignored. Starts a thread.
Status InstallSignalHandlers(Interrupt* interrupt);

}  // namespace lwq::client
