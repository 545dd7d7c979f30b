// SPDX-License-Identifier: Apache-2.0
// Which worker executed which task of a sweep when: how blocks were handed on, and where workers waited.
//
// In it is every distinct task that was executed for one of the runs, once, with the time of the attempt that
// succeeded. Not in it: tasks that all runs found done, attempts that failed, and tasks of coordinators that did not
// note times. Times are the coordinator's: a task ends when its report arrives and began its own seconds before. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "reporting/sweep/sweep_runs.h"

namespace lwq::reporting {

// What a task is for. The order is that of legends.
enum class TimelineGroup { kHandoff, kTraining, kSensitivity, kEvaluation, kOther };
std::string TimelineGroupName(TimelineGroup group);

struct TimelineTask {
  size_t worker = 0;  // in Timeline::workers
  TimelineGroup group = TimelineGroup::kOther;
  std::string title = {};
  std::string run = {};  // the name of the first run that has it
  double start = 0;      // seconds since Timeline::from_unix_s
  double end = 0;
};

struct TimelineWorker {
  std::string name = {};
  int64_t tasks = 0;
  double busy_seconds = 0;
  double first_start = 0;  // seconds since Timeline::from_unix_s
  double last_end = 0;
};

struct Timeline {
  double from_unix_s = 0;                    // when the first task began
  std::vector<TimelineWorker> workers = {};  // by name
  std::vector<TimelineTask> tasks = {};      // by start; the longest of them
  int64_t left_out = 0;                      // shorter ones
};

// So many a page can draw and hold.
inline constexpr size_t kMostTimelineTasks = 5000;

Timeline TimelineOf(const SweepRuns& sweep, size_t most_tasks = kMostTimelineTasks);

}  // namespace lwq::reporting
