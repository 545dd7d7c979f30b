// SPDX-License-Identifier: Apache-2.0
// Repeats a call that may succeed when it is repeated, and knows when to stop.
//
// Which codes are repeated is one table (IsRetried). Waits grow from backoff_initial by factor 2 to backoff_max, each
// drawn between half and the whole of that (seeded, so a run of waits is reproducible); the time comes from no clock:
// the caller hands the function that waits, and may give the call up there.
//
// A budget keeps a store that is down from being hammered by everything at once: all calls of a Retrier take their
// repetitions from one purse, which holds budget_retries at first and at most, and into which each call that needed no
// further repetition puts back half a one. So a third of all attempts may fail for ever, and where all fail, calls soon
// fail at their first attempt.
//
// Thread-safety: any thread, if `wait` allows it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "absl/time/time.h"
#include "common/status/status.h"

namespace lwq {

struct RetryOptions {
  int attempts_max = 6;  // in all, the first included
  absl::Duration backoff_initial = absl::Milliseconds(50);
  absl::Duration backoff_max = absl::Seconds(5);
  uint64_t seed = 0;  // of the spread of the waits
  int budget_retries = 200;
};

// Whether repeating the same call can help. The table that decides it for every store.
bool IsRetried(absl::StatusCode code);

// Lets time pass between two attempts. Anything but OK ends the call with that status: the caller has to stop. Called
// from whatever thread makes the call.
using RetryWait = std::function<Status(absl::Duration)>;

// Sleeps the calling thread; OK.
Status WaitBySleeping(absl::Duration duration);

class Retrier {
 public:
  Retrier(const RetryOptions& options, RetryWait wait);

  // Calls until the answer is not one to retry, attempts or budget are spent, or the caller gives up. `was_ambiguous`
  // (may be null) is set when an earlier attempt failed in a way that may have taken effect.
  template <typename Call>
  auto Run(const Call& call, bool* was_ambiguous = nullptr) {
    for (int attempt = 1;; ++attempt) {
      auto answer = call();
      if (!IsRetried(internal::ToStatus(answer).code())) {
        PutBack();
        return answer;
      }
      if (was_ambiguous != nullptr) *was_ambiguous = true;
      if (attempt >= options_.attempts_max || !Take()) return answer;
      const Status waited = wait_(Backoff(attempt));
      if (!waited.ok()) return decltype(answer)(waited);
    }
  }

 private:
  absl::Duration Backoff(int attempt);
  bool Take();
  void PutBack();

  const RetryOptions options_;
  const RetryWait wait_;
  std::atomic<uint64_t> draws_{0};
  std::atomic<int64_t> halves_;  // of repetitions, in the purse
};

}  // namespace lwq
