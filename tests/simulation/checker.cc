// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/checker.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "coordinator/scheduler/foresee/why.h"
#include "coordinator/scheduler/state/garbage.h"
#include "coordinator/scheduler/state/indexing.h"
#include "coordinator/scheduler/state/task_machine.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator::simulation {
namespace {

// The state as a whole is looked at every so many steps: it costs as much as all other checks together.
constexpr int64_t kWholeStateEvery = 16;

// A task that is not over and reads the artifact; "" if there is none.
std::string ReaderOf(const State& state, const Digest& artifact) {
  for (const auto& [key, task] : state.tasks) {
    const TaskState now = task.record.state;
    if (now != TaskState::kBlocked && now != TaskState::kReady && now != TaskState::kLeased) continue;
    if (task.record.checkpoint.has_value() && task.record.checkpoint->artifact.digest == artifact) {
      return absl::StrCat("the next attempt at task ", key.short_hex());
    }
    for (const auto& [role, input] : task.record.def->inputs) {
      const std::optional<ArtifactRef> content = ContentOf(state, input);
      if (content.has_value() && content->digest == artifact) {
        return absl::StrCat("task ", key.short_hex(), " (", TaskStateName(now), ")");
      }
    }
  }
  return "";
}

// Of a run that did not end: the tasks that are ready or leased, and why.
std::string WhatIsLeft(const State& state, const RunEntry& run, int64_t now_ms) {
  std::string text = run.waiting_reason;
  for (size_t position = 0; position < run.tasks.size(); ++position) {
    const TaskState now = state.tasks.at(run.tasks[position].key).record.state;
    if (now != TaskState::kReady && now != TaskState::kLeased) continue;
    absl::StrAppend(&text, "\n  ", run.tasks[position].title, " (", TaskStateName(now), ")");
    for (const std::string& line : Why(state, run, position, {.steady_ms = now_ms, .unix_ms = 0})) {
      absl::StrAppend(&text, "; ", line);
    }
  }
  return text;
}

}  // namespace

void Checker::Fail(int64_t now_ms, const std::string& what) {
  if (violation_.empty()) violation_ = absl::StrCat("at ", now_ms, " ms: ", what);
}

void Checker::AfterStep(const State& state, const Event& event, const std::optional<TaskRecord>& before,
                        const Effects& effects, int64_t now_ms) {
  const auto* report = std::get_if<ReportTask>(&event);
  if (report != nullptr && before.has_value()) CheckReport(state, *report, *before, effects, now_ms);
  CheckChanges(effects, now_ms);
  CheckHalvedLease(state, effects, now_ms);
  CheckRuns(state, now_ms);
  CheckJournals(state, now_ms);
  if (++steps_ % kWholeStateEvery == 0) {
    const std::string wrong = testing::CheckIndexes(state);
    if (!wrong.empty()) Fail(now_ms, wrong);
  }
}

void Checker::CheckReport(const State& state, const ReportTask& report, const TaskRecord& before,
                          const Effects& effects, int64_t now_ms) {
  const WorkerId* holder = HolderOf(before, report.token);
  if (holder != nullptr && *holder == report.worker) return;
  const TaskRecord& after = state.tasks.at(report.task).record;
  // The same call may have leased the task anew; nothing else may have come of it.
  const bool leased_anew = after.state == TaskState::kLeased && after.token > before.token;
  // A worker that was silent is heard again, and a run that waited for one starts: it may want what nobody wanted.
  const bool abandoned = before.state == TaskState::kCancelled || before.state == TaskState::kFailed;
  const bool wanted_again =
      abandoned && std::any_of(effects.changes.begin(), effects.changes.end(), [](const Change& change) {
        const auto* put = std::get_if<PutRun>(&change);
        return put != nullptr && put->run.state == RunState::kRunning;
      });
  // A repeated report asked for more while its worker held the task anew, which an input of it was lost for meanwhile.
  const auto& inputs = before.def->inputs;
  const bool taken_back = report.token == before.reported_token && report.lease_next &&
                          TokenOf(before, report.worker) != 0 && after.state == TaskState::kBlocked &&
                          !std::all_of(inputs.begin(), inputs.end(), [&](const auto& input) {
                            return ReadableContentOf(state, input.second).has_value();
                          });
  if (taken_back) return;
  if (after.reported_token != before.reported_token || (after.state != before.state && !leased_anew && !wanted_again)) {
    Fail(now_ms,
         absl::StrCat("a report with stale token ", report.token, " of ", report.worker.value, " changed task ",
                      before.key.short_hex(), " from ", TaskStateName(before.state), " (token ", before.token, " of ",
                      before.worker.value, ", reported ", before.reported_token, ") to ", TaskStateName(after.state)));
  }
  for (const Change& change : effects.changes) {
    if (std::holds_alternative<PutAction>(change)) Fail(now_ms, "a report with a stale token stored a result");
  }
}

void Checker::CheckChanges(const Effects& effects, int64_t now_ms) {
  for (const Change& change : effects.changes) {
    if (const auto* put = std::get_if<PutAction>(&change)) {
      if (results_.contains(put->action.key)) {
        Fail(now_ms, absl::StrCat("action ", put->action.key.short_hex(), " has a second result"));
      }
    } else if (const auto* task = std::get_if<PutTask>(&change)) {
      for (int i = 0; i < kFailureCauses; ++i) {
        const auto cause = static_cast<FailureCause>(i);
        const int failures = task->task.failures[static_cast<size_t>(i)];
        // One more failure than retries: the last.
        const bool beyond =
            failures > 1 && DecideRetry(cause, failures - 1, 1, LimitsOf(task->task)).action == RetryAction::kGiveUp;
        if (beyond) Fail(now_ms, absl::StrCat("task ", task->task.key.short_hex(), " was tried beyond its budget"));
      }
    }
  }
}

void Checker::AfterCommit(const State& state, const Effects& effects, int64_t now_ms) {
  CheckDiscards(state, effects, now_ms);
  CheckCheckpoints(effects, now_ms);
  for (const Change& change : effects.changes) {
    if (const auto* put = std::get_if<PutAction>(&change)) results_.insert(put->action.key);
    if (const auto* drop = std::get_if<DropAction>(&change)) results_.erase(drop->key);
  }
  for (const auto& [id, run] : state.runs) {
    if (IsTerminal(run.record.state)) terminal_.emplace(id, run.record.state);
  }
  for (const auto& [id, sweep] : state.sweeps) journals_[id] = sweep.rung_results.size();
  for (const RunId& id : deletable_) {
    if (!state.runs.contains(id)) deleted_.insert(id);
  }
}

void Checker::CheckpointStored(const Digest& checkpoint, const Lease& lease) {
  checkpoints_[checkpoint] = {lease.task, lease.action_key, lease.token};
}

void Checker::CheckCheckpoints(const Effects& effects, int64_t now_ms) {
  for (const Change& change : effects.changes) {
    const auto* put = std::get_if<PutTask>(&change);
    if (put == nullptr || !put->task.checkpoint.has_value()) continue;
    const TaskCheckpoint& checkpoint = *put->task.checkpoint;
    recorded_.insert(checkpoint.artifact.digest);
    const auto stored = checkpoints_.find(checkpoint.artifact.digest);
    if (stored == checkpoints_.end() || stored->second.task != put->task.key ||
        stored->second.action != checkpoint.action || stored->second.token != checkpoint.token) {
      Fail(now_ms, absl::StrCat("task ", put->task.key.short_hex(), " has a checkpoint of lease ", checkpoint.token,
                                " that was not stored under it"));
    }
  }
}

void Checker::Deleting(const State& state, const Digest& artifact, int64_t now_ms) {
  if (!IsCheckpoint(artifact)) return;
  const std::string reader = ReaderOf(state, artifact);
  if (!reader.empty()) {
    Fail(now_ms,
         absl::StrCat("checkpoint ", artifact.short_hex(), " is deleted, but ", reader, " would go on from it"));
  }
}

void Checker::AllDeleted(const State& state, const Records& records, const std::set<Digest>& objects, int64_t now_ms) {
  for (const Digest& checkpoint : recorded_) {
    if (objects.contains(checkpoint)) {
      Fail(now_ms, absl::StrCat("all runs are deleted, but checkpoint ", checkpoint.short_hex(), " is still there"));
    }
  }
  const std::string left = testing::CheckEmpty(state);
  if (!left.empty()) Fail(now_ms, absl::StrCat("all runs are deleted: ", left));
  const std::string stored = testing::CheckStored(state, records);
  if (!stored.empty()) Fail(now_ms, absl::StrCat("all runs are deleted: ", stored));
}

void Checker::CheckDiscards(const State& state, const Effects& effects, int64_t now_ms) {
  std::set<Digest> made;
  for (const Change& change : effects.changes) {
    const auto* action = std::get_if<PutAction>(&change);
    if (action == nullptr) continue;
    for (const auto& [role, output] : action->action.outputs) made.insert(output.digest);
  }
  for (const Change& change : effects.changes) {
    if (const auto* drop = std::get_if<DropDiscarded>(&change)) {
      discarded_.erase(drop->artifact);
      if (state.activations.all().contains(drop->artifact) && !made.contains(drop->artifact)) {
        Fail(now_ms, absl::StrCat("artifact ", drop->artifact.short_hex(), " counts as stored, but nobody made it"));
      }
    } else if (const auto* put = std::get_if<PutDiscarded>(&change)) {
      const Digest& artifact = put->discarded.artifact.digest;
      discarded_.insert(artifact);
      const std::string reader = put->discarded.deleted ? "" : ReaderOf(state, artifact);
      if (!reader.empty()) {
        Fail(now_ms, absl::StrCat("artifact ", artifact.short_hex(), " was discarded, but ", reader, " reads it"));
      }
    }
  }
  const auto* reply = std::get_if<LeaseReply>(&effects.reply);
  if (reply == nullptr || !reply->lease.has_value()) return;
  for (const auto& [role, input] : reply->lease->inputs) {
    if (discarded_.contains(input.digest)) {
      Fail(now_ms, absl::StrCat(reply->lease->title, " was leased with input '", role, "', which was discarded"));
    }
  }
}

void Checker::CheckHalvedLease(const State& state, const Effects& effects, int64_t now_ms) {
  const auto* reply = std::get_if<LeaseReply>(&effects.reply);
  if (reply == nullptr || !reply->lease.has_value()) return;
  const Digest& key = reply->lease->task;
  const bool granted_now = std::any_of(effects.changes.begin(), effects.changes.end(), [&](const Change& change) {
    const auto* task = std::get_if<PutTask>(&change);
    return task != nullptr && task->task.key == key && task->task.state == TaskState::kLeased;
  });
  if (!granted_now) return;
  if (!PlaceOf(state, state.tasks.at(key)).has_value()) {
    Fail(now_ms, absl::StrCat(reply->lease->title, " was leased, but no run may begin it"));
  }
}

void Checker::CheckJournals(const State& state, int64_t now_ms) {
  for (const auto& [id, stored] : journals_) {
    const auto sweep = state.sweeps.find(id);
    if (sweep == state.sweeps.end() && deletable_sweeps_.contains(id)) continue;
    if (sweep == state.sweeps.end() || sweep->second.rung_results.size() < stored) {
      Fail(now_ms, absl::StrCat("sweep ", id.value, " has lost what was recorded"));
    }
  }
}

void Checker::SweepEnded(const State& state, const SweepId& id, const EndedSweep& reference, bool touched,
                         int64_t now_ms) {
  const SweepRecord& sweep = state.sweeps.at(id);
  bool budget_used_up = false;
  // Of those that were not deleted.
  std::vector<RunState> states, expected;
  for (const SweepRecord::Member& member : sweep.members) {
    const RunRecord& run = state.runs.at(member.run).record;
    states.push_back(run.state);
    expected.push_back(reference.states[static_cast<size_t>(member.place)]);
    budget_used_up = budget_used_up || run.error.find(" times") != std::string::npos;
  }
  const bool is_synchronous = sweep.halving->rule.order == HalvingOrder::kSynchronous;
  if (touched || budget_used_up || !is_synchronous) return;
  const auto sorted = [](std::vector<RungResult> results) {
    std::vector<std::string> lines;
    for (const RungResult& one : results) lines.push_back(absl::StrCat(one.run, " ", one.rung, " ", one.value));
    std::sort(lines.begin(), lines.end());
    return lines;
  };
  if (states != expected || sorted(sweep.rung_results) != sorted(reference.results)) {
    const auto names = [](const std::vector<RunState>& of) {
      return absl::StrJoin(of, " ", [](std::string* out, RunState one) { absl::StrAppend(out, RunStateName(one)); });
    };
    Fail(now_ms, absl::StrCat("sweep ", id.value, " promoted others than an undisturbed one: ", names(states), " for ",
                              names(expected), "; ", absl::StrJoin(sorted(sweep.rung_results), ", "), " for ",
                              absl::StrJoin(sorted(reference.results), ", ")));
  }
}

void Checker::CheckRuns(const State& state, int64_t now_ms) {
  for (const auto& [id, ended] : terminal_) {
    const auto run = state.runs.find(id);
    if (run == state.runs.end()) {
      if (!deletable_.contains(id)) Fail(now_ms, absl::StrCat("run ", id.value, " was forgotten"));
    } else if (run->second.record.state != ended) {
      Fail(now_ms, absl::StrCat("run ", id.value, " left its terminal state"));
    }
  }
  for (const RunId& id : deleted_) {
    if (state.runs.contains(id)) Fail(now_ms, absl::StrCat("run ", id.value, " came back after it was deleted"));
  }
  for (const auto& [request_id, run] : acknowledged_) {
    if (!state.runs.contains(run) && !deletable_.contains(run))
      Fail(now_ms, absl::StrCat("acknowledged run ", run.value, " was lost"));
  }
}

void Checker::LeaseDelivered(const WorkerId& worker, const Lease& lease, int64_t now_ms) {
  const auto [holder, added] = granted_.emplace(std::make_pair(lease.task, lease.token), worker);
  if (!added && holder->second != worker) {
    Fail(now_ms, absl::StrCat("token ", lease.token, " of task ", lease.task.short_hex(), " was given to ",
                              holder->second.value, " and to ", worker.value));
  }
  if (lease.token == 0) Fail(now_ms, "a lease has token zero");
  if (added && lease.inputs.size() != lease.def->inputs.size()) {
    Fail(now_ms, absl::StrCat(lease.title, " was leased before its inputs existed"));
  }
  if (lease.checkpoint.has_value() && lease.checkpoint->action != lease.action_key) {
    Fail(now_ms, absl::StrCat(lease.title, " was leased with a checkpoint of another action"));
  }
  for (const auto& [role, input] : lease.inputs) {
    const bool leaf = std::holds_alternative<ArtifactRef>(lease.def->inputs.at(role));
    if (!leaf && !made_.contains(input.digest)) {
      Fail(now_ms, absl::StrCat(lease.title, " was leased with an input '", role, "' that nobody made"));
    }
  }
}

void Checker::SubmissionAcknowledged(const std::string& request_id, const RunId& run, int64_t now_ms) {
  const auto [known, added] = acknowledged_.emplace(request_id, run);
  if (added || known->second == run) return;
  // Asked again after a deletion, it is another run; an answer from before may come late.
  if (!deletable_.contains(known->second) && !deletable_.contains(run)) {
    Fail(now_ms, absl::StrCat("request ", request_id, " names two runs"));
  }
  if (deletable_.contains(known->second)) known->second = run;
}

void Checker::Restarted(const std::string& restored, const std::string& committed, int64_t now_ms) {
  if (restored != committed) Fail(now_ms, "the restored state is not the committed one");
}

void Checker::RunEnded(const State& state, const RunId& id, const RunRecord& reference, bool cancel_asked,
                       int64_t now_ms) {
  const RunRecord& run = state.runs.at(id).record;
  switch (run.state) {
    case RunState::kPending:
    case RunState::kRunning:
    case RunState::kStopped:  // It is of no sweep.
      Fail(now_ms, absl::StrCat("run ", id.value, " did not end, it is ", RunStateName(run.state), ": ",
                                WhatIsLeft(state, state.runs.at(id), now_ms)));
      return;
    case RunState::kSucceeded:
      if (reference.state != RunState::kSucceeded)
        Fail(now_ms, absl::StrCat("run ", id.value, " succeeded, but should not"));
      if (!(run.result == reference.result))
        Fail(now_ms, absl::StrCat("run ", id.value, " has another result than an undisturbed one"));
      return;
    case RunState::kFailed:
      // Either it fails undisturbed as well, or a budget was used up, which its error says.
      if (reference.state == RunState::kSucceeded && run.error.find(" times") == std::string::npos) {
        Fail(now_ms, absl::StrCat("run ", id.value, " failed: ", run.error));
      }
      return;
    case RunState::kCancelled:
      if (!cancel_asked) Fail(now_ms, absl::StrCat("run ", id.value, " was cancelled by nobody"));
      return;
  }
}

}  // namespace lwq::coordinator::simulation
