// SPDX-License-Identifier: Apache-2.0
// The runs of a sweep file.
//
// Pure but for LoadSweep, which reads the file.
#pragma once

#include <string>
#include <vector>

#include "client/run_file/run_flags.h"
#include "client/run_file/run_request.h"
#include "client/run_file/sweep_file.h"
#include "common/status/status.h"
#include "common/sweep/sweep.h"

namespace lwq::client {

struct SweepRuns {
  std::string name;
  int64_t combinations = 0;          // of the axes, before conditions
  std::vector<SweepArm> arms;        // one for each run, in order
  std::vector<RunRequest> requests;  // complete; named by sweep and arm
  std::vector<std::string> remarks;
  std::optional<lwqat::v1::Halving> halving;
};

// Errors: those of ExpandSweep, with the file; those of CompleteRunRequest, with file and arm; arms that would put
// their exports into one folder.
StatusOr<SweepRuns> RunsOfSweep(const SweepFile& file, bool config_only = false);

// Reads the sweep file, takes the flags as part of its base (a flag for a key that an axis sets is refused; --name
// names the sweep), and expands it.
StatusOr<SweepRuns> LoadSweep(const std::string& path, const RunFlags& flags, bool config_only = false);

}  // namespace lwq::client
