// SPDX-License-Identifier: Apache-2.0
// A run as an offline run of Weights & Biases, which `wandb sync FOLDER` uploads: a log of Record messages in LevelDB's
// framing, with a header of its own and plain CRC-32 where LevelDB has masked CRC-32C.
//
// Records: the run with its parameters, a history record a step with all series' points of it, the summary (which the
// service does not derive from history), the exit. Pure: equal runs, equal bytes.
#pragma once

#include <string>

#include "reporting/trackers/tracked_run.h"

namespace lwq::reporting {

// At offline-run-YYYYMMDD_HHMMSS-ID/run-ID.wandb. `project` is W&B's, made fit for a name.
TrackerFile WandbRun(const std::string& project, const TrackedRun& run);

}  // namespace lwq::reporting
