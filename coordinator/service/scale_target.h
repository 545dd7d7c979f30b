// SPDX-License-Identifier: Apache-2.0
// A pool of workers as the metadata of a KEDA trigger describes it (proto/keda/external_scaler.proto). Pure;
// thread-safe.
#pragma once

#include <map>
#include <string>

#include "common/status/status.h"
#include "coordinator/scheduler/foresee/runnable_work.h"

namespace lwq::coordinator {

struct ScaleTarget {
  Pool pool;
  double device_seconds = 0;  // for so much work there is to be one worker
};

// INVALID_ARGUMENT names the key that is missing or wrong. Keys that are not ours are ignored: KEDA sends its own
// along.
StatusOr<ScaleTarget> ParseScaleTarget(const std::map<std::string, std::string>& metadata);

// What KEDA divides by `device_seconds` to get the number of workers: the work that waits, and a whole worker's share
// for each that is busy, so that nobody is taken from its task, and for a run that waits for the pool's first.
double MetricOf(const RunnableWork& work, const ScaleTarget& target);

// Of RunnableWorkFor: no pool has more workers.
double MostSeconds(const ScaleTarget& target);

}  // namespace lwq::coordinator
