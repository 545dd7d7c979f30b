// SPDX-License-Identifier: Apache-2.0
// Deletes from the object store what the coordinator has given up, beside everything else the worker does.
//
// The coordinator names an artifact in every answer to a heartbeat until it has heard that it is gone; the same name
// again is the same job. What could not be deleted is left until it is named again. Deletions go one by one, on a
// thread of the discarder's own; heartbeats and tasks never wait for them.
//
// Thread-safety: any thread. Ownership: the store must outlive it. Destruction waits for the deletion in hand and
// leaves the rest to whoever is told next.
#pragma once

#include <deque>
#include <set>
#include <thread>
#include <vector>

#include "common/artifact/artifact.h"
#include "common/sync/mutex.h"

namespace lwq {

class Discarder {
 public:
  explicit Discarder(ArtifactStore* store);
  ~Discarder();

  void Discard(const std::vector<ArtifactRef>& artifacts);
  // Gone from the store, and the coordinator may not know yet.
  std::vector<Digest> Deleted();
  // The coordinator knows.
  void Acknowledged(const std::vector<Digest>& artifacts);
  // Returns when nothing is waiting or in hand.
  void AwaitIdle();

 private:
  void Loop();

  ArtifactStore* const store_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<ArtifactRef> waiting_ ABSL_GUARDED_BY(mutex_);  // the first is in hand
  std::set<Digest> known_ ABSL_GUARDED_BY(mutex_);           // waiting, in hand, or deleted and not acknowledged
  std::set<Digest> deleted_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace lwq
