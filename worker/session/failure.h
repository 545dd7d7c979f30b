// SPDX-License-Identifier: Apache-2.0
// Which failures are whose: from the status a task ended with to the cause the coordinator's retry table knows.
// Pure; one table, tested row by row.
#pragma once

#include "common/status/status.h"

namespace lwq::worker {

enum class FailureCause { kTask, kMemory, kInfrastructure, kInputLost, kDevice, kReleased };

// CANCELLED → released (drained or not wanted any more); RESOURCE_EXHAUSTED → memory, or infrastructure where a disk is
// full (out_of_storage.h); UNAVAILABLE, DEADLINE_EXCEEDED → infrastructure; NOT_FOUND, DATA_LOSS → an input is gone or
// damaged (the caller finds out which, and calls it the task's own fault when every input is intact); INTERNAL, UNKNOWN
// → the device, or what drives it, might be the reason: LibTorch's errors that nothing else explains; everything else →
// the task.
FailureCause CauseOf(const Status& status);

}  // namespace lwq::worker
