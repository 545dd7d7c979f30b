// SPDX-License-Identifier: Apache-2.0
// What a lease is called in the worker's log and in traces. The span of an attempt is named by the task and its token:
// whoever has the lease knows its id.
//
// Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/log/log.h"
#include "common/trace/span.h"
#include "lwqat/v1/worker_service.pb.h"
#include "worker/daemon/task_phases.h"

namespace lwq::worker {

// run, task (the first digits of its key), attempt and kind; with a trace trace_id and span_id.
LogFields FieldsOf(const lwqat::v1::Lease& lease);

// For calls about the attempt: the trace context whose parent is its span; "" where the lease is in no trace.
std::string TraceparentOf(const lwqat::v1::Lease& lease);

// The attempt and its phases; none where the trace is not recorded.
std::vector<Span> SpansOf(const lwqat::v1::Lease& lease, const lwqat::v1::ReportTaskRequest& report,
                          const TaskPhases& phases, int64_t begin_unix_ns, int64_t end_unix_ns);

}  // namespace lwq::worker
