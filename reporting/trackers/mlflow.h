// SPDX-License-Identifier: Apache-2.0
// Runs as a store of MLflow's files, which `mlflow migrate-filestore --source DIR --target …` takes into a database:
// one experiment, a run each.
//
// MLflow 3 reads such a store by that command alone, and a folder mlruns in the working directory makes it refuse to
// work: whoever writes these files keeps them from there. Pure: equal runs, equal bytes.
#pragma once

#include <string>
#include <vector>

#include "reporting/trackers/tracked_run.h"

namespace lwq::reporting {

// Below mlruns/. The same experiment's name, the same experiment.
std::vector<TrackerFile> MlflowStore(const std::string& experiment, const std::vector<TrackedRun>& runs);

}  // namespace lwq::reporting
