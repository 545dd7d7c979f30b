// SPDX-License-Identifier: Apache-2.0
// How runs, tasks, plans, logs and workers look on the wire, read from the scheduler's state. Pure.
#pragma once

#include "coordinator/scheduler/foresee/explain.h"
#include "coordinator/scheduler/foresee/preview.h"
#include "coordinator/scheduler/state/state.h"
#include "coordinator/service/convert_spec.h"
#include "lwqat/v1/run.pb.h"
#include "lwqat/v1/run_service.pb.h"

namespace lwq::coordinator {

// A run with more tasks shows its first ones; the numbers count all.
inline constexpr size_t kMaxTasksShown = 5000;

void SetTime(int64_t unix_ms, google::protobuf::Timestamp* message);
wire::RunState ToWire(RunState state);
wire::TaskState ToWire(TaskState state);

void ToWire(const Plan& plan, const Recipe& recipe, wire::Plan* message);
void ToWire(const RunPreview& preview, wire::Plan* message);

// Without tasks (a line in a list) or with all of them.
void RunToWire(const State& state, const RunEntry& run, Instant now, bool with_tasks, wire::Run* message);
// The answer to what changed the run, without tasks. NOT_FOUND: it was deleted in the same commit.
Status AnswerRun(const State& state, const RunId& id, wire::Run* message);
// So many changed tasks are in a message about changes; more only where one revision has more. At ten messages a second
// it bounds what a watcher costs while tasks that do nothing go by.
inline constexpr size_t kMaxChangesShown = 200;
// What changed after the run's revision `since`, the tasks in the order of their changes. Returns the revision that the
// run is known up to by them: run.revision, or an earlier one where more changed than a message shows.
uint64_t ChangesToWire(const State& state, const RunEntry& run, Instant now, uint64_t since,
                       wire::WatchRunResponse* message);

// As WatchSweep and WatchRuns send it: of the plan the numbers alone, with the tasks that are being executed.
void RunOfSweepToWire(const State& state, const RunEntry& run, Instant now, wire::Run* message);

void ToWire(const Explanation& explanation, wire::ExplainRunsResponse* message);
// `task_key`: of the task that the line is about; "" = of none that the run has.
void ToWire(const LogRecord& line, const std::string& task_key, wire::LogLine* message);
void WorkerToWire(const State& state, const WorkerEntry& worker, Instant now, wire::WorkerInfo* message);

}  // namespace lwq::coordinator
