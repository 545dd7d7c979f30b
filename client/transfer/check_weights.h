// SPDX-License-Identifier: Apache-2.0
// The last look at a run's model before anything of it is uploaded: are all of its weights numbers?
#pragma once

#include <vector>

#include "client/base/interrupt.h"
#include "client/transfer/upload_run.h"
#include "common/status/status.h"

namespace lwq::client {

// Reads the models of all runs, each once. FAILED_PRECONDITION, with the run's origin and exit code 2, naming the
// tensor that is not; `interrupt`'s reason once it has been raised. A run without weights here (a noop, a plan of a
// config.json alone) passes.
Status CheckWeights(const std::vector<CheckedRun>& runs, const Interrupt& interrupt);

}  // namespace lwq::client
