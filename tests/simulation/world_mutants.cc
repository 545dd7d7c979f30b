// SPDX-License-Identifier: Apache-2.0
// What each planted mistake makes of events, effects and state.
#include "coordinator/scheduler/state/restore.h"
#include "tests/simulation/world.h"

namespace lwq::coordinator::simulation {

// --- Mutants ---------------------------------------------------------------------------------------------------------

void World::Mutate(const Event& /*original*/, Event& event) {
  auto* beat = std::get_if<Heartbeat>(&event);
  if (mutant_ == Mutant::kTakeAnyCheckpoint && beat != nullptr && !beat->tasks.empty()) {
    const auto task = state_->tasks.find(beat->tasks[0].task);
    if (task == state_->tasks.end() || task->second.record.state != TaskState::kLeased) return;
    beat->tasks[0].token = task->second.record.token;
    beat->worker = task->second.record.worker;
  }
  if (mutant_ != Mutant::kSkipTokenCheck) return;
  auto* report = std::get_if<ReportTask>(&event);
  if (report == nullptr) return;
  const auto task = state_->tasks.find(report->task);
  if (task == state_->tasks.end() || task->second.record.state != TaskState::kLeased) return;
  report->token = task->second.record.token;
  report->worker = task->second.record.worker;
}

void World::MutateEffects(Effects& effects) {
  if (mutant_ == Mutant::kLoseTaskChange && random_.Chance(0.05)) {
    std::erase_if(effects.changes, [](const Change& change) {
      const auto* task = std::get_if<PutTask>(&change);
      return task != nullptr && !task->is_new;
    });
  }
  if (mutant_ == Mutant::kForgetDroppedResult) {
    std::erase_if(effects.changes, [](const Change& change) { return std::holds_alternative<DropAction>(change); });
  }
  if (mutant_ == Mutant::kDiscardWhatIsRead && random_.Chance(0.05)) DiscardWhatIsRead(effects);
  if (mutant_ == Mutant::kDiscardCheckpoint && random_.Chance(0.05)) {
    for (const auto& [key, task] : state_->tasks) {
      const std::optional<TaskCheckpoint>& checkpoint = task.record.checkpoint;
      if (checkpoint.has_value()) state_->activations.DiscardStray(checkpoint->artifact, effects.changes);
    }
  }
  if (mutant_ == Mutant::kForgetCheckpoint) ForgetCheckpoints(effects);
  if (mutant_ == Mutant::kOfferDeleted) {
    std::set<Digest> deleted;
    for (const auto& [digest, activation] : state_->activations.all()) {
      if (activation.state == ActivationState::kDeleted) deleted.insert(digest);
    }
    for (const Digest& digest : deleted) state_->activations.Made(digest, effects.changes);
  }
  if (mutant_ == Mutant::kForgetRungResult) {
    std::erase_if(effects.changes,
                  [](const Change& change) { return std::holds_alternative<AppendRungResult>(change); });
  }
  if (mutant_ == Mutant::kLoseDiscard) {
    std::erase_if(effects.changes, [](const Change& change) { return std::holds_alternative<PutDiscarded>(change); });
  }
  if (mutant_ == Mutant::kKeepOrphans) {
    std::erase_if(effects.changes, [](const Change& change) { return std::holds_alternative<DropTask>(change); });
  }
  if (mutant_ == Mutant::kForgetSubmission) {
    std::erase_if(effects.changes, [](const Change& change) {
      return std::holds_alternative<PutRun>(change) || std::holds_alternative<PutRequest>(change) ||
             std::holds_alternative<PutRunTasks>(change);
    });
  }
}

// What is no checkpoint any more counts as deleted at once.
void World::ForgetCheckpoints(Effects& effects) {
  const WorkerId nobody{"nobody"};
  const std::vector<Change> changes = effects.changes;
  for (const Change& change : changes) {
    const auto* put = std::get_if<PutDiscarded>(&change);
    if (put == nullptr || put->discarded.deleted || !checker_.IsCheckpoint(put->discarded.artifact.digest)) continue;
    state_->activations.Offer(nobody, options_.activation_bytes, effects.changes);
    state_->activations.Deleted(nobody, put->discarded.artifact.digest, effects.changes);
    state_->activations.Release(nobody);
  }
}

// An input of a ready task is discarded; everything else is as it should be.
void World::DiscardWhatIsRead(Effects& effects) {
  for (const auto& [key, task] : state_->tasks) {
    if (task.record.state != TaskState::kReady) continue;
    for (const auto& [role, input] : task.record.def->inputs) {
      const Digest artifact = ContentOf(*state_, input)->digest;
      const auto read = state_->activations.all().find(artifact);
      if (read == state_->activations.all().end()) continue;
      const int64_t readers = read->second.readers;
      state_->activations.AddReaders(artifact, -readers);
      state_->activations.Offer(WorkerId{"nobody"}, 0, effects.changes);
      state_->activations.AddReaders(artifact, readers);
      return;
    }
  }
}

void World::MutateState() {
  if (mutant_ == Mutant::kReuseTokens) state_->token_floor = 0;
  if (mutant_ == Mutant::kReviveRun && random_.Chance(0.01)) {
    for (auto& [id, run] : state_->runs) {
      if (IsTerminal(run.record.state)) run.record.state = RunState::kPending;
    }
  }
  if (mutant_ == Mutant::kForgetReadyTask && random_.Chance(0.02)) {
    for (auto& [key, task] : state_->tasks) {
      if (!task.queued) continue;
      state_->ready.Erase(task.place, key);
      task.queued = false;
      return;
    }
  }
  if (mutant_ == Mutant::kReadyBeforeInputs && random_.Chance(0.02)) {
    for (auto& [key, task] : state_->tasks) {
      if (task.record.state != TaskState::kBlocked || !task.waiting_for.is_zero() || task.wanted_by.empty()) continue;
      task.record.state = TaskState::kReady;
      task.record.action_key = DigestOf(absl::StrCat("invented ", key.hex()));
      state_->action_owner[task.record.action_key] = key;
      task.queued = true;
      task.place = {DemandOf(task.record), "", {}};
      state_->ready.Insert(task.place, key, now_ms_);
      return;
    }
  }
}

}  // namespace lwq::coordinator::simulation
