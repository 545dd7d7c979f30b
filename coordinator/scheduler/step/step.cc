// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/step/step.h"

#include <algorithm>
#include <limits>

#include "coordinator/scheduler/step/stepper.h"

namespace lwq::coordinator {

Effects Stepper::Run(const Event& event) {
  state_.now_ms = now_.steady_ms;
  to_unblock_.assign(state_.unsettled.begin(), state_.unsettled.end());
  state_.unsettled.clear();
  BeginOutdatedRunsAgain();
  effects_.status = std::visit([&](const auto& happened) { return On(happened); }, event);
  Settle();
  effects_.changes.reserve(effects_.changes.size() + created_.size() + dirty_.size());
  for (Created& created : created_) {
    effects_.changes.push_back(PutTask{created.task->record, true, std::move(created.def_text)});
  }
  for (const auto& [key, task] : dirty_) effects_.changes.push_back(PutTask{task->record});
  return std::move(effects_);
}

Effects Step(State& state, const Event& event, Instant now) {
  return Stepper(state, now).Run(event);
}

std::optional<int64_t> NextDeadline(const State& state) {
  std::optional<int64_t> next;
  const auto consider = [&](const auto& deadlines) {
    if (deadlines.empty()) return;
    next = std::min(next.value_or(std::numeric_limits<int64_t>::max()), deadlines.begin()->first);
  };
  consider(state.delayed);
  consider(state.worker_deadlines);
  consider(state.execution_deadlines);
  consider(state.straggler_times);
  consider(state.health.ends());
  consider(state.retention_deadlines);
  if (state.missed_workers_due_ms != 0)
    next = std::min(next.value_or(state.missed_workers_due_ms), state.missed_workers_due_ms);
  if (!state.outdated_runs.empty()) next = std::numeric_limits<int64_t>::min();
  return next;
}

}  // namespace lwq::coordinator
