// SPDX-License-Identifier: Apache-2.0
// A task's phases, as its progress tells them: for its log and its spans. A phase lasts as long as the stage stays the
// same and its steps go on: training, validating, training again are three. It begins with the last report of the one
// before, the first with its own first report, and ends with its last.
//
// Pure: times are the caller's. Thread-safety: none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "worker/qat/api/execution.h"

namespace lwq::worker {

class TaskPhases {
 public:
  // Later ones are counted alone.
  static constexpr size_t kMaxPhases = 128;

  struct Phase {
    std::string name;  // "train"
    int64_t begin_unix_ns = 0;
    int64_t end_unix_ns = 0;
    int64_t step = 0;   // the last that it told of
    int64_t steps = 0;  // of how many; 0: not known
    double loss = 0;    // NaN where it has none
  };

  // What the log is told, if anything: how far a long phase is, about twice a minute and less often the longer the task
  // takes; how long a phase took that has ended, unless it was less than a second, and where it was then.
  std::optional<std::string> OnProgress(const qat::Progress& progress, int64_t now_unix_ns);
  // The task has ended: so has its phase.
  std::optional<std::string> End();

  // In order, those that have ended.
  const std::vector<Phase>& phases() const { return phases_; }
  int64_t left_out() const { return left_out_; }

 private:
  // Requires an open one.
  std::optional<std::string> Close();

  std::vector<Phase> phases_;
  int64_t left_out_ = 0;
  std::optional<Phase> open_;
  int64_t first_unix_ns_ = 0;  // of the reports; 0 = none yet
  int64_t last_unix_ns_ = 0;
  int64_t told_unix_ns_ = 0;
};

}  // namespace lwq::worker
