// SPDX-License-Identifier: Apache-2.0
#include "worker/io/discarder.h"

namespace lwq {

Discarder::Discarder(ArtifactStore* store) : store_(store), thread_([this] { Loop(); }) {}

Discarder::~Discarder() {
  {
    const MutexLock lock(&mutex_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  thread_.join();
}

void Discarder::Discard(const std::vector<ArtifactRef>& artifacts) {
  {
    const MutexLock lock(&mutex_);
    for (const ArtifactRef& artifact : artifacts) {
      if (known_.insert(artifact.digest).second) waiting_.push_back(artifact);
    }
  }
  changed_.NotifyAll();
}

std::vector<Digest> Discarder::Deleted() {
  const MutexLock lock(&mutex_);
  return {deleted_.begin(), deleted_.end()};
}

void Discarder::Acknowledged(const std::vector<Digest>& artifacts) {
  const MutexLock lock(&mutex_);
  for (const Digest& artifact : artifacts) {
    if (deleted_.erase(artifact) > 0) known_.erase(artifact);
  }
}

void Discarder::AwaitIdle() {
  MutexLock lock(&mutex_);
  changed_.Wait(lock, [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return waiting_.empty(); });
}

void Discarder::Loop() {
  MutexLock lock(&mutex_);
  while (true) {
    changed_.Wait(lock, [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    const ArtifactRef artifact = waiting_.front();
    lock.Unlock();
    const Status status = store_->Delete(artifact);
    lock.Lock();
    waiting_.pop_front();
    if (status.ok()) {
      deleted_.insert(artifact.digest);
    } else {
      known_.erase(artifact.digest);
    }
    changed_.NotifyAll();
  }
}

}  // namespace lwq
