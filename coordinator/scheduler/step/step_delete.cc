// SPDX-License-Identifier: Apache-2.0
// Runs and sweeps that are deleted: their records, and what nobody else has. docs/adr/0024-deletion.md has the reasons.
#include <algorithm>

#include "coordinator/scheduler/state/garbage.h"
#include "coordinator/scheduler/state/indexing.h"
#include "coordinator/scheduler/state/run_rungs.h"
#include "coordinator/scheduler/step/stepper.h"

namespace lwq::coordinator {

Status Stepper::CheckDeletable(const RunEntry& run, bool force) const {
  const bool remakes = !run.record.remaking.is_zero();
  if (force || (HasEnded(state_, run) && !remakes)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("run ", run.record.id.value, " is ", RunStateName(run.record.state),
                                                    remakes ? ", and a result of it is being made again" : "",
                                                    ": cancel it first, or delete it by force"));
}

Status Stepper::CheckLeavable(const RunEntry& run) const {
  const auto halving = state_.halvings.find(run.sweep);
  if (halving == state_.halvings.end() || halving->second.ended()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("run ", run.record.id.value, " is in sweep ", run.sweep.value,
                                                    ", whose halving still compares its runs: cancel the run, delete "
                                                    "the sweep, or wait until its halving has ended"));
}

Status Stepper::On(const DeleteRun& event) {
  LWQ_ASSIGN_OR_RETURN(const RunId id, FindRun(state_, event.run_id));
  RunEntry& run = state_.runs.at(id);
  LWQ_RETURN_IF_ERROR(CheckLeavable(run));
  LWQ_RETURN_IF_ERROR(CheckDeletable(run, event.force));
  const SweepId sweep_id = run.sweep;
  LeaveSweep(state_, run);
  if (const auto sweep = state_.sweeps.find(sweep_id); sweep != state_.sweeps.end()) {
    if (sweep->second.members.empty()) {
      EraseSweep(sweep_id);
    } else {
      effects_.changes.push_back(PutSweep{sweep->second});
    }
  }
  DeleteReply reply{.id = id.value};
  Delete({id}, reply);
  effects_.reply = std::move(reply);
  return absl::OkStatus();
}

Status Stepper::On(const DeleteSweep& event) {
  LWQ_ASSIGN_OR_RETURN(const SweepId id, FindSweep(state_, event.sweep_id));
  std::vector<RunId> runs;
  for (const SweepRecord::Member& member : state_.sweeps.at(id).members) {
    LWQ_RETURN_IF_ERROR(
        Annotate(CheckDeletable(state_.runs.at(member.run), event.force), absl::StrCat("sweep ", id.value)));
    runs.push_back(member.run);
  }
  EraseSweep(id);
  DeleteReply reply{.id = id.value};
  Delete(runs, reply);
  effects_.reply = std::move(reply);
  return absl::OkStatus();
}

void Stepper::EraseSweep(const SweepId& id) {
  const auto sweep = state_.sweeps.find(id);
  for (const SweepRecord::Member& member : sweep->second.members) state_.runs.at(member.run).sweep = SweepId();
  effects_.changes.push_back(DropSweep{id, sweep->second.sequence});
  state_.halvings.erase(id);
  state_.sweep_revisions.erase(id);
  state_.sweeps_by_sequence.erase(sweep->second.sequence);
  state_.sweeps_by_request.erase(sweep->second.request_id);
  state_.sweeps.erase(sweep);
}

void Stepper::Delete(const std::vector<RunId>& runs, DeleteReply& reply) {
  for (const RunId& id : runs) Cancel(state_.runs.at(id));
  Settle();
  for (const RunId& id : runs) EraseRun(state_.runs.at(id));
  reply.runs = static_cast<int64_t>(runs.size());
  EraseOrphans(reply);
  ReindexBases(state_);
}

void Stepper::EraseRun(RunEntry& run) {
  const RunId id = run.record.id;
  const int64_t sequence = run.record.sequence;
  ReleaseTasks(state_, run);
  if (!run.request_id.empty()) {
    state_.requests.erase(run.request_id);
    effects_.changes.push_back(DropRequest{run.request_id});
  }
  std::erase_if(state_.retention_deadlines, [&](const auto& deadline) { return deadline.second == sequence; });
  state_.runs_by_sequence.erase(sequence);
  state_.inputs.Remove(*run.record.spec);
  const RunNews::Deletion deletion{++state_.revision, id, sequence, run.record.spec->project};
  state_.run_news.Deleted(deletion, run.revision);
  state_.runs.erase(id);
  effects_.changes.push_back(DropRun{id, sequence});
}

void Stepper::EraseOrphans(DeleteReply& reply) {
  if (state_.orphans.empty()) return;
  const uint64_t floor_before = state_.token_floor;
  for (const Digest& key : std::exchange(state_.orphans, {})) {
    reply.released_bytes += EraseTask(state_.tasks.at(key));
    ++reply.tasks;
  }
  if (state_.token_floor != floor_before) effects_.changes.push_back(PutTokenFloor{state_.token_floor});
}

int64_t Stepper::EraseTask(TaskEntry& task) {
  const TaskRecord& record = task.record;
  const Digest key = record.key;
  LWQ_CHECK(!IsLive(record) && task.wanted_by.empty() && task.holders == 0, "task ", key.short_hex(), " is ",
            TaskStateName(record.state), " and of no run");
  for (const Digest& consumer : task.consumers) {
    LWQ_CHECK(state_.tasks.at(consumer).runs.empty(), "a run has task ", consumer.short_hex(), " without task ",
              key.short_hex(), ", which it reads");
  }
  for (const auto& [role, input] : record.def->inputs) {
    const auto* made = std::get_if<TaskOutputRef>(&input);
    const auto producer = made == nullptr ? state_.tasks.end() : state_.tasks.find(made->derivation_key);
    if (producer != state_.tasks.end()) producer->second.consumers.erase(key);
  }
  int64_t released_bytes = GiveUpResults(state_, task, effects_.changes);
  UnindexTask(state_, task);
  if (record.state == TaskState::kSucceeded && !state_.action_users.contains(record.action_key)) {
    released_bytes += ForgetAction(state_, record.def->kind, record.action_key, effects_.changes);
  }
  state_.token_floor = std::max(state_.token_floor, record.token);  // of two leases' tokens the larger
  state_.health.Forget(key);
  dirty_.erase(key);
  std::erase_if(created_, [&](const Created& created) { return created.task == &task; });
  first_actions_.erase(&task);
  effects_.changes.push_back(DropTask{key});
  state_.tasks.erase(key);
  return released_bytes;
}

}  // namespace lwq::coordinator
