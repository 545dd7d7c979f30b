// SPDX-License-Identifier: Apache-2.0
// A decorator that repeats what may succeed when repeated.
//
// Which codes are repeated is one table (IsRetried). Waits grow from backoff_initial by factor 2 to backoff_max, each
// drawn between half and the whole of that (seeded, so a run of waits is reproducible); the time comes from no clock:
// the caller hands the function that waits, and may give the call up there.
//
// A write that answers UNAVAILABLE may have happened. So a conditional write that later finds the key taken compares:
// if the object holds exactly the bytes being written, the write was ours (or its twin's, which is the same object) and
// is OK.
//
// Thread-safety: any thread, if the store and `wait` allow it. The inner store is owned.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/time/time.h"
#include "common/object_store/object_store.h"

namespace lwq {

struct RetryOptions {
  int attempts_max = 6;  // in all, the first included
  absl::Duration backoff_initial = absl::Milliseconds(50);
  absl::Duration backoff_max = absl::Seconds(5);
  uint64_t seed = 0;  // of the spread of the waits
};

// Whether repeating the same call can help. The table that decides it for every store.
bool IsRetried(absl::StatusCode code);

// Lets time pass between two attempts. Anything but OK ends the call with that status: the caller has to stop. Called
// from whatever thread calls the store.
using RetryWait = std::function<Status(absl::Duration)>;

// Sleeps the calling thread; OK.
Status WaitBySleeping(absl::Duration duration);

std::unique_ptr<ObjectStore> MakeRetryStore(std::unique_ptr<ObjectStore> inner, const RetryOptions& options,
                                            RetryWait wait = WaitBySleeping);

}  // namespace lwq
