// SPDX-License-Identifier: Apache-2.0
// What a watcher of all runs is told after a revision: which runs changed, in the order of their changes, and which
// were deleted. A value.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "coordinator/scheduler/state/records.h"

namespace lwq::coordinator {

class RunNews {
 public:
  struct Deletion {
    uint64_t revision = 0;
    RunId run;
    int64_t sequence = 0;
    std::string project;
    friend bool operator==(const Deletion&, const Deletion&) = default;
  };
  // So many deletions are remembered; who knows less than that is told everything anew.
  static constexpr size_t kDeletionsKept = 1000;

  // The run's revision was `before` (0: it is new) and is `now`, which is later than every one there was.
  void Changed(const RunId& run, uint64_t before, uint64_t now);
  // `before`: the run's last revision.
  void Deleted(Deletion deletion, uint64_t before);

  // Every run by its revision.
  const std::map<uint64_t, RunId>& runs() const { return runs_; }
  // Oldest first.
  const std::deque<Deletion>& deletions() const { return deletions_; }
  // Whether all deletions after the revision are among deletions().
  bool KnowsAllAfter(uint64_t revision) const { return revision >= forgotten_; }

 private:
  std::map<uint64_t, RunId> runs_;
  std::deque<Deletion> deletions_;
  uint64_t forgotten_ = 0;  // revision of the latest deletion that is not remembered
};

}  // namespace lwq::coordinator
