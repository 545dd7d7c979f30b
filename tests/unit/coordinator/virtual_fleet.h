// SPDX-License-Identifier: Apache-2.0
// Many workers in virtual time on the production scheduler: each task takes what a function says, and fails where
// another says so. Of a task that two workers have, the one that is not first stops at once. Answers how long runs take
// and how busy the workers are. Deterministic.
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
  // Why the attempt fails; nothing: it does not.
  using Fails = std::function<std::optional<FailureCause>(const Lease& lease, const WorkerRecord& worker)>;
  VirtualFleet(SchedulerOptions options, Seconds seconds, Fails fails = nullptr);

  WorkerId Add(const WorkerRecord& worker);
  // CHECK that it is accepted.
  RunId Submit(const RunSpec& spec);
  // Called when a worker begins and ends an attempt, at virtual seconds.
  using Watcher = std::function<void(const WorkerRecord& worker, const Lease& lease, double from, double to)>;
  void Watch(Watcher watcher) { watcher_ = std::move(watcher); }
  // Until no run goes on any more, or `until`; the virtual seconds since the start.
  double RunToEnd(double until = 1e300);

  // What follows is of tasks from now on.
  void ForgetTimes();
  // Of the tasks that were executed.
  double busy_seconds() const { return busy_seconds_; }
  int64_t executed() const { return executed_; }
  int64_t duplicates() const { return duplicates_; }  // attempts beside another
  // The longest chain of executed tasks that read each other's results, by what each took.
  double CriticalPathSeconds() const;
  const State& state() const { return state_; }

 private:
  struct Running {
    double end = 0;
    int64_t order = 0;
    WorkerId worker;
    Lease lease;
    double start = 0;
    std::optional<FailureCause> failure = std::nullopt;
    bool operator<(const Running& other) const {
      return std::tie(end, order) > std::tie(other.end, other.order);  // the earliest on top
    }
  };
  Effects Do(const Event& event);
  void Begin(const WorkerId& worker, const Lease& lease);
  void LeaseToIdle();
  // Has the attempt reported, or stopped where another was first.
  void End(const Running& attempt, bool report);
  bool SomethingGoesOn() const;

  State state_;
  const Seconds seconds_;
  const Fails fails_;
  Watcher watcher_;
  double now_ = 0;
  int64_t order_ = 0;
  double busy_seconds_ = 0;
  int64_t executed_ = 0;
  int64_t duplicates_ = 0;
  std::map<Digest, std::map<int64_t, Running>> attempts_;  // going on, by task and order
  std::map<std::string, std::set<WorkerId>> idle_;         // by what tells workers apart
  std::priority_queue<Running> running_;
  std::map<Digest, double> took_;  // by task
};

}  // namespace lwq::coordinator::testing
