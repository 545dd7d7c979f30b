// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/choose/task_choice.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "coordinator/scheduler/choose/elsewhere.h"
#include "coordinator/scheduler/choose/run_ahead.h"
#include "coordinator/scheduler/choose/straggler.h"

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

ReadyQueue::Order OrderOf(const State& state, const WorkerEntry& worker, ReadyQueue::Skip skip) {
  return {.rank = [&state](const std::string& project) { return state.shares.Rank(project); },
          .skip = std::move(skip),
          .skip_all =
              [&state, &worker](const Demand& demand, const std::string& project) {
                return !worker.record.projects.Has(project) || AreHeldByProject(state, demand.kind, project) ||
                       LeavesToOthers(state, worker, demand, project);
              }};
}

std::optional<Digest> Choose(const State& state, const WorkerEntry& worker, ReadyQueue::Skip skip) {
  const ReadyQueue::Order order = OrderOf(state, worker, std::move(skip));
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

ReadyQueue::Skip NotNow(const State& state, const WorkerEntry& worker) {
  return [&state, &worker](const Digest& key) {
    const TaskEntry& task = state.tasks.at(key);
    return IsHeldBack(state, task) || LeavesToOthers(state, worker, task);
  };
}

// As NotNow, and what exceeds the budget.
ReadyQueue::Skip NotWithinBudget(const State& state, const WorkerEntry& worker) {
  return [&state, skip = NotNow(state, worker)](const Digest& key) {
    return ExceedsBudget(state, state.tasks.at(key)) || skip(key);
  };
}

// The most urgent one, but for those that exceed the budget and give way.
std::optional<Digest> InTurn(const State& state, const WorkerEntry& worker) {
  const std::optional<Digest> best = Choose(state, worker, NotNow(state, worker));
  if (!best.has_value() || !ExceedsBudget(state, state.tasks.at(*best))) return best;
  const std::optional<Digest> within = Choose(state, worker, NotWithinBudget(state, worker));
  return within.has_value() && !IsOfMoreUrgentRun(state, *best, *within) ? within : best;
}

// Whether workers that are here fit the one demand and not the other.
bool OthersFit(const State& state, const Demand& demand, const Demand& but_not) {
  return std::any_of(state.here.begin(), state.here.end(), [&](const auto& alike) {
    const WorkerRecord& one = state.workers.at(*alike.second.begin()).record;
    return Fits(demand, one) && !Fits(but_not, one);
  });
}

// What has waited too long on this worker and its like, in place of a task that others can take.
std::optional<Digest> OutOfTurn(const State& state, const WorkerEntry& worker, const Demand& in_turn) {
  const int64_t patience_ms = state.options.patience_ms;
  if (patience_ms <= 0 || state.now_ms < worker.next_reserved_ms) return std::nullopt;
  const auto unserved = state.ready.UnservedSince(worker.record, state.now_ms - patience_ms,
                                                  OrderOf(state, worker, NotWithinBudget(state, worker)));
  for (const ReadyQueue::Unserved& one : unserved) {
    if (*one.demand != in_turn && OthersFit(state, in_turn, *one.demand)) return one.task;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Choice> ChooseTask(const State& state, const WorkerEntry& worker) {
  const std::optional<Digest> in_turn = InTurn(state, worker);
  if (!in_turn.has_value()) return std::nullopt;
  const std::optional<Digest> out_of_turn = OutOfTurn(state, worker, state.tasks.at(*in_turn).place.demand);
  if (out_of_turn.has_value()) return Choice{*out_of_turn, true};
  return Choice{*in_turn};
}

bool HasTaskFor(const State& state, const WorkerEntry& worker) {
  return state.ready.Best(worker.record, OrderOf(state, worker, NotNow(state, worker))).has_value() ||
         ChooseStraggler(state, worker).has_value();
}

}  // namespace lwq::coordinator
