// SPDX-License-Identifier: Apache-2.0
// Which runs a ListRuns asks for. Pure.
#pragma once

#include <functional>

#include "common/status/status.h"
#include "coordinator/service/visible.h"
#include "lwqat/v1/run_service.pb.h"

namespace lwq::coordinator {

using RunFilter = std::function<bool(const RunEntry& run)>;

// The request must outlive the filter. INVALID_ARGUMENT: a state that is none; NOT_FOUND: a sweep that is not there.
StatusOr<RunFilter> FilterOf(const State& state, const Caller& caller, const lwqat::v1::ListRunsRequest& request);

}  // namespace lwq::coordinator
