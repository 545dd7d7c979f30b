// SPDX-License-Identifier: Apache-2.0
// Runs on a cluster of this machine, from start to end: what `lwq local` does, and `lwq eval` without a coordinator.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "client/pipeline/run_pipeline.h"
#include "client/run_file/sweep_runs.h"
#include "client/verbs/verb.h"

namespace lwq::client {

struct LocalSessionOptions {
  std::string state;   // "": a temporary one, removed at the end
  std::string output;  // exports go to OUTPUT/<run's name>; "": STATE/exports; a run's own save_quant_dir wins
  bool fetch = true;
  // Brings more of a run that succeeded; absent: nothing.
  std::function<Status(const lwqat::v1::Run& run, ObjectStore* objects)> also_fetch = nullptr;
  bool json = false;  // progress goes to standard error
  ClusterFlags cluster;
  std::string binary_directory;
};

// Runs among those of a session that are submitted together, as a sweep: `sweep` has an arm for each, and no requests.
struct LocalSweep {
  size_t first = 0;
  SweepRuns sweep;
};

// Starts the cluster, submits the runs (or goes on with those that an earlier session left unfinished), shows their
// progress, fetches exports and stops the cluster. The runs as they ended. Errors: as the parts'; when
// interrupted CANCELLED (exit code 130), with a line that says how to resume.
StatusOr<Runs> RunLocalSession(const CliContext& context, const LocalSessionOptions& options,
                               const std::vector<RunRequest>& requests, const std::vector<LocalSweep>& sweeps = {});

}  // namespace lwq::client
