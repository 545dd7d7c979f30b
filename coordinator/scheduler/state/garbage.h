// SPDX-License-Identifier: Apache-2.0
// Which outputs may be discarded and who still reads them: keeps the ledger of activations, and what is known of kept
// results (kept_artifacts.h), equal to what tasks and runs say. docs/adr/0010-activation-garbage.md has the reasons.
//
// An output is read by every task that takes it as an input and is BLOCKED, READY or LEASED, hence wanted by an active
// run; and all outputs of a run that may still get more tasks count as read. A discarded output keeps its name: what
// its readers made is found without making it again; only a reader that has to be executed has it made (TryUnblock).
//
// Pure on State. Cost: the inputs and outputs of the tasks named, never all tasks.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "coordinator/scheduler/state/state.h"

namespace lwq::coordinator {

// Whether the task will still be executed, or is: BLOCKED, READY or LEASED.
bool IsLive(const TaskRecord& task);

// Whether all tasks the run will ever have are known.
bool GraphIsComplete(const RunEntry& run);

// Takes the task's reads and results out of the ledger before its record changes, and enters them after.
void TakeFromLedger(State& state, TaskEntry& task, std::vector<Change>& changes);
void EnterInLedger(State& state, TaskEntry& task);

// The task, which is not live and which no run has any more, has no results any more: those that no other has are to be
// deleted. The bytes that so become free.
int64_t GiveUpResults(State& state, const TaskEntry& task, std::vector<Change>& changes);

// What an action of a task of that kind made is remembered from now on.
void RememberAction(State& state, TaskKind kind, ActionRecord action, std::vector<Change>& changes);
// It is not remembered any more. Bytes of its kept results that no other action has.
int64_t ForgetAction(State& state, TaskKind kind, const Digest& action_key, std::vector<Change>& changes);

// What the task has just reported is in the object store, whatever was discarded before.
void NoteMade(State& state, const TaskEntry& task, std::vector<Change>& changes);

// Keeps the results of the run's first `tasks` tasks from being discarded, and no others of it. Called again whenever
// the run got tasks, is complete, or has ended.
void HoldResults(State& state, RunEntry& run, size_t tasks);
// How many that must be now.
size_t TasksToHold(const RunEntry& run);

// Whether what was made is to be there: neither an activation that was discarded nor a kept result that was given up.
bool IsReadable(const State& state, const Digest& artifact);
// The content of an input if it is known and has not been discarded.
std::optional<ArtifactRef> ReadableContentOf(const State& state, const TaskInput& input);

// After a restart, once tasks and runs are linked.
void RestoreLedger(State& state, const std::vector<DiscardedRecord>& discarded);

}  // namespace lwq::coordinator
