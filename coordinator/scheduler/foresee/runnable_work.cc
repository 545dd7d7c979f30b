// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/foresee/runnable_work.h"

#include <algorithm>
#include <set>

#include "coordinator/graph/run_spec.h"
#include "coordinator/plan/cost/task_costs.h"
#include "coordinator/scheduler/choose/run_ahead.h"
#include "coordinator/scheduler/state/learning.h"

namespace lwq::coordinator {
namespace {

constexpr double kUnknownSeconds = 60;

bool IsOfDevice(const std::string& base, const Pool& pool) {
  return base.compare(0, pool.device.size(), pool.device) == 0;
}

bool AnyoneHereFits(const State& state, const Demand& demand) {
  return std::any_of(state.here.begin(), state.here.end(),
                     [&](const auto& alike) { return Fits(demand, state.workers.at(*alike.second.begin()).record); });
}

bool CountsFor(const State& state, const Pool& pool, bool any_here, const Demand& demand) {
  if (demand.memory_bytes > pool.memory_bytes) return false;
  if (!demand.base.empty()) return IsOfDevice(demand.base, pool);
  return any_here || !AnyoneHereFits(state, demand);
}

bool WouldFit(const RunEntry& run, const Pool& pool) {
  const RunSpec& spec = *run.record.spec;
  if (!spec.numerics_class.empty() && !IsOfDevice(spec.numerics_class, pool)) return false;
  if (run.model == nullptr) return true;
  const std::set<TaskKind> kinds = KindsOfRun(spec, run.record.recipe);
  return std::all_of(kinds.begin(), kinds.end(), [&](TaskKind kind) {
    return TaskMemoryBytes(kind, *run.model, run.record.recipe) <= pool.memory_bytes;
  });
}

}  // namespace

RunnableWork RunnableWorkFor(const State& state, const Pool& pool, double most_seconds) {
  RunnableWork work;
  bool any_here = false;
  for (const auto& [id, worker] : state.workers) {
    if (!IsHere(worker) || worker.draining || !IsOfDevice(worker.record.numerics_class, pool)) continue;
    any_here = true;
    if (worker.lease.has_value()) ++work.busy_workers;
  }
  state.ready.VisitDemands([&](const Demand& demand) { return CountsFor(state, pool, any_here, demand); },
                           [&](const Digest& key) {
                             const TaskEntry& task = state.tasks.at(key);
                             if (!IsHeldBack(state, task)) {
                               work.queued_seconds += ExpectedSeconds(state, task).value_or(kUnknownSeconds);
                             }
                             return work.queued_seconds < most_seconds;
                           });
  work.queued_seconds = std::min(work.queued_seconds, most_seconds);
  if (any_here) return work;
  for (const int64_t sequence : state.pending_runs) {
    const RunEntry& run = state.runs.at(state.runs_by_sequence.at(sequence));
    if (!run.record.paused && WouldFit(run, pool)) ++work.waiting_runs;
  }
  return work;
}

}  // namespace lwq::coordinator
