// SPDX-License-Identifier: Apache-2.0
// How a coordinator comes to lead, and how it learns that it does no more.
//
// docs/adr/0045-standby.md.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <thread>

#include "common/sync/mutex.h"
#include "coordinator/election/lead_lease.h"

namespace lwq::coordinator {

// Asks for the lease until it is the candidate's: true. `known` is told before each wait who leads, or why that is not
// known; `wait` returns false when the candidate is to end: then false.
bool AwaitLead(LeadLease& lease, const std::function<void(const StatusOr<Lead>& lead)>& known,
               const std::function<bool()>& wait);

// Renews a lease that was taken, on a thread of its own. Thread-safety: any thread.
class LeaseKeeper {
 public:
  // `lost` is called once, on that thread, when another has the lease; a lease that cannot be renewed is tried again
  // after the next interval.
  LeaseKeeper(std::unique_ptr<LeadLease> lease, std::chrono::milliseconds interval, std::function<void()> lost);
  ~LeaseKeeper();
  LeaseKeeper(const LeaseKeeper&) = delete;
  LeaseKeeper& operator=(const LeaseKeeper&) = delete;

  // Ends the renewing, and the lease, so that the next may lead at once. Idempotent.
  void Release();
  // ABORTED, with who leads, once another has the lease.
  Status status() const;

 private:
  void Loop();

  const std::unique_ptr<LeadLease> lease_;  // the thread's until it has ended
  const std::chrono::milliseconds interval_;
  const std::function<void()> lost_;

  mutable Mutex mutex_;
  CondVar wake_;
  Status status_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace lwq::coordinator
