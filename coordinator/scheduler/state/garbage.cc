// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/garbage.h"

namespace lwq::coordinator {
namespace {

// The task's results that may be discarded; none unless it has SUCCEEDED.
std::map<std::string, ArtifactRef> DisposableResults(const State& state, const TaskRecord& task) {
  std::map<std::string, ArtifactRef> results;
  if (task.state != TaskState::kSucceeded) return results;
  for (const auto& [role, artifact] : state.actions.at(task.action_key).outputs) {
    if (IsDisposable(task.def->kind, role)) results.emplace(role, artifact);
  }
  return results;
}

int64_t ReadersOf(const TaskEntry& task, const std::string& role) {
  const auto readers = task.readers.find(role);
  return task.holders + (readers == task.readers.end() ? 0 : readers->second);
}

// The task begins (+1) or ceases (−1) to need its inputs.
void CountReads(State& state, const TaskRecord& task, int64_t delta) {
  if (!IsLive(task)) return;
  for (const auto& [role, input] : task.def->inputs) {
    const auto* made = std::get_if<TaskOutputRef>(&input);
    if (made == nullptr) continue;
    TaskEntry& producer = state.tasks.at(made->derivation_key);
    if (!IsDisposable(producer.record.def->kind, made->output)) continue;
    int64_t& readers = producer.readers[made->output];
    readers += delta;
    if (readers == 0) producer.readers.erase(made->output);
    if (producer.record.state != TaskState::kSucceeded) continue;
    const auto& outputs = state.actions.at(producer.record.action_key).outputs;
    const auto output = outputs.find(made->output);
    if (output != outputs.end()) state.activations.AddReaders(output->second.digest, delta);
  }
}

void AddResults(State& state, const TaskEntry& task) {
  for (const auto& [role, artifact] : DisposableResults(state, task.record)) {
    state.activations.AddResult(artifact, ReadersOf(task, role));
  }
}

void CountKept(State& state, TaskKind kind, const ActionRecord& action) {
  for (const auto& [role, artifact] : action.outputs) {
    if (!IsDisposable(kind, role)) state.kept.AddResult(artifact);
  }
}

// One more run keeps the task's results, or one less.
void CountHolder(State& state, TaskEntry& task, int64_t delta) {
  task.holders += delta;
  for (const auto& [role, artifact] : DisposableResults(state, task.record)) {
    state.activations.AddReaders(artifact.digest, delta);
  }
}

}  // namespace

bool IsLive(const TaskRecord& task) {
  switch (task.state) {
    case TaskState::kBlocked:
    case TaskState::kReady:
    case TaskState::kLeased:
      return true;
    case TaskState::kSucceeded:
    case TaskState::kFailed:
    case TaskState::kCancelled:
      return false;
  }
  return false;
}

bool GraphIsComplete(const RunEntry& run) {
  return !run.pending.has_value();
}

// A task's record never changes while it stands in the ledger: its reads and results are taken out as the old record
// has them, and entered again as the new one has them. So no transition needs to know what it does to the ledger.
void TakeFromLedger(State& state, TaskEntry& task, std::vector<Change>& changes) {
  CountReads(state, task.record, -1);
  for (const auto& [role, artifact] : DisposableResults(state, task.record)) {
    state.activations.DropResult(artifact.digest, ReadersOf(task, role), changes);
  }
}

void EnterInLedger(State& state, TaskEntry& task) {
  CountReads(state, task.record, +1);
  AddResults(state, task);
}

int64_t GiveUpResults(State& state, const TaskEntry& task, std::vector<Change>& changes) {
  const int64_t stored_before = state.activations.stored_bytes();
  for (const auto& [role, artifact] : DisposableResults(state, task.record)) {
    state.activations.DropResult(artifact.digest, ReadersOf(task, role), changes, ActivationLedger::Orphan::kDiscard);
  }
  return stored_before - state.activations.stored_bytes();
}

void RememberAction(State& state, TaskKind kind, ActionRecord action, std::vector<Change>& changes) {
  const Digest key = action.key;
  if (state.actions.contains(key)) ForgetAction(state, kind, key, changes);
  changes.push_back(PutAction{action});
  CountKept(state, kind, state.actions.emplace(key, std::move(action)).first->second);
}

int64_t ForgetAction(State& state, TaskKind kind, const Digest& action_key, std::vector<Change>& changes) {
  int64_t bytes = 0;
  const auto action = state.actions.find(action_key);
  for (const auto& [role, artifact] : action->second.outputs) {
    if (!IsDisposable(kind, role) && state.kept.DropResult(artifact.digest, changes)) bytes += artifact.size_bytes;
  }
  state.actions.erase(action);
  changes.push_back(DropAction{action_key});
  return bytes;
}

void NoteMade(State& state, const TaskEntry& task, std::vector<Change>& changes) {
  if (task.record.state != TaskState::kSucceeded) return;
  for (const auto& [role, artifact] : state.actions.at(task.record.action_key).outputs) {
    state.activations.ChargeTo(artifact.digest, task.place.project);
    state.activations.Made(artifact.digest, changes);
    state.kept.Made(artifact.digest, changes);
  }
}

void HoldResults(State& state, RunEntry& run, size_t tasks) {
  while (run.held < tasks) CountHolder(state, state.tasks.at(run.tasks[run.held++].key), +1);
  while (run.held > tasks) CountHolder(state, state.tasks.at(run.tasks[--run.held].key), -1);
}

size_t TasksToHold(const RunEntry& run) {
  const bool is_active = run.record.state == RunState::kPending || run.record.state == RunState::kRunning;
  return !is_active || GraphIsComplete(run) ? 0 : run.tasks.size();
}

bool IsReadable(const State& state, const Digest& artifact) {
  return state.activations.IsReadable(artifact) && state.kept.IsReadable(artifact);
}

std::optional<ArtifactRef> ReadableContentOf(const State& state, const TaskInput& input) {
  std::optional<ArtifactRef> content = ContentOf(state, input);
  const bool made = std::holds_alternative<TaskOutputRef>(input);
  if (!made || !content.has_value()) return content;
  if (!IsReadable(state, content->digest)) return std::nullopt;
  return content;
}

void RestoreLedger(State& state, const std::vector<DiscardedRecord>& discarded) {
  for (const auto& [key, users] : state.action_users) {
    CountKept(state, state.tasks.at(*users.begin()).record.def->kind, state.actions.at(key));
  }
  for (const DiscardedRecord& record : discarded) {
    if (state.kept.Has(record.artifact.digest)) {
      state.kept.Restore(record.artifact.digest);
    } else {
      state.activations.Restore(record);
    }
  }
  // Step 1: what was discarded. Step 2: results, before their readers: a reader's count goes to what it reads. Step 3:
  // the reads of tasks. Step 4: what runs hold.
  for (const auto& [key, task] : state.tasks) {
    AddResults(state, task);
    if (task.wanted_by.empty()) continue;
    const RunId& first = state.runs_by_sequence.at(task.wanted_by.begin()->first);
    for (const auto& [role, artifact] : DisposableResults(state, task.record)) {
      state.activations.ChargeTo(artifact.digest, state.runs.at(first).record.spec->project);
    }
  }
  for (const auto& [key, task] : state.tasks) CountReads(state, task.record, +1);
  for (auto& [id, run] : state.runs) HoldResults(state, run, TasksToHold(run));
}

}  // namespace lwq::coordinator
