// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/retention.h"

#include <algorithm>

#include "coordinator/scheduler/state/garbage.h"

namespace lwq::coordinator {
namespace {

bool HasEndedLongAgo(const RunEntry& run, int64_t retain_ms, Instant now) {
  return IsTerminal(run.record.state) && run.record.remaking.is_zero() &&
         run.record.finished_unix_ms <= now.unix_ms - retain_ms;
}

bool IsExpired(const State& state, const TaskEntry& task, int64_t retain_ms, Instant now) {
  return std::all_of(task.runs.begin(), task.runs.end(), [&](int64_t sequence) {
    return HasEndedLongAgo(state.runs.at(state.runs_by_sequence.at(sequence)), retain_ms, now);
  });
}

void RetireResultsOf(State& state, const TaskEntry& task, Instant now, std::vector<Change>& changes) {
  if (task.record.state != TaskState::kSucceeded) return;
  for (const auto& [role, artifact] : state.actions.at(task.record.action_key).outputs) {
    const std::optional<KeptKind> kind = KeptKindOf(task.record.def->kind, role);
    const auto retain = kind.has_value() ? state.options.retain_ms.find(*kind) : state.options.retain_ms.end();
    if (retain == state.options.retain_ms.end() || state.kept.all().at(artifact.digest).results > 1) continue;
    const std::set<Digest>& users = state.action_users.at(task.record.action_key);
    const bool expired = std::all_of(users.begin(), users.end(), [&](const Digest& user) {
      return IsExpired(state, state.tasks.at(user), retain->second, now);
    });
    if (expired) state.kept.Retire(artifact.digest, changes);
  }
}

}  // namespace

void ScheduleRetention(State& state, const RunEntry& run, Instant now) {
  for (const auto& [kind, retain_ms] : state.options.retain_ms) {
    const int64_t left_ms = std::max<int64_t>(0, run.record.finished_unix_ms + retain_ms - now.unix_ms);
    state.retention_deadlines.emplace(now.steady_ms + left_ms, run.record.sequence);
  }
}

void RetireDue(State& state, Instant now, std::vector<Change>& changes) {
  std::set<int64_t> due;
  while (!state.retention_deadlines.empty() && state.retention_deadlines.begin()->first <= now.steady_ms) {
    due.insert(state.retention_deadlines.begin()->second);
    state.retention_deadlines.erase(state.retention_deadlines.begin());
  }
  for (const int64_t sequence : due) {
    const RunEntry& run = state.runs.at(state.runs_by_sequence.at(sequence));
    for (const RunTaskRecord& planned : run.tasks) RetireResultsOf(state, state.tasks.at(planned.key), now, changes);
  }
}

}  // namespace lwq::coordinator
