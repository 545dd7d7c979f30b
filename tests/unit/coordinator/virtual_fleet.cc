// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/coordinator/virtual_fleet.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "coordinator/scheduler/state/restore.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator::testing {
namespace {

std::string TraitsText(const WorkerRecord& worker) {
  return absl::StrCat(worker.numerics_class, "|", worker.memory_bytes, "|", worker.max_threads);
}

}  // namespace

VirtualFleet::VirtualFleet(SchedulerOptions options, Seconds seconds) : seconds_(std::move(seconds)) {
  options.lease_ms = int64_t{1} << 50;  // nobody sends heartbeats
  options.log_lines = 1;
  state_ = *RestoreState(Records(), options, Instant());
}

Effects VirtualFleet::Do(const Event& event) {
  Effects effects = Step(state_, event, {.steady_ms = std::llround(now_ * 1000), .unix_ms = 0});
  LWQ_CHECK(effects.status.ok(), effects.status.ToString());
  return effects;
}

WorkerId VirtualFleet::Add(const WorkerRecord& worker) {
  const WorkerId id = std::get<RegisterReply>(Do(RegisterWorker{worker}).reply).worker;
  idle_[TraitsText(worker)].insert(id);
  return id;
}

RunId VirtualFleet::Submit(const RunSpec& spec) {
  return std::get<RunReply>(Do(SubmitRun{spec, ""}).reply).run;
}

void VirtualFleet::Begin(const WorkerId& worker, const Lease& lease) {
  const double seconds = seconds_(*lease.def, state_.workers.at(worker).record);
  took_[lease.task] = seconds;
  busy_seconds_ += seconds;
  ++executed_;
  running_.push({now_ + seconds, order_++, worker, lease});
}

void VirtualFleet::LeaseToIdle() {
  for (auto& [traits, workers] : idle_) {
    while (!workers.empty()) {
      const WorkerId worker = *workers.begin();
      const auto lease = std::get<LeaseReply>(Do(LeaseTask{worker}).reply).lease;
      if (!lease.has_value()) break;  // nor is there anything for its like
      workers.erase(workers.begin());
      Begin(worker, *lease);
    }
  }
}

double VirtualFleet::RunToEnd() {
  LeaseToIdle();
  while (!running_.empty()) {
    const Running next = running_.top();
    running_.pop();
    now_ = next.end;
    ReportTask report{.worker = next.worker,
                      .task = next.lease.task,
                      .token = next.lease.token,
                      .outcome = HonestSuccess(next.lease),
                      .seconds = took_.at(next.lease.task),
                      .log_lines = {}};
    Do(report);
    idle_[TraitsText(state_.workers.at(next.worker).record)].insert(next.worker);
    LeaseToIdle();
  }
  return now_;
}

void VirtualFleet::ForgetTimes() {
  busy_seconds_ = 0;
  executed_ = 0;
  took_.clear();
}

double VirtualFleet::CriticalPathSeconds() const {
  std::map<Digest, double> ends;
  const std::function<double(const Digest&)> end_of = [&](const Digest& key) -> double {
    const auto known = ends.find(key);
    if (known != ends.end()) return known->second;
    double start = 0;
    for (const auto& [role, input] : state_.tasks.at(key).record.def->inputs) {
      if (const auto* made = std::get_if<TaskOutputRef>(&input)) start = std::max(start, end_of(made->derivation_key));
    }
    const auto took = took_.find(key);
    return ends[key] = start + (took == took_.end() ? 0 : took->second);
  };
  double longest = 0;
  for (const auto& [key, seconds] : took_) longest = std::max(longest, end_of(key));
  return longest;
}

}  // namespace lwq::coordinator::testing
