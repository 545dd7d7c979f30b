// SPDX-License-Identifier: Apache-2.0
// What the compute thread says about the task in hand and the heartbeat thread passes on: progress, log lines, whether
// the lease still holds. The border between the two threads. What it hands out may be sent as it is: stages and log
// lines are one line of valid UTF-8 each, whatever was put in.
//
// Thread-safety: any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/sync/mutex.h"
#include "worker/qat/api/execution.h"

namespace lwq::worker {

class TaskMonitor {
 public:
  struct Snapshot {
    std::string task_key;
    uint64_t token = 0;
    qat::Progress progress;
    std::vector<std::string> log_lines;
  };

  void Begin(const std::string& task_key, uint64_t token);
  void End();
  void SetProgress(const qat::Progress& progress);
  // Kept up to kMaxLogLines; the oldest go first.
  void Log(std::string_view text);

  // The task in hand, with the log lines since the last call; nothing when idle.
  std::optional<Snapshot> Take();
  // Lines not yet taken, for the final report.
  std::vector<std::string> TakeLog();
  // The lease of that task was lost: its computation stops. Ignored when another task is in hand.
  void CancelLease(const std::string& task_key, uint64_t token);
  // Whatever is in hand (drain deadline).
  void CancelCurrent();
  const qat::CancelToken& cancel() const { return cancel_; }

 private:
  static constexpr size_t kMaxLogLines = 200;
  Mutex mutex_;
  bool active_ ABSL_GUARDED_BY(mutex_) = false;
  Snapshot current_ ABSL_GUARDED_BY(mutex_);
  qat::CancelToken cancel_;
};

}  // namespace lwq::worker
