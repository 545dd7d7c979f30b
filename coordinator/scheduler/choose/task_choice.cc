// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/choose/task_choice.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "coordinator/scheduler/choose/run_ahead.h"

namespace lwq::coordinator {
namespace {

// Equally urgent tasks that are compared by what the worker has of their inputs.
constexpr size_t kCompared = 16;

// What tasks made, that is: a model is read in parts, and by every task of a run.
int64_t LocalInputBytes(const State& state, const WorkerEntry& worker, const TaskDef& def) {
  int64_t bytes = 0;
  for (const auto& [role, input] : def.inputs) {
    if (!std::holds_alternative<TaskOutputRef>(input)) continue;
    const std::optional<ArtifactRef> content = ContentOf(state, input);
    if (content.has_value() && worker.local.Has(content->digest)) bytes += content->size_bytes;
  }
  return bytes;
}

ReadyQueue::Order OrderOf(const State& state, ReadyQueue::Skip skip) {
  return {[&state](const std::string& project) { return state.shares.Rank(project); }, std::move(skip)};
}

std::optional<Digest> Choose(const State& state, const WorkerEntry& worker, ReadyQueue::Skip skip) {
  const ReadyQueue::Order order = OrderOf(state, std::move(skip));
  if (worker.local.empty()) return state.ready.Best(worker.record, order);
  std::optional<Digest> best;
  int64_t most_bytes = -1;
  for (const Digest& key : state.ready.EquallyUrgent(worker.record, kCompared, order)) {
    const int64_t bytes = LocalInputBytes(state, worker, *state.tasks.at(key).record.def);
    if (bytes > most_bytes) best = key;
    most_bytes = std::max(most_bytes, bytes);
  }
  return best;
}

// Of a run that goes before the other's.
bool IsOfMoreUrgentRun(const State& state, const Digest& task, const Digest& other) {
  const Urgency& a = state.tasks.at(task).place.urgency;
  const Urgency& b = state.tasks.at(other).place.urgency;
  return std::tie(a.negated_priority, a.run_sequence) < std::tie(b.negated_priority, b.run_sequence);
}

ReadyQueue::Skip HeldBack(const State& state) {
  return [&state](const Digest& key) { return IsHeldBack(state, state.tasks.at(key)); };
}

}  // namespace

std::optional<Digest> ChooseTask(const State& state, const WorkerEntry& worker) {
  const std::optional<Digest> best = Choose(state, worker, HeldBack(state));
  if (!best.has_value() || !ExceedsBudget(state, state.tasks.at(*best))) return best;
  const std::optional<Digest> within =
      Choose(state, worker, [&state](const Digest& key) { return ExceedsBudget(state, state.tasks.at(key)); });
  return within.has_value() && !IsOfMoreUrgentRun(state, *best, *within) ? within : best;
}

bool HasTaskFor(const State& state, const WorkerEntry& worker) {
  return state.ready.Best(worker.record, OrderOf(state, HeldBack(state))).has_value();
}

}  // namespace lwq::coordinator
