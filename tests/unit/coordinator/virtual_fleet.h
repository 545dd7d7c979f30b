// SPDX-License-Identifier: Apache-2.0
// Many workers in virtual time on the production scheduler: each task takes what a function says, nothing fails.
// Answers how long runs take and how busy the workers are. Deterministic.
#pragma once

#include <functional>
#include <map>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include "coordinator/scheduler/step/step.h"

namespace lwq::coordinator::testing {

class VirtualFleet {
 public:
  using Seconds = std::function<double(const TaskDef& def, const WorkerRecord& worker)>;
  VirtualFleet(SchedulerOptions options, Seconds seconds);

  WorkerId Add(const WorkerRecord& worker);
  // CHECK that it is accepted.
  RunId Submit(const RunSpec& spec);
  // Until nothing is executed any more; the virtual seconds since the start.
  double RunToEnd();

  // What follows is of tasks from now on.
  void ForgetTimes();
  // Of the tasks that were executed.
  double busy_seconds() const { return busy_seconds_; }
  int64_t executed() const { return executed_; }
  // The longest chain of executed tasks that read each other's results, by what each took.
  double CriticalPathSeconds() const;
  const State& state() const { return state_; }

 private:
  struct Running {
    double end = 0;
    int64_t order = 0;
    WorkerId worker;
    Lease lease;
    bool operator<(const Running& other) const {
      return std::tie(end, order) > std::tie(other.end, other.order);  // the earliest on top
    }
  };
  Effects Do(const Event& event);
  void Begin(const WorkerId& worker, const Lease& lease);
  void LeaseToIdle();

  State state_;
  const Seconds seconds_;
  double now_ = 0;
  int64_t order_ = 0;
  double busy_seconds_ = 0;
  int64_t executed_ = 0;
  std::map<std::string, std::set<WorkerId>> idle_;  // by what tells workers apart
  std::priority_queue<Running> running_;
  std::map<Digest, double> took_;  // by task
};

}  // namespace lwq::coordinator::testing
