// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/durations.h"

#include <cmath>

namespace lwq::coordinator {

void Durations::Learn(TaskKind kind, const std::string& numerics_class, double work, double seconds) {
  if (!(work > 0) || !(seconds >= 0) || !std::isfinite(work) || !std::isfinite(seconds)) return;
  Sums& sums = sums_[{kind, numerics_class}];
  sums.work += work;
  sums.seconds += seconds;
}

std::optional<double> Durations::SecondsFor(TaskKind kind, const std::string& numerics_class, double work) const {
  const auto sums = sums_.find({kind, numerics_class});
  if (sums == sums_.end()) return std::nullopt;
  return work * sums->second.seconds / sums->second.work;
}

}  // namespace lwq::coordinator
