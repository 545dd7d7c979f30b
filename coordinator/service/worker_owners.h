// SPDX-License-Identifier: Apache-2.0
// Which worker was registered with which token: its id is no secret, so only who has the token may speak for it.
//
// What the loop has said once is remembered, since a worker's token never changes: a lease costs no look at the state.
// Thread-safety: any thread. The runtime must outlive this, and this every call.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>

#include "common/digest/digest.h"
#include "common/sync/mutex.h"
#include "coordinator/access/caller.h"
#include "coordinator/loop/runtime.h"

namespace lwq::coordinator {

class WorkerOwners {
 public:
  explicit WorkerOwners(Runtime* runtime) : runtime_(runtime) {}

  // Calls `then` with whether the caller may speak for the worker: OK also for one that nobody knows, which is the
  // scheduler's to say. At once where it is known, else on the loop's thread; UNAVAILABLE once the loop has ended.
  void Check(const Caller& caller, const std::string& worker_id, std::function<void(const Status& status)> then);
  void Note(const std::string& worker_id, const Digest& token_sha256);

 private:
  // Beyond so many, those of workers long gone are forgotten with all others, and asked for again.
  static constexpr size_t kMaxRemembered = 100'000;

  Runtime* const runtime_;
  Mutex mutex_;
  std::unordered_map<std::string, Digest> owners_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace lwq::coordinator
