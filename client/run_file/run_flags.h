// SPDX-License-Identifier: Apache-2.0
// The keys of a run file as flags of a verb, and the runs that files and flags give together (flags win).
//
// The flags are made from run_fields.h; a relative path in a flag is relative to the current folder.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "client/run_file/run_request.h"
#include "common/status/status.h"

namespace lwq::client {

// What was given on the command line, filled while it is parsed.
struct RunFlags {
  std::vector<std::string> files;
  std::map<std::string, std::vector<std::string>> values;  // field → texts, none when not given
};

// Adds one flag per field, and (unless `max_files` is 0) the run files as positional arguments. The result must be kept
// until the line has been parsed.
std::shared_ptr<RunFlags> AddRunFlags(CLI::App* verb, int max_files);

// One request per run file, or one from flags alone; each complete (CompleteRunRequest). `config_only`: for a plan of a
// model that is not here yet.
StatusOr<std::vector<RunRequest>> LoadRuns(const RunFlags& flags, bool config_only = false);
// Only the flags' values on top of `request`.
Status ApplyFlags(const RunFlags& flags, RunRequest* request);

}  // namespace lwq::client
