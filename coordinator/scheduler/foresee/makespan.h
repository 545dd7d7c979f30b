// SPDX-License-Identifier: Apache-2.0
// How long a set of tasks takes on a set of workers: the scheduler itself (step.h) on virtual time, in which a worker
// reports each task after the seconds it is said to take.
//
// Pure; the state that is simulated is a fresh one. Deterministic. Not in it: failures, transfers, other runs.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "common/status/status.h"
#include "common/task/task_def.h"
#include "coordinator/scheduler/state/state.h"

namespace lwq::coordinator {

inline constexpr size_t kMaxSimulatedTasks = 10'000;
inline constexpr int kMaxSimulatedWorkers = 10'000;

struct TimedTask {
  Digest key;
  std::shared_ptr<const TaskDef> def;
  int depth = 1;
  int64_t memory_bytes = 0;
  double seconds = 0;
  int64_t activation_bytes = 0;  // of the activations it makes, if it makes any
};

struct Makespan {
  double seconds = 0;                 // when the last task ends
  int64_t peak_activation_bytes = 0;  // held at once at most, if each is deleted as soon as nobody needs it
};

// What comes of the tasks; they are one run's, in topological order, and nothing else runs. What they read of tasks
// that are not among them is there from the start. Ids and names of workers are not read. FAILED_PRECONDITION: a task
// fits none of the workers, or there are more tasks or workers than the limits above.
StatusOr<Makespan> SimulateMakespan(const std::vector<TimedTask>& tasks, const std::vector<WorkerRecord>& workers);

// The run's tasks with the times they were recorded with. FAILED_PRECONDITION: the run has not succeeded, or the result
// of a task is being made again.
StatusOr<std::vector<TimedTask>> RecordedTasks(const State& state, const RunEntry& run);

// How long they would have taken with this many workers, each executed once and by any worker equally fast.
// INVALID_ARGUMENT: a number of workers below 1 or above the limit; FAILED_PRECONDITION: too many tasks.
StatusOr<double> SecondsWithWorkers(const std::vector<TimedTask>& recorded, int workers);

}  // namespace lwq::coordinator
