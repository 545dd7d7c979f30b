#include "worker/io/discarder.h"

namespace lwq {

Discarder::Discarder(ArtifactStore* store) : store_(store), thread_([this] { Loop(); }) {}

Discarder::~Discarder() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Discarder::Discard(const std::vector<ArtifactRef>& artifacts) {
  {
    std::lock_guard lock(mutex_);
    for (const ArtifactRef& artifact : artifacts) {
      if (known_.insert(artifact.digest).second) waiting_.push_back(artifact);
    }
  }
  changed_.notify_all();
}

std::vector<Digest> Discarder::Deleted() {
  std::lock_guard lock(mutex_);
  return {deleted_.begin(), deleted_.end()};
}

void Discarder::Acknowledged(const std::vector<Digest>& artifacts) {
  std::lock_guard lock(mutex_);
  for (const Digest& artifact : artifacts) {
    if (deleted_.erase(artifact) > 0) known_.erase(artifact);
  }
}

void Discarder::AwaitIdle() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return waiting_.empty(); });
}

void Discarder::Loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    const ArtifactRef artifact = waiting_.front();
    lock.unlock();
    const Status status = store_->Delete(artifact);
    lock.lock();
    waiting_.pop_front();
    if (status.ok()) {
      deleted_.insert(artifact.digest);
    } else {
      known_.erase(artifact.digest);
    }
    changed_.notify_all();
  }
}

}  // namespace lwq
