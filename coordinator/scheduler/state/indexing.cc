// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/indexing.h"

#include <algorithm>
#include <utility>

namespace lwq::coordinator {

void SetExecutionDeadline(State& state, TaskEntry& task, int64_t deadline_ms) {
  if (task.execution_deadline_ms != 0) state.execution_deadlines.erase({task.execution_deadline_ms, task.record.key});
  task.execution_deadline_ms = deadline_ms;
  if (deadline_ms != 0) state.execution_deadlines.emplace(deadline_ms, task.record.key);
}

void SetStragglerTime(State& state, TaskEntry& task, int64_t time_ms) {
  if (task.straggles_at_ms != 0) state.straggler_times.erase({task.straggles_at_ms, task.record.key});
  state.stragglers.erase(task.record.key);
  task.straggles_at_ms = time_ms;
  if (time_ms != 0) state.straggler_times.emplace(time_ms, task.record.key);
}

void NoteStragglers(State& state, int64_t now_ms) {
  while (!state.straggler_times.empty() && state.straggler_times.begin()->first <= now_ms) {
    const Digest key = state.straggler_times.begin()->second;
    SetStragglerTime(state, state.tasks.at(key), 0);
    state.stragglers.insert(key);
  }
}

namespace {

WorkerShape ShapeOf(const WorkerRecord& worker) {
  return {worker.numerics_class, worker.memory_bytes, worker.max_threads, worker.kinds, worker.projects};
}

// Those who want it done: the runs it is for, and those of tasks that wait for the same action.
template <typename Visit>
void ForEachWanting(const State& state, const TaskEntry& task, Visit visit) {
  for (const auto& [sequence, position] : task.wanted_by) visit(sequence, position);
  const auto waiters = state.action_waiters.find(task.record.action_key);
  if (waiters == state.action_waiters.end()) return;
  for (const Digest& waiter : waiters->second) {
    for (const auto& [sequence, position] : state.tasks.at(waiter).wanted_by) visit(sequence, position);
  }
}

void Queue(State& state, TaskEntry& task) {
  std::optional<ReadyQueue::Place> place = PlaceOf(state, task);
  if (!place.has_value()) return;
  task.place = *std::move(place);
  task.queued = true;
  state.ready.Insert(task.place, task.record.key, state.now_ms);
  state.shares.Waits(task.place.project);
}

void Unqueue(State& state, TaskEntry& task) {
  if (!task.queued) return;
  state.ready.Erase(task.place, task.record.key);
  state.shares.WaitsNoMore(task.place.project);
  task.queued = false;
}

}  // namespace

void RequeueTask(State& state, TaskEntry& task) {
  if (task.record.state == TaskState::kBlocked && !task.waiting_for.is_zero()) {
    const auto owner = state.action_owner.find(task.waiting_for);
    if (owner != state.action_owner.end() && owner->second != task.record.key) {
      RequeueTask(state, state.tasks.at(owner->second));
    }
    return;
  }
  if (task.record.state != TaskState::kReady || task.not_before_ms != 0) return;
  if (task.queued) {
    const std::optional<ReadyQueue::Place> place = PlaceOf(state, task);
    if (place.has_value() && place->urgency == task.place.urgency) return;
  }
  Unqueue(state, task);
  Queue(state, task);
}

void IndexTask(State& state, TaskEntry& task) {
  const TaskRecord& record = task.record;
  switch (record.state) {
    case TaskState::kReady:
      state.action_owner[record.action_key] = record.key;
      if (task.not_before_ms != 0) {
        state.delayed.emplace(task.not_before_ms, record.key);
        return;
      }
      Queue(state, task);
      return;
    case TaskState::kLeased:
      state.action_owner[record.action_key] = record.key;
      state.workers.at(record.worker).lease = record.key;
      if (record.older.has_value()) state.workers.at(record.older->worker).lease = record.key;
      return;
    case TaskState::kSucceeded:
      state.action_users[record.action_key].insert(record.key);
      return;
    case TaskState::kBlocked:
    case TaskState::kFailed:
    case TaskState::kCancelled:
      return;
  }
}

void UnindexTask(State& state, TaskEntry& task) {
  const TaskRecord& record = task.record;
  Unqueue(state, task);
  if (task.not_before_ms != 0) {
    state.delayed.erase({task.not_before_ms, record.key});
    task.not_before_ms = 0;
  }
  if (!task.waiting_for.is_zero()) {
    const Digest action = std::exchange(task.waiting_for, Digest());
    const auto waiters = state.action_waiters.find(action);
    if (waiters != state.action_waiters.end()) {
      waiters->second.erase(record.key);
      if (waiters->second.empty()) state.action_waiters.erase(waiters);
    }
    const auto owner = state.action_owner.find(action);
    if (owner != state.action_owner.end()) RequeueTask(state, state.tasks.at(owner->second));
  }
  if (record.state == TaskState::kReady || record.state == TaskState::kLeased) {
    const auto owner = state.action_owner.find(record.action_key);
    if (owner != state.action_owner.end() && owner->second == record.key) state.action_owner.erase(owner);
  }
  if (record.state == TaskState::kLeased) {
    SetExecutionDeadline(state, task, 0);
    SetStragglerTime(state, task, 0);
    const auto let_go = [&](const WorkerId& id) {
      const auto worker = state.workers.find(id);
      if (worker != state.workers.end() && worker->second.lease == record.key) worker->second.lease.reset();
    };
    let_go(record.worker);
    if (record.older.has_value()) let_go(record.older->worker);
  }
  if (record.state == TaskState::kSucceeded) {
    const auto users = state.action_users.find(record.action_key);
    if (users != state.action_users.end()) {
      users->second.erase(record.key);
      if (users->second.empty()) state.action_users.erase(users);
    }
  }
}

std::optional<ReadyQueue::Place> PlaceOf(const State& state, const TaskEntry& task) {
  std::optional<Urgency> best;
  const std::string* project = nullptr;
  ForEachWanting(state, task, [&](int64_t sequence, size_t position) {
    const RunEntry& run = state.runs.at(state.runs_by_sequence.at(sequence));
    if (!MayBegin(run, position)) return;
    const Urgency urgency{.negated_priority = -static_cast<int64_t>(run.record.spec->priority),
                          .run_sequence = sequence,
                          .negated_depth = -static_cast<int64_t>(run.tasks[position].depth),
                          .position = static_cast<int64_t>(position)};
    if (best.has_value() && !(urgency < *best)) return;
    best = urgency;
    project = &run.record.spec->project;
  });
  if (!best.has_value()) return std::nullopt;
  return ReadyQueue::Place{DemandOf(task.record), *project, *best};
}

void LinkConsumers(State& state, const TaskRecord& task) {
  for (const auto& [role, input] : task.def->inputs) {
    if (const auto* made = std::get_if<TaskOutputRef>(&input)) {
      state.tasks.at(made->derivation_key).consumers.insert(task.key);
    }
  }
}

void SetWorkerDeadline(State& state, WorkerEntry& worker, int64_t deadline_ms) {
  state.worker_deadlines.erase({worker.deadline_ms, worker.record.id});
  worker.deadline_ms = deadline_ms;
  state.worker_deadlines.emplace(deadline_ms, worker.record.id);
}

void UncountWorker(State& state, WorkerEntry& worker) {
  if (!worker.counted) return;
  worker.counted = false;
  const auto alike = state.here.find(ShapeOf(worker.record));
  alike->second.erase(worker.record.id);
  if (alike->second.empty()) state.here.erase(alike);
}

void CountWorker(State& state, WorkerEntry& worker) {
  const bool counts = IsHere(worker) && !worker.draining;
  if (counts == worker.counted) return;
  if (!counts) return UncountWorker(state, worker);
  worker.counted = true;
  state.here[ShapeOf(worker.record)].insert(worker.record.id);
}

}  // namespace lwq::coordinator
