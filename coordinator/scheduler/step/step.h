// SPDX-License-Identifier: Apache-2.0
// The scheduler: one event in, the changes, the answer and nothing else out.
//
// Decides when a task is ready, who executes it, what a failure means, when a run is over. The same function runs under
// the coordinator's loop, in unit tests and in the simulation.
//
// Requires of the caller: effects.changes are committed before the reply, or anything read from State since, leaves the
// process; a step whose changes cannot be committed must be the process's last. Time never goes backwards.
// Determinism: equal states, events and times give equal effects. Cost: a step looks at the tasks it changes and
// their neighbours, never at all tasks.
//
// Answers by event (status codes as the wire's, worker_service.proto and run_service.proto):
//   SubmitRun   RunReply; INVALID_ARGUMENT, FAILED_PRECONDITION, ALREADY_EXISTS (request_id with another spec)
//   SubmitRuns  RunsReply; as SubmitRun, of the first that is refused; INVALID_ARGUMENT (none, too many, an id twice)
//   CancelRun   RunReply; NOT_FOUND, INVALID_ARGUMENT
//   DeleteRun   DeleteReply; NOT_FOUND, INVALID_ARGUMENT, FAILED_PRECONDITION (it has not ended, and no force); of a
//               sweep DeleteSweep, all or none
//   RemakeArtifact  RunReply; NOT_FOUND, INVALID_ARGUMENT, FAILED_PRECONDITION
//   LoseArtifacts   LostReply
//   Register    RegisterReply; INVALID_ARGUMENT
//   LeaseTask   LeaseReply (empty: nothing fits now); NOT_FOUND
//   Heartbeat   HeartbeatReply; NOT_FOUND
//   ReportTask  LeaseReply (empty unless lease_next); ABORTED, NOT_FOUND
//   Release     WorkerReply; NOT_FOUND
//   Tick        nothing
#pragma once

#include <cstdint>
#include <optional>

#include "coordinator/scheduler/state/events.h"
#include "coordinator/scheduler/state/state.h"

namespace lwq::coordinator {

Effects Step(State& state, const Event& event, Instant now);

// When the next Tick is due, on the steady clock.
std::optional<int64_t> NextDeadline(const State& state);

}  // namespace lwq::coordinator
