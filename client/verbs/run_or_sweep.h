// SPDX-License-Identifier: Apache-2.0
// Verbs that take runs and sweeps alike: an id is looked for among the runs, then among the sweeps.
#pragma once

#include <functional>
#include <string>

#include "client/verbs/run_options.h"

namespace lwq::client {

void AddRunsOrSweeps(CLI::App* verb, std::vector<std::string>* ids);

// NOT_FOUND, in words.
Status NeitherRunNorSweep(const std::string& id);

// Calls one of the two for each id and prints a line for each run, or JSON {"runs": […]} with "sweeps" where there are
// some. `say` makes the line's end of a run's state and whether it is paused. NOT_FOUND: neither a run nor a sweep has
// the id.
StatusOr<ExitCode> ForRunsOrSweeps(const CliContext& context, const RunIdOptions& options,
                                   const std::function<StatusOr<lwqat::v1::Run>(const std::string& id)>& of_run,
                                   const std::function<StatusOr<lwqat::v1::Sweep>(const std::string& id)>& of_sweep,
                                   const std::function<std::string(lwqat::v1::RunState state, bool paused)>& say);

}  // namespace lwq::client
