// SPDX-License-Identifier: Apache-2.0
#include "coordinator/election/election.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"

namespace lwq::coordinator {

bool AwaitLead(LeadLease& lease, const std::function<void(const StatusOr<Lead>& lead)>& known,
               const std::function<bool()>& wait) {
  while (true) {
    const StatusOr<Lead> lead = lease.Take();
    if (lead.ok() && lead->own) return true;
    known(lead);
    if (!wait()) return false;
  }
}

LeaseKeeper::LeaseKeeper(std::unique_ptr<LeadLease> lease, std::chrono::milliseconds interval,
                         std::function<void()> lost)
    : lease_(std::move(lease)), interval_(interval), lost_(std::move(lost)), thread_([this] { Loop(); }) {}

LeaseKeeper::~LeaseKeeper() {
  Release();
}

void LeaseKeeper::Release() {
  {
    const MutexLock lock(&mutex_);
    if (stopping_) return;
    stopping_ = true;
    wake_.NotifyAll();
  }
  thread_.join();
  const Status released = lease_->Release();
  if (!released.ok()) spdlog::warn("cannot give up the lead: {}", std::string(MessageOf(released)));
}

Status LeaseKeeper::status() const {
  const MutexLock lock(&mutex_);
  return status_;
}

void LeaseKeeper::Loop() {
  bool failing = false;
  while (true) {
    {
      MutexLock lock(&mutex_);
      const bool stopping =
          wake_.WaitFor(lock, interval_, [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_; });
      if (stopping) return;
    }
    const StatusOr<Lead> lead = lease_->Renew();
    if (lead.ok() && !lead->own) {
      {
        const MutexLock lock(&mutex_);
        status_ =
            absl::AbortedError(absl::StrCat("another coordinator has taken over", lead->address.empty() ? "" : ", at ",
                                            lead->address, ", and this one must stop"));
      }
      return lost_();
    }
    if (!lead.ok() && !failing) spdlog::warn("cannot renew the lead: {}", std::string(MessageOf(lead.status())));
    failing = !lead.ok();
  }
}

}  // namespace lwq::coordinator
