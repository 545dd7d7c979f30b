// SPDX-License-Identifier: Apache-2.0
// What halving leaves of a sweep's work. Which runs go on is not known before they are measured, and it decides what
// they share: so there are bounds, of runs that do not fail.
//
//   least  what every run does up to rung 0, and the rest of the run that adds least to that
//   most   what every run does up to rung 0, and at each further rung the runs that add most, but no more than all runs
//          together would
//
// Pure; thread-safety: values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "common/digest/digest.h"
#include "coordinator/graph/planned_task.h"
#include "coordinator/scheduler/state/sweep_halving.h"

namespace lwq::coordinator {

struct HalvedPreview {
  struct Rung {
    int64_t blocks = 0;
    int64_t runs = 0;  // trained for so many blocks: of a synchronous halving exactly, else at most
    friend bool operator==(const Rung&, const Rung&) = default;
  };
  std::vector<Rung> rungs;
  // Distinct tasks that quantize blocks: of all runs trained through, and with halving.
  int64_t trainings = 0;
  int64_t least_trainings = 0;
  int64_t most_trainings = 0;
  // Of the distinct tasks that are not done; absent where the time of a task was never measured.
  std::optional<double> least_device_seconds;
  std::optional<double> most_device_seconds;
};

// Adds up the tasks of the runs, one after the other.
class HalvedTotal {
 public:
  // Requires a checked rule.
  explicit HalvedTotal(const HalvingRule& rule);
  // `seconds` of the run's tasks, absent where one is not known; `done` counts no time.
  void Add(const std::vector<PlannedTask>& tasks, const std::optional<std::map<Digest, double>>& seconds,
           const std::set<Digest>& done);
  HalvedPreview Finish() const;

 private:
  struct Weight {
    double trainings = 0;
    double seconds = 0;
  };
  struct Bounds {
    double least = 0, most = 0, all = 0;
  };
  size_t RungOf(int64_t needs_blocks) const;
  Bounds BoundsOf(double Weight::*part) const;

  HalvingRule rule_;
  std::vector<HalvedPreview::Rung> rungs_;
  std::map<Digest, Weight> weights_;                      // of every task
  std::set<Digest> at_first_;                             // that some run does up to rung 0
  std::vector<std::vector<std::vector<Digest>>> by_run_;  // by run, then rung
  bool seconds_are_known_ = true;
};

}  // namespace lwq::coordinator
