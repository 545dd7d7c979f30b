// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/foresee/estimates.h"

#include <algorithm>
#include <map>
#include <set>

#include "common/task/numerics_class.h"
#include "coordinator/plan/cost/memory.h"
#include "coordinator/scheduler/choose/placement.h"
#include "coordinator/scheduler/state/learning.h"

namespace lwq::coordinator {
namespace {

std::map<std::string, std::vector<const WorkerRecord*>> ByBase(const std::vector<WorkerRecord>& workers) {
  std::map<std::string, std::vector<const WorkerRecord*>> bases;
  for (const WorkerRecord& worker : workers) bases[worker.numerics_class].push_back(&worker);
  return bases;
}

std::string ProblemOf(const std::vector<const WorkerRecord*>& workers, TaskKind kind, int threads,
                      int64_t memory_bytes) {
  bool any = false;
  int most_threads = 0;
  int64_t most_bytes = 0;
  for (const WorkerRecord* worker : workers) {
    if (!ExecutesKind(*worker, kind)) continue;
    any = true;
    most_threads = std::max(most_threads, worker->max_threads);
    if (worker->max_threads >= threads) most_bytes = std::max(most_bytes, worker->memory_bytes);
  }
  if (!any) return "its workers do not execute this kind";
  if (most_threads < threads) return absl::StrCat("needs ", threads, " threads, has ", most_threads);
  if (most_bytes < memory_bytes) {
    return absl::StrCat("needs ", HumanBytes(memory_bytes), ", has ", HumanBytes(most_bytes));
  }
  return "";
}

struct KindTotals {
  int tasks = 0;
  int64_t memory_bytes = 0;
  double work = 0;
};

}  // namespace

Fleet FleetOf(const State& state) {
  Fleet fleet{.workers = {}, .durations = state.durations};
  for (const auto& [id, worker] : state.workers) {
    if (IsHere(worker) && !worker.draining) fleet.workers.push_back(worker.record);
  }
  return fleet;
}

std::vector<KindEstimate> EstimateKinds(const Fleet& fleet, const RunSpec& spec, const LlamaConfig* model,
                                        const Recipe& recipe, const KindBases& bases,
                                        const std::vector<PlannedTask>& graph) {
  std::map<TaskKind, KindTotals> totals;
  for (const PlannedTask& task : graph) {
    KindTotals& total = totals[task.def.kind];
    ++total.tasks;
    total.memory_bytes = std::max(total.memory_bytes, task.memory_bytes);
    total.work += WorkInRun(spec, model, recipe, task.def, task.evaluated_text);
  }
  const auto workers = ByBase(fleet.workers);
  std::vector<KindEstimate> estimates;
  for (const auto& [kind, total] : totals) {
    for (const auto& [base, of_base] : workers) {
      const bool pinned = IsPinnedKind(kind);
      const std::string numerics_class = pinned ? ClassOf({{kind, base}}, kind, recipe) : "";
      const auto pin = bases.find(kind);
      estimates.push_back({.kind = kind,
                           .base = base,
                           .workers = static_cast<int>(of_base.size()),
                           .tasks = total.tasks,
                           .memory_bytes = total.memory_bytes,
                           .seconds = fleet.durations.SecondsFor(kind, numerics_class, total.work / total.tasks),
                           .chosen = pin != bases.end() && pin->second == base,
                           .problem = ProblemOf(of_base, kind, pinned ? recipe.threads : 1, total.memory_bytes)});
    }
  }
  return estimates;
}

std::optional<std::vector<TimedTask>> TimedTasks(const Fleet& fleet, const RunSpec& spec, const LlamaConfig* model,
                                                 const Recipe& recipe, const std::vector<PlannedTask>& graph,
                                                 const std::set<Digest>& done) {
  const int64_t activation_bytes = model == nullptr ? 0 : StoredActivationBytes(*model, recipe);
  std::vector<TimedTask> tasks;
  for (const PlannedTask& planned : graph) {
    if (done.contains(planned.key)) continue;
    const std::optional<double> seconds =
        fleet.durations.SecondsFor(planned.def.kind, planned.def.numerics_class,
                                   WorkInRun(spec, model, recipe, planned.def, planned.evaluated_text));
    if (!seconds.has_value()) return std::nullopt;
    tasks.push_back({.key = planned.key,
                     .def = std::make_shared<const TaskDef>(planned.def),
                     .depth = planned.depth,
                     .memory_bytes = planned.memory_bytes,
                     .seconds = *seconds,
                     .activation_bytes = activation_bytes});
  }
  return tasks;
}

std::optional<double> EstimateSeconds(const Fleet& fleet, const RunSpec& spec, const LlamaConfig* model,
                                      const Recipe& recipe, const std::vector<PlannedTask>& graph,
                                      const std::set<Digest>& done) {
  if (graph.size() > kMaxSimulatedTasks) return std::nullopt;
  const auto tasks = TimedTasks(fleet, spec, model, recipe, graph, done);
  if (!tasks.has_value()) return std::nullopt;
  const StatusOr<Makespan> makespan = SimulateMakespan(*tasks, fleet.workers);
  return makespan.ok() ? std::make_optional(makespan->seconds) : std::nullopt;
}

}  // namespace lwq::coordinator
