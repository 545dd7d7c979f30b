// SPDX-License-Identifier: Apache-2.0
// Checkpoints of the task of one lease (docs/checkpoints.md): reads the one that the lease names, decides when the next
// is due, stores it, and hands its name to the monitor, whose heartbeats carry it to the coordinator.
//
// When the worker drains, the task is saved before its next step and ends CANCELLED, so that it is given back; where it
// could not be saved it goes on, as tasks do that cannot be saved. Compute thread only.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "common/artifact/artifact.h"
#include "lwqat/v1/worker_service.pb.h"
#include "worker/daemon/task_monitor.h"
#include "worker/qat/api/checkpoints.h"
#include "worker/session/checkpoint_timer.h"

namespace lwq::worker {

// For metrics.
struct CheckpointEvent {
  // "saved", "failed" (to be saved), "gone_on" (from one), "refused" (to go on from one).
  std::string_view what;
  double seconds = 0;  // that saving took
  int64_t bytes = 0;   // that were saved
};
using CheckpointObserver = std::function<void(const CheckpointEvent&)>;

class LeaseCheckpoints final : public qat::Checkpoints {
 public:
  // All must outlive this object; `observe` may be null. `now` is a steady clock in seconds.
  LeaseCheckpoints(const lwqat::v1::Lease& lease, const CheckpointStamp& stamp, ArtifactStore* store,
                   CheckpointTimer* timer, TaskMonitor* monitor, CheckpointObserver observe,
                   std::function<double()> now);

  // Of this lease, at step 0. INVALID_ARGUMENT for keys that are not digests.
  static StatusOr<CheckpointStamp> StampOf(const lwqat::v1::Lease& lease);

  StatusOr<std::optional<CheckpointReader>> Earlier() override;
  void GoesOnFrom(const CheckpointStamp& stamp) override;
  void Refused(const Status& reason) override;
  Status AtStep(int64_t step, int64_t steps, SaveState save) override;

  // What attempts before took up to the checkpoint that this one went on from.
  double seconds_before() const { return seconds_before_; }

 private:
  void Save(int64_t step, int64_t steps, SaveState save);
  StatusOr<ArtifactRef> Store(const CheckpointStamp& stamp, SaveState save);
  void Observe(const CheckpointEvent& event) const;

  const lwqat::v1::Lease& lease_;
  const CheckpointStamp stamp_;
  ArtifactStore* store_;
  CheckpointTimer* timer_;
  TaskMonitor* monitor_;
  const CheckpointObserver observe_;
  const std::function<double()> now_;
  const double began_;
  double seconds_before_ = 0;
  int64_t newest_step_ = 0;   // of what a later attempt would go on from
  bool last_failed_ = false;  // the last could not be stored
};

}  // namespace lwq::worker
