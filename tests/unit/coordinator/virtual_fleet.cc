// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/coordinator/virtual_fleet.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "coordinator/scheduler/state/restore.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator::testing {
namespace {

constexpr int64_t kForEverMs = int64_t{1} << 50;

std::string TraitsText(const WorkerRecord& worker) {
  return absl::StrCat(worker.numerics_class, "|", worker.memory_bytes, "|", worker.max_threads);
}

}  // namespace

VirtualFleet::VirtualFleet(SchedulerOptions options, Seconds seconds, Fails fails)
    : seconds_(std::move(seconds)), fails_(std::move(fails)) {
  options.lease_ms = kForEverMs;  // nobody sends heartbeats
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
  const WorkerRecord& record = state_.workers.at(worker).record;
  const double seconds = seconds_(*lease.def, record);
  Running attempt{.end = now_ + seconds, .order = order_++, .worker = worker, .lease = lease, .start = now_};
  if (fails_) attempt.failure = fails_(lease, record);
  auto& attempts = attempts_[lease.task];
  if (!attempts.empty()) ++duplicates_;
  attempts.emplace(attempt.order, attempt);
  running_.push(std::move(attempt));
}

void VirtualFleet::LeaseToIdle() {
  for (auto& [traits, workers] : idle_) {
    const std::set<WorkerId> all = workers;
    for (const WorkerId& worker : all) {
      const auto lease = std::get<LeaseReply>(Do(LeaseTask{worker}).reply).lease;
      if (lease.has_value()) {
        workers.erase(worker);
        Begin(worker, *lease);
      } else if (!fails_) {
        break;  // nor is there anything for its like
      }
    }
  }
}

void VirtualFleet::End(const Running& attempt, bool report) {
  const WorkerRecord& worker = state_.workers.at(attempt.worker).record;
  attempts_.at(attempt.lease.task).erase(attempt.order);
  busy_seconds_ += now_ - attempt.start;
  idle_[TraitsText(worker)].insert(attempt.worker);
  if (watcher_) watcher_(worker, attempt.lease, attempt.start, now_);
  if (!report) return;
  ReportTask event{.worker = attempt.worker,
                   .task = attempt.lease.task,
                   .token = attempt.lease.token,
                   .outcome = HonestSuccess(attempt.lease),
                   .seconds = now_ - attempt.start,
                   .log_lines = {}};
  if (attempt.failure.has_value()) event.outcome = ReportFailure{*attempt.failure, "simulated", ""};
  Do(event);
  if (attempt.failure.has_value()) return;
  ++executed_;
  took_[attempt.lease.task] = event.seconds;
  const std::map<int64_t, Running> others = attempts_.at(attempt.lease.task);
  for (const auto& [order, other] : others) End(other, /*report=*/false);
}

bool VirtualFleet::SomethingGoesOn() const {
  return std::any_of(state_.runs.begin(), state_.runs.end(),
                     [](const auto& run) { return !IsTerminal(run.second.record.state); });
}

double VirtualFleet::RunToEnd(double until) {
  LeaseToIdle();
  while (true) {
    const int64_t deadline_ms = NextDeadline(state_).value_or(kForEverMs);
    const double deadline = static_cast<double>(deadline_ms) / 1000;
    const bool is_due = running_.empty() || deadline <= running_.top().end;
    if (running_.empty() && (deadline_ms >= kForEverMs || !SomethingGoesOn())) return now_;
    if (std::min(deadline, running_.empty() ? deadline : running_.top().end) > until) return now_ = until;
    if (is_due) {
      now_ = std::max(now_, deadline);
      Do(Tick{});
    } else {
      const Running next = running_.top();
      running_.pop();
      const auto attempts = attempts_.find(next.lease.task);
      if (!attempts->second.contains(next.order)) continue;
      now_ = next.end;
      End(next, /*report=*/true);
    }
    LeaseToIdle();
  }
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
