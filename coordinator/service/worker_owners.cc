// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/worker_owners.h"

#include <utility>

#include "coordinator/service/visible.h"

namespace lwq::coordinator {

void WorkerOwners::Check(const Caller& caller, const std::string& worker_id,
                         std::function<void(const Status& status)> then) {
  bool own = caller.anybody();
  if (!own) {
    const MutexLock lock(&mutex_);
    const auto found = owners_.find(worker_id);
    own = found != owners_.end() && found->second == caller.token_sha256();
  }
  if (own) return then(absl::OkStatus());
  runtime_->Read([this, caller, worker_id, then = std::move(then)](const State* state, Instant /*now*/) {
    if (state == nullptr) return then(Stopping());
    const Status status = CheckWorker(*state, caller, WorkerId{worker_id});
    if (status.ok() && state->workers.contains(WorkerId{worker_id})) Note(worker_id, caller.token_sha256());
    then(status);
  });
}

void WorkerOwners::Note(const std::string& worker_id, const Digest& token_sha256) {
  const MutexLock lock(&mutex_);
  if (owners_.size() >= kMaxRemembered) owners_.clear();
  owners_[worker_id] = token_sha256;
}

}  // namespace lwq::coordinator
