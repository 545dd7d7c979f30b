// SPDX-License-Identifier: Apache-2.0
// What follows when a task changes: indexes, consumers, equal actions, runs.
#include <algorithm>

#include "coordinator/scheduler/state/garbage.h"
#include "coordinator/scheduler/state/indexing.h"
#include "coordinator/scheduler/step/stepper.h"

namespace lwq::coordinator {

void Stepper::Apply(TaskEntry& task, const TaskEvent& event) {
  StatusOr<TaskStep> step = NextTask(task.record, event);
  LWQ_CHECK(step.ok(), MessageOf(step.status()));
  Replace(task, *std::move(step));
}

void Stepper::Replace(TaskEntry& task, TaskStep step) {
  if (!step.changed) return;
  const TaskState before = task.record.state;
  const Digest action_before = task.record.action_key;
  const bool from_cache_before = task.record.from_cache;
  const std::optional<TaskCheckpoint> checkpoint_before = task.record.checkpoint;
  const bool owned = before == TaskState::kReady || before == TaskState::kLeased;
  const bool newest_ended = step.task.only_older && !task.record.only_older;

  UnindexTask(state_, task);
  TakeFromLedger(state_, task, effects_.changes);
  task.record = std::move(step.task);
  EnterInLedger(state_, task);
  if (checkpoint_before.has_value() && !task.record.checkpoint.has_value()) {
    state_.activations.DiscardStray(checkpoint_before->artifact, effects_.changes);
  }
  if (step.delay_ms > 0) task.not_before_ms = now_.steady_ms + step.delay_ms;
  if (newest_ended) task.leased_at_ms = task.older_leased_at_ms;
  if (newest_ended || task.record.state != TaskState::kLeased) task.progress = Progress();
  if (task.record.state != TaskState::kLeased) task.log.clear();
  if (task.record.state == TaskState::kReady) task.ready_unix_ms = now_.unix_ms;
  if (before == TaskState::kLeased && task.record.state != TaskState::kLeased) {
    state_.shares.End(task.place.project, task.charged_seconds,
                      static_cast<double>(now_.steady_ms - task.charged_from_ms) / 1000);
    state_.activations.Expect(task.place.project, -std::exchange(task.expected_bytes, 0));
  }
  IndexTask(state_, task);
  MarkChanged(task);

  const TaskState after = task.record.state;
  if (before == TaskState::kLeased && after == TaskState::kLeased) Watch(task);
  if (after == TaskState::kFailed || after == TaskState::kCancelled) state_.health.Forget(task.record.key);
  const int done_change = (after == TaskState::kSucceeded ? 1 : 0) - (before == TaskState::kSucceeded ? 1 : 0);
  for (const auto& [sequence, position] : task.wanted_by) {
    RunEntry& run = RunAt(sequence);
    run.task_revisions[position] = Revise(state_, run);
    if (done_change > 0) maybe_finished_.insert(sequence);
    if (run.record.state != RunState::kRunning) continue;  // as it ended, whatever is made again
    run.counts.done += done_change;
    if (done_change != 0) {
      const auto alike = run.unfinished.try_emplace(run.tasks[position].depth).first;
      alike->second -= done_change;
      if (alike->second == 0) run.unfinished.erase(alike);
    }
    if (!run.tasks[position].shared) {
      run.counts.not_executed += (task.record.from_cache ? 1 : 0) - (from_cache_before ? 1 : 0);
    }
  }

  const bool owns = after == TaskState::kReady || after == TaskState::kLeased;
  if (owned && (!owns || task.record.action_key != action_before)) {
    const auto waiters = state_.action_waiters.find(action_before);
    if (waiters != state_.action_waiters.end()) {
      to_unblock_.insert(to_unblock_.end(), waiters->second.begin(), waiters->second.end());
    }
  }
  if (after == TaskState::kBlocked) to_unblock_.push_back(task.record.key);
  if (after == TaskState::kSucceeded)
    to_unblock_.insert(to_unblock_.end(), task.consumers.begin(), task.consumers.end());
  if (after == TaskState::kFailed) failed_.push_back(task.record.key);
}

void Stepper::MarkChanged(const TaskEntry& task) {
  if (!first_actions_.contains(&task)) dirty_.emplace(task.record.key, &task);
}

void Stepper::Settle() {
  while (true) {
    if (!to_unblock_.empty()) {
      const Digest key = to_unblock_.front();
      to_unblock_.pop_front();
      TryUnblock(state_.tasks.at(key));
      continue;
    }
    if (!failed_.empty()) {
      const TaskEntry& task = state_.tasks.at(failed_.front());
      failed_.pop_front();
      const std::map<int64_t, size_t> wanted_by = task.wanted_by;  // FailRun changes it
      for (const auto& [sequence, position] : wanted_by) {
        RunEntry& run = RunAt(sequence);
        FailRun(run, absl::StrCat(run.tasks[position].title, ": ", task.record.error));
      }
      continue;
    }
    if (!maybe_finished_.empty()) {
      const int64_t sequence = *maybe_finished_.begin();
      maybe_finished_.erase(maybe_finished_.begin());
      FinishIfDone(RunAt(sequence));
      RecordRungs(RunAt(sequence));
      continue;
    }
    return;
  }
}

void Stepper::TryUnblock(TaskEntry& task) {
  if (task.record.state != TaskState::kBlocked) return;
  if (task.wanted_by.empty()) {
    // Only a lost result that no run needs any more gets here.
    Apply(task, Unwanted{});
    return;
  }
  if (const auto first = first_actions_.find(&task); first != first_actions_.end() && !first->second.is_zero()) {
    Enqueue(task, first->second);
    return;
  }
  std::map<std::string, ArtifactRef> inputs;
  std::set<Digest> discarding;  // tasks that made an input that was discarded since
  for (const auto& [role, input] : task.record.def->inputs) {
    const std::optional<ArtifactRef> content = ContentOf(state_, input);
    if (!content.has_value()) continue;
    inputs.emplace(role, *content);
    if (!ReadableContentOf(state_, input).has_value()) {
      discarding.insert(std::get<TaskOutputRef>(input).derivation_key);
    }
  }
  const bool known = inputs.size() == task.record.def->inputs.size();
  const Digest action_key = known ? ActionKeyOf(*task.record.def, inputs, task.record.lr_halvings) : Digest();
  if (known && Remember(task, action_key)) return;
  if (!state_.remaking_runs.empty()) WantMissingInputs(task);
  // It will be executed, hence read them all: what was discarded is made again while the rest is still on its way.
  for (const Digest& producer : discarding) Rewind(producer);
  if (known && discarding.empty()) Enqueue(task, action_key);
}

bool Stepper::Remember(TaskEntry& task, const Digest& action_key) {
  if (!state_.actions.contains(action_key)) return false;
  UnindexTask(state_, task);
  Apply(task, Remembered{action_key});
  return true;
}

void Stepper::Enqueue(TaskEntry& task, const Digest& action_key) {
  if (Remember(task, action_key)) return;
  const auto owner = state_.action_owner.find(action_key);
  if (owner != state_.action_owner.end() && owner->second != task.record.key) {
    UnindexTask(state_, task);  // It may have waited for another action before.
    task.waiting_for = action_key;
    state_.action_waiters[action_key].insert(task.record.key);
    RequeueTask(state_, state_.tasks.at(owner->second));
    return;
  }
  Apply(task, Unblocked{action_key});
}

void Stepper::Rewind(const Digest& producer_key) {
  TaskEntry& producer = state_.tasks.at(producer_key);
  if (producer.record.state != TaskState::kSucceeded) return;  // It is being made again already.
  const Digest action_key = producer.record.action_key;
  const std::set<Digest> users = state_.action_users.at(action_key);
  for (const Digest& key : users) {
    TaskEntry& user = state_.tasks.at(key);
    Apply(user, OutputLost{});
    for (const Digest& consumer : user.consumers) Apply(state_.tasks.at(consumer), InputGone{});
  }
  ForgetAction(state_, producer.record.def->kind, action_key, effects_.changes);
}

}  // namespace lwq::coordinator
