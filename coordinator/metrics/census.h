// SPDX-License-Identifier: Apache-2.0
// The state in numbers, as metrics show it: what waits and why, what is executed, who is there. Pure on State.
//
// Cost: the number of different demands, workers and runs, not of tasks. Cardinality: a series for each of the first
// kMaxClasses classes of workers and tasks, by name; what is beyond them is the class "other". No name that a user gave
// is in a label.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/scheduler/state/state.h"
#include "prometheus/metric_family.h"

namespace lwq::coordinator {

inline constexpr size_t kMaxClasses = 32;

struct Census {
  // By class and reason: "no_worker" (none that is here fits), "project_limit" (its project has as many running as it
  // may), "activation_budget" (held back for its project's), "workers_busy".
  std::map<std::pair<std::string, std::string>, int64_t> ready;
  int64_t delayed = 0;  // that wait after a failure
  // By class: tasks that are executed, and the longest that one's worker has been silent.
  std::map<std::string, int64_t> leased;
  std::map<std::string, int64_t> silent_ms;
  // By class and standing: "trusted", "probed", "quarantined", or "gone" for one that is not heard of any more.
  std::map<std::pair<std::string, std::string>, int64_t> workers;
  std::map<RunState, int64_t> runs;
  int64_t tasks = 0;
  int64_t stragglers = 0;
  int64_t activation_bytes_stored = 0;
  int64_t activation_bytes_discarded = 0;
  int64_t activation_bytes_budget = 0;
  int64_t activation_bytes_deleted = 0;  // since the start
  int64_t input_bytes = 0;               // that runs name, once for each project

  friend bool operator==(const Census&, const Census&) = default;
};

Census TakeCensus(const State& state, int64_t now_ms);

// As families lwq_queue_tasks, lwq_workers, …: docs/metrics.md lists them.
std::vector<prometheus::MetricFamily> FamiliesOf(const Census& census);

}  // namespace lwq::coordinator
