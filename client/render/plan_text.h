// A plan and a run as text: what `lwq plan`, `lwq get`, `lwq list` and `lwq workers` print. Pure.
#pragma once

#include <string>
#include <vector>

#include "lwqat/v1/run.pb.h"
#include "lwqat/v1/run_service.pb.h"

namespace lwq {

// The per-block table, then bits, sizes, tasks, memory and remarks.
std::string RenderPlan(const lwqat::v1::Plan& plan);
// State, tasks, results.
std::string RenderRun(const lwqat::v1::Run& run, double now_unix_s);
std::string RenderRunList(const std::vector<lwqat::v1::Run>& runs, double now_unix_s);
std::string RenderWorkers(const lwqat::v1::ListWorkersResponse& workers);

}  // namespace lwq
