// SPDX-License-Identifier: Apache-2.0
// What a sweep would do before it is submitted, and what its runs share: a task that several of them need counts once.
// Nothing is changed.
//
// Where no worker is there yet that decides the classes, tasks are compared as if all runs were given the same.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "coordinator/scheduler/foresee/halved_preview.h"
#include "coordinator/scheduler/foresee/preview.h"
#include "coordinator/scheduler/state/events.h"

namespace lwq::coordinator {

struct SweepPreview {
  struct Counts {
    int64_t tasks = 0;     // of all runs, as if each were alone
    int64_t distinct = 0;  // executed once each
    int64_t known = 0;     // of those distinct: done or in flight for others
  };
  std::map<TaskKind, Counts> kinds;
  // Absent where the time of a task was never measured.
  std::optional<double> alone_device_seconds;  // of all runs, each alone and from nothing
  std::optional<double> device_seconds;        // of the distinct tasks that are not done
  // Of those on the workers that are here; absent also where they cannot be executed there, or are too many to
  // simulate.
  std::optional<double> estimated_seconds;
  std::optional<int64_t> peak_activation_bytes;  // makespan.h
  int growing_runs = 0;                          // count as far as their tasks are known
  std::vector<RunPreview> runs;                  // plans and counts of each, without estimates
  std::optional<HalvedPreview> halved;           // with halving; all else is of runs that are trained through
};

// Takes short looks at the state and plans, allocates and simulates between them. Errors as SubmitRuns, of the first
// run that is refused, and the reader's.
StatusOr<SweepPreview> PreviewSweep(StateReader& reader, std::span<const SubmitRun> runs);
// Of a sweep with halving, resolved or not. Errors also as ResolveHalving and CheckHalved.
StatusOr<SweepPreview> PreviewHalvedSweep(StateReader& reader, std::vector<SubmitRun> runs, SweepHalving halving);

}  // namespace lwq::coordinator
