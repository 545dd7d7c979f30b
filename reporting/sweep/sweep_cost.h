// SPDX-License-Identifier: Apache-2.0
// What a sweep's tasks cost in device-seconds, and who shares them. A task's name is its key: a task that several runs
// have was computed once and counts once, however many runs list it. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "reporting/sweep/arms.h"

namespace lwq::reporting {

struct ArmCost {
  int64_t tasks = 0;          // distinct keys that its runs have
  int64_t shared_tasks = 0;   // of these, how many another arm has, too
  double own_seconds = 0;     // of tasks that no other arm has
  double shared_seconds = 0;  // of tasks that other arms have, too, in full
  // own_seconds, and of each shared task an equal part for each arm that has it: these add up to the sweep's total.
  double fair_seconds = 0;
  // What making one of its models takes by itself, whoever else shares it: everything but evaluations. Device-seconds,
  // the mean over its runs, and the largest peak of the tensors of a task.
  double making_seconds = 0;
  int64_t making_peak_bytes = 0;
};

struct WorkerCost {
  std::string worker = {};
  int64_t tasks = 0;
  double seconds = 0;
};

struct SweepCost {
  int64_t runs_tasks = 0;    // tasks of all runs, one by one
  int64_t tasks = 0;         // distinct keys among them
  double apart_seconds = 0;  // what the runs would cost if nothing were shared
  double total_seconds = 0;  // each distinct task once
  // Of these, tasks that every run found done: an earlier run, or another plan with equal bytes, had computed them.
  int64_t reused_tasks = 0;
  double reused_seconds = 0;
  std::vector<ArmCost> arms = {};        // as SweepArms::arms
  std::vector<WorkerCost> workers = {};  // by name: who computed what was not reused
};

// Tasks that took no time, or none yet, cost nothing; attempts that failed are not recorded and not counted.
SweepCost CostOf(const SweepRuns& sweep, const std::vector<Arm>& arms);

}  // namespace lwq::reporting
