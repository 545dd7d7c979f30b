// SPDX-License-Identifier: Apache-2.0
// The scheduler's state after a restart, from what was stored. Pure.
#pragma once

#include "common/status/status.h"
#include "coordinator/scheduler/state/state.h"

namespace lwq::coordinator {

// DATA_LOSS naming what is inconsistent (a task without its run's definition, a result that is missing): better not to
// start than to forget work.
StatusOr<State> RestoreState(Records records, const SchedulerOptions& options, Instant now);

}  // namespace lwq::coordinator
