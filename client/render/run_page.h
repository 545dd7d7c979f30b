// SPDX-License-Identifier: Apache-2.0
// Runs and workers as text: what `lwq get`, `lwq list` and `lwq workers` print. Pure.
#pragma once

#include <string>
#include <vector>

#include "lwqat/v1/run.pb.h"
#include "lwqat/v1/run_service.pb.h"

namespace lwq::client {

// State, results, what was measured, a row per block and a row per task; tasks of sensitivity share one row, apart from
// those that failed.
std::string RenderRun(const lwqat::v1::Run& run, double now_unix_s);
std::string RenderRunList(const std::vector<lwqat::v1::Run>& runs, double now_unix_s);
std::string RenderWorkers(const lwqat::v1::ListWorkersResponse& workers);

}  // namespace lwq::client
