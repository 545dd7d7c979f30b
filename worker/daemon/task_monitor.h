// SPDX-License-Identifier: Apache-2.0
// What the compute thread says about the task in hand and the heartbeat thread passes on: progress, log lines, whether
// the lease still holds. The border between the two threads. What it hands out may be sent as it is: stages and log
// lines are one line of valid UTF-8 each, whatever was put in.
//
// Lines are numbered within the attempt, from 0, and kept until they are known to have arrived. The compute thread
// never waits for that: of more than kMaxLogLines that have not, the oldest go, and the gap in the numbers tells how
// many.
//
// Thread-safety: any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/artifact/artifact.h"
#include "common/log/log.h"
#include "common/sync/mutex.h"
#include "worker/qat/api/execution.h"

namespace lwq::worker {

class TaskMonitor final : public LogTap {
 public:
  // What of a coordinator's message the lines may be.
  static constexpr size_t kMaxLogLines = 200;

  struct Lines {
    int64_t first = 0;  // number of the first
    std::vector<std::string> lines;
    int64_t end() const { return first + static_cast<int64_t>(lines.size()); }
  };
  // The last that the attempt has stored.
  struct Checkpoint {
    ArtifactRef artifact;
    int64_t step = 0;
    int64_t steps = 0;
  };
  struct Snapshot {
    std::string task_key;
    uint64_t token = 0;
    LogFields fields;         // of what is logged about it
    std::string traceparent;  // of the span that it is; "" = none
    qat::Progress progress;
    std::optional<Checkpoint> checkpoint = std::nullopt;
    Lines log;  // that are not known to have arrived
  };

  void Begin(const std::string& task_key, uint64_t token, LogFields fields = {}, std::string traceparent = {});
  void End();
  void SetProgress(const qat::Progress& progress);
  void SetCheckpoint(const Checkpoint& checkpoint);
  // Kept for the coordinator, with the level in front where it is not "info".
  void OnLine(std::string_view level, std::string_view message) override;

  // The task in hand; nothing when idle.
  std::optional<Snapshot> Look() const;
  // Lines of that lease with numbers before `end` have arrived. Ignored when another task is in hand.
  void Delivered(const std::string& task_key, uint64_t token, int64_t end);
  // For the final report: those that are not known to have arrived.
  Lines LinesLeft() const;
  std::optional<Checkpoint> LastCheckpoint() const;
  // The lease of that task was lost: its computation stops. Ignored when another task is in hand.
  void CancelLease(const std::string& task_key, uint64_t token);
  // Whatever is in hand (drain deadline).
  void CancelCurrent();
  const qat::CancelToken& cancel() const { return cancel_; }
  // The worker is to end: a task that can be saved is to be saved and given back. For the rest of the process.
  void Drain() { draining_ = true; }
  bool draining() const { return draining_; }

 private:
  Lines LinesLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  bool active_ ABSL_GUARDED_BY(mutex_) = false;
  Snapshot current_ ABSL_GUARDED_BY(mutex_);  // without its lines
  std::deque<std::string> lines_ ABSL_GUARDED_BY(mutex_);
  int64_t first_line_ ABSL_GUARDED_BY(mutex_) = 0;
  qat::CancelToken cancel_;
  std::atomic<bool> draining_ = false;
};

}  // namespace lwq::worker
