// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/learning.h"

#include <algorithm>
#include <set>

#include "coordinator/plan/cost/task_costs.h"

namespace lwq::coordinator {
namespace {

void Learn(State& state, const RunEntry& run, const RunTaskRecord& planned, const TaskDef& def, double seconds) {
  const RunRecord& record = run.record;
  state.durations.Learn(def.kind, def.numerics_class,
                        WorkInRun(*record.spec, run.model.get(), record.recipe, def, planned.evaluated_text), seconds);
}

}  // namespace

double WorkInRun(const RunSpec& spec, const LlamaConfig* model, const Recipe& recipe, const TaskDef& def,
                 const std::string& evaluated_text) {
  int64_t text_bytes = 0;
  for (const TextSource& text : spec.eval_texts) {
    if (text.name == evaluated_text) text_bytes = text.files.size_bytes;
  }
  return TaskWork(def, model, recipe, text_bytes);
}

std::optional<double> ExpectedSeconds(const State& state, const TaskEntry& task) {
  if (task.wanted_by.empty()) return std::nullopt;
  const auto& [sequence, position] = *task.wanted_by.begin();
  const RunEntry& run = state.runs.at(state.runs_by_sequence.at(sequence));
  const TaskDef& def = *task.record.def;
  return state.durations.SecondsFor(
      def.kind, def.numerics_class,
      WorkInRun(*run.record.spec, run.model.get(), run.record.recipe, def, run.tasks[position].evaluated_text));
}

int64_t ExecutionDeadline(const State& state, const TaskEntry& task) {
  if (state.options.execution_factor <= 0) return 0;
  const std::optional<double> expected = ExpectedSeconds(state, task);
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
