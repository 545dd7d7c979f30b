// SPDX-License-Identifier: Apache-2.0
// Keeps the indexes of State equal to what its records say: one pair of functions, called around every change of a
// task. Pure on State; no decisions here.
#pragma once

#include <cstdint>

#include "coordinator/scheduler/state/state.h"

namespace lwq::coordinator {

// Enters the task into the indexes its state belongs to: READY → queue, if it may be begun for somebody (or the delayed
// set until not_before_ms),
// READY and LEASED → owner of its action, LEASED → the lease of its worker, or of both, SUCCEEDED → users of its
// action.
void IndexTask(State& state, TaskEntry& task);
// Takes it out of all of them.
void UnindexTask(State& state, TaskEntry& task);

// Whether the task at that position may be begun for the run: it is not paused, and may train the blocks that the task
// is needed for.
inline bool MayBegin(const RunEntry& run, size_t position) {
  return !run.record.paused && run.tasks[position].needs_blocks <= run.promoted_blocks;
}

// Where the task is queued for those of the runs that want it, or wait for its action, for which it may be begun: as
// urgently as for the first of them, for whose project it is. None: it is not to be begun.
std::optional<ReadyQueue::Place> PlaceOf(const State& state, const TaskEntry& task);
// Puts the task in its place in the queue after who wants it has changed, or that of the task whose action it waits
// for.
void RequeueTask(State& state, TaskEntry& task);

// Notes the task as a consumer of the tasks that make its inputs, which must exist.
void LinkConsumers(State& state, const TaskRecord& task);

void SetWorkerDeadline(State& state, WorkerEntry& worker, int64_t deadline_ms);
// Enters the worker into State::here, or takes it out, as it is now.
void CountWorker(State& state, WorkerEntry& worker);
// Takes it out whatever it is.
void UncountWorker(State& state, WorkerEntry& worker);

// 0: none.
void SetExecutionDeadline(State& state, TaskEntry& task, int64_t deadline_ms);
// When the LEASED task becomes a straggler; 0: it is none and does not become one.
void SetStragglerTime(State& state, TaskEntry& task, int64_t time_ms);
// Those whose time has come are stragglers.
void NoteStragglers(State& state, int64_t now_ms);

}  // namespace lwq::coordinator
