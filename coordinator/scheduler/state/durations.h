// SPDX-License-Identifier: Apache-2.0
// How long tasks take, learned from those that were executed: seconds per unit of work (plan/cost/task_costs.h), by
// kind and full numerics class. Kinds that are pinned to no class are learned over all workers.
//
// The rate is the sum of the seconds over the sum of the work: the order of what is learned does not matter, so that a
// restart, which learns from the stored results, comes to the same. Thread-safety: none.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "common/task/task_def.h"

namespace lwq::coordinator {

class Durations {
 public:
  // Ignores tasks whose work is 0: they say nothing about a rate.
  void Learn(TaskKind kind, const std::string& numerics_class, double work, double seconds);
  // Absent where no task of the kind was learned from on that class.
  std::optional<double> SecondsFor(TaskKind kind, const std::string& numerics_class, double work) const;

 private:
  struct Sums {
    double work = 0;
    double seconds = 0;
  };
  std::map<std::pair<TaskKind, std::string>, Sums> sums_;
};

}  // namespace lwq::coordinator
