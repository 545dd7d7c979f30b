// SPDX-License-Identifier: Apache-2.0
// Between WorkerService's messages and the scheduler's events. Pure; thread-safe.
// From the wire: INVALID_ARGUMENT naming the field.
#pragma once

#include "common/status/status.h"
#include "coordinator/scheduler/state/events.h"
#include "coordinator/service/convert_spec.h"
#include "lwqat/v1/worker_service.pb.h"

namespace lwq::coordinator {

StatusOr<RegisterWorker> FromWire(const wire::RegisterWorkerRequest& message);
StatusOr<Heartbeat> FromWire(const wire::HeartbeatRequest& message);
StatusOr<ReportTask> FromWire(const wire::ReportTaskRequest& message);

void ToWire(const Lease& lease, wire::Lease* message);
void ToWire(const HeartbeatReply& reply, wire::HeartbeatResponse* message);

// Milliseconds of a duration, clamped to [0, max_ms].
int64_t ClampedMs(const google::protobuf::Duration& duration, int64_t max_ms);
void SetDuration(int64_t ms, google::protobuf::Duration* message);

}  // namespace lwq::coordinator
