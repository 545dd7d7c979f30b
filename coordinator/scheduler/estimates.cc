#include "coordinator/scheduler/estimates.h"

#include <algorithm>
#include <map>
#include <set>

#include "common/task/numerics_class.h"
#include "coordinator/plan/task_costs.h"
#include "coordinator/scheduler/makespan.h"
#include "coordinator/scheduler/placement.h"

namespace lwq::coordinator {
namespace {

double WorkOf(const RunSpec& spec, const LlamaConfig* model, const Recipe& recipe, const TaskDef& def,
              const std::string& evaluated_text) {
  int64_t text_bytes = 0;
  for (const TextSource& text : spec.eval_texts) {
    if (text.name == evaluated_text) text_bytes = text.files.size_bytes;
  }
  return TaskWork(def, model, recipe, text_bytes);
}

void Learn(State& state, const RunEntry& run, const RunTaskRecord& planned, const TaskDef& def, double seconds) {
  const RunRecord& record = run.record;
  state.durations.Learn(def.kind, def.numerics_class,
                        WorkOf(*record.spec, run.model.get(), record.recipe, def, planned.evaluated_text), seconds);
}

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
    if (worker.alive && !worker.draining) fleet.workers.push_back(worker.record);
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
    total.work += WorkOf(spec, model, recipe, task.def, task.evaluated_text);
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

std::optional<double> EstimateSeconds(const Fleet& fleet, const RunSpec& spec, const LlamaConfig* model,
                                      const Recipe& recipe, const std::vector<PlannedTask>& graph,
                                      const std::set<Digest>& done) {
  if (graph.size() > kMaxSimulatedTasks) return std::nullopt;
  std::vector<TimedTask> tasks;
  for (const PlannedTask& planned : graph) {
    if (done.contains(planned.key)) continue;
    const std::optional<double> seconds = fleet.durations.SecondsFor(
        planned.def.kind, planned.def.numerics_class, WorkOf(spec, model, recipe, planned.def, planned.evaluated_text));
    if (!seconds.has_value()) return std::nullopt;
    tasks.push_back({.key = planned.key,
                     .def = std::make_shared<const TaskDef>(planned.def),
                     .depth = planned.depth,
                     .memory_bytes = planned.memory_bytes,
                     .seconds = *seconds});
  }
  const StatusOr<double> seconds = SimulatedSeconds(tasks, fleet.workers);
  return seconds.ok() ? std::make_optional(*seconds) : std::nullopt;
}

int64_t ExecutionDeadline(const State& state, const TaskEntry& task) {
  if (task.wanted_by.empty() || state.options.execution_factor <= 0) return 0;
  const auto& [sequence, position] = *task.wanted_by.begin();
  const RunEntry& run = state.runs.at(state.runs_by_sequence.at(sequence));
  const TaskDef& def = *task.record.def;
  const std::optional<double> expected = state.durations.SecondsFor(
      def.kind, def.numerics_class,
      WorkOf(*run.record.spec, run.model.get(), run.record.recipe, def, run.tasks[position].evaluated_text));
  if (!expected.has_value()) return 0;
  constexpr double kMaxMs = 1e15;
  const double ceiling_ms = std::max(1000 * *expected * state.options.execution_factor,
                                     static_cast<double>(state.options.execution_least_ms));
  return task.leased_at_ms + static_cast<int64_t>(std::min(ceiling_ms, kMaxMs));
}

void LearnFrom(State& state, const TaskEntry& task, double seconds) {
  if (task.wanted_by.empty()) return;
  const auto& [sequence, position] = *task.wanted_by.begin();
  const RunEntry& run = state.runs.at(state.runs_by_sequence.at(sequence));
  Learn(state, run, run.tasks[position], *task.record.def, seconds);
}

void LearnFromStored(State& state) {
  std::set<Digest> learned;
  for (const auto& [sequence, id] : state.runs_by_sequence) {
    const RunEntry& run = state.runs.at(id);
    for (const RunTaskRecord& planned : run.tasks) {
      const auto task = state.tasks.find(planned.key);
      if (task == state.tasks.end()) continue;
      const TaskRecord& record = task->second.record;
      if (record.state != TaskState::kSucceeded || record.from_cache || !learned.insert(planned.key).second) continue;
      Learn(state, run, planned, *record.def, state.actions.at(record.action_key).seconds);
    }
  }
}

}  // namespace lwq::coordinator
