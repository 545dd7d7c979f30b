// SPDX-License-Identifier: Apache-2.0
// What follows from a run's message alone: names of states, which tasks measure and which stand for a block, how long
// it has taken and may still take. For every view of runs. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lwqat/v1/run.pb.h"

namespace lwq::reporting {

// "running", "succeeded", …
std::string RunStateName(lwqat::v1::RunState state);
std::string TaskStateName(lwqat::v1::TaskState state);

// Runs and tasks that will not change any more.
bool IsTerminal(lwqat::v1::RunState state);
bool IsTerminal(lwqat::v1::TaskState state);

// PENDING or RUNNING: tasks of it may be begun.
bool IsActive(lwqat::v1::RunState state);

// Whether nothing happens to the run any more unless somebody asks for it: it is in a terminal state, or stopped by
// its sweep's halving for good.
bool HasEnded(const lwqat::v1::Run& run);

// Of a run that halving has stopped: "after 3 blocks, block_loss 0.0123"; "" of any other.
std::string StoppedText(const lwqat::v1::Run& run);

double UnixSeconds(const google::protobuf::Timestamp& time);

// The first 8 characters of a run's id.
std::string ShortId(const std::string& id);

// A task that measures sensitivity: of a kind that does nothing else, or one of pilot's short trainings.
bool IsSensitivityTask(const lwqat::v1::Task& task);
// The task that quantizes a block, or a unit of blocks, stands for it.
bool IsBlockTask(const lwqat::v1::Task& task);

// A task that measures what a model is worth.
bool IsEvaluationTask(const lwqat::v1::Task& task);

// The tasks that measure sensitivity, which are many and of interest only together.
struct TaskGroup {
  int total = 0;
  int done = 0;
  int running = 0;
  double seconds = 0;             // of those that are done, one after the other
  int64_t peak_memory_bytes = 0;  // the largest
};
TaskGroup SensitivityTasks(const lwqat::v1::Run& run);

// Whether blocks are trained in another order than that of depth.
bool IsReordered(const lwqat::v1::Plan& plan);

// Seconds from submission to the end, or to `now_unix_s` while it runs. 0 where the clocks disagree.
double ElapsedSeconds(const lwqat::v1::Run& run, double now_unix_s);

// Seconds of work left, from how long this run's finished tasks of each kind took and how many tasks run side by side;
// absent while nothing is known.
std::optional<double> EstimateSecondsLeft(const lwqat::v1::Run& run);

}  // namespace lwq::reporting
