// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/learning.h"

#include <algorithm>
#include <set>

#include "common/task/task_params.h"
#include "coordinator/plan/cost/memory.h"
#include "coordinator/plan/cost/task_costs.h"

namespace lwq::coordinator {
namespace {

void Learn(State& state, const RunEntry& run, const RunTaskRecord& planned, const TaskDef& def, double seconds) {
  const RunRecord& record = run.record;
  state.durations.Learn(def.kind, def.numerics_class,
                        WorkInRun(*record.spec, run.model.get(), record.recipe, def, planned.evaluated_text), seconds);
}

// 0 where nothing is called so.
int64_t TextBytes(const RunSpec& spec, const std::string& evaluated_text) {
  int64_t text_bytes = 0;
  for (const TextSource& text : spec.eval_texts) {
    if (text.name == evaluated_text) text_bytes = text.files.size_bytes;
  }
  for (const TextSource& task : spec.eval_tasks) {
    if (task.name == evaluated_text) text_bytes = task.files.size_bytes;
  }
  return text_bytes;
}

// Of the hidden states that a reference's shard stores.
int64_t HiddenBytes(const State& state, const TaskEntry& task) {
  const auto& [sequence, position] = *task.wanted_by.begin();
  const RunEntry& run = state.runs.at(state.runs_by_sequence.at(sequence));
  const StatusOr<EvaluateReferenceParams> params = EvaluateReferenceParams::FromJson(task.record.def->params);
  if (run.model == nullptr || !params.ok() || params->shards < 1) return 0;
  return StoredHiddenBytes(*run.model, TextBytes(*run.record.spec, run.tasks[position].evaluated_text)) /
         params->shards;
}

}  // namespace

double WorkInRun(const RunSpec& spec, const LlamaConfig* model, const Recipe& recipe, const TaskDef& def,
                 const std::string& evaluated_text) {
  return TaskWork(def, model, recipe, TextBytes(spec, evaluated_text));
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

int64_t ExpectedActivationBytes(const State& state, const TaskEntry& task) {
  const TaskDef& def = *task.record.def;
  if (def.kind == TaskKind::kEmbed && !task.wanted_by.empty()) {
    const RunEntry& run = state.runs.at(state.runs_by_sequence.at(task.wanted_by.begin()->first));
    return run.model == nullptr ? 0 : StoredActivationBytes(*run.model, run.record.recipe);
  }
  if (def.kind == TaskKind::kEvaluateReference && !task.wanted_by.empty()) return HiddenBytes(state, task);
  if (def.kind != TaskKind::kAdvance) return 0;
  int64_t bytes = 0;
  for (const auto& [role, input] : def.inputs) {
    const auto* made = std::get_if<TaskOutputRef>(&input);
    if (made == nullptr || !IsDisposable(state.tasks.at(made->derivation_key).record.def->kind, made->output)) continue;
    const std::optional<ArtifactRef> content = ContentOf(state, input);
    if (content.has_value()) bytes = std::max(bytes, content->size_bytes);
  }
  return bytes;
}

namespace {

// So many times as long as such tasks took, at least least_ms, from a moment on; 0: no factor, or nothing was learned.
int64_t TimesAsLong(const State& state, const TaskEntry& task, double factor, int64_t least_ms, int64_t from_ms) {
  if (factor <= 0) return 0;
  const std::optional<double> expected = ExpectedSeconds(state, task);
  if (!expected.has_value()) return 0;
  constexpr double kMaxMs = 1e15;
  return from_ms + static_cast<int64_t>(std::clamp(1000 * *expected * factor, static_cast<double>(least_ms), kMaxMs));
}

}  // namespace

int64_t ExecutionDeadline(const State& state, const TaskEntry& task) {
  return TimesAsLong(state, task, state.options.execution_factor, state.options.execution_least_ms,
                     IsDuplicated(task.record) ? task.older_leased_at_ms : task.leased_at_ms);
}

int64_t StragglerTime(const State& state, const TaskEntry& task) {
  return TimesAsLong(state, task, state.options.straggler_factor, state.options.straggler_least_ms, task.leased_at_ms);
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
