// SPDX-License-Identifier: Apache-2.0
// Runs: pinning to a class of workers, growth, their end.
#include <algorithm>

#include "absl/strings/str_join.h"
#include "common/json/json.h"
#include "common/task/numerics_class.h"
#include "common/text/one_line.h"
#include "coordinator/scheduler/state/garbage.h"
#include "coordinator/scheduler/state/indexing.h"
#include "coordinator/scheduler/state/retention.h"
#include "coordinator/scheduler/state/run_rungs.h"
#include "coordinator/scheduler/step/stepper.h"

namespace lwq::coordinator {
namespace {

constexpr size_t kMaxErrorBytes = 2000;

// "sensitivity measured (fisher, 64 samples): most sensitive are blocks 3, 1, 7"
std::string MeasuredLine(const Measurement& measurement) {
  constexpr size_t kNamed = 3;
  if (!measurement.metric.has_value()) return "weight errors measured";
  const std::vector<int64_t> order = SensitivityOrder(PolicyScores(measurement));
  const size_t named = std::min(kNamed, order.size());
  return absl::StrCat("sensitivity measured (", WordOf(*measurement.metric), ", ", measurement.samples,
                      " samples): most sensitive ", named == 1 ? "is block " : "are blocks ",
                      absl::StrJoin(order.begin(), order.begin() + static_cast<ptrdiff_t>(named), ", "));
}

// Nobody wanted it any more, or nobody can: it begins anew for who wants it again.
bool IsAbandoned(const TaskRecord& task) {
  return task.state == TaskState::kFailed || task.state == TaskState::kCancelled;
}

// The main kind's class, and what differs from it.
std::string PinsText(const RunRecord& run) {
  std::string text = run.numerics_class;
  for (const auto& [kind, base] : run.kind_bases) {
    const std::string its_class = ClassOf(run.kind_bases, kind, run.recipe);
    if (BaseOf(run.numerics_class) != base) absl::StrAppend(&text, "; ", TaskKindName(kind), " to ", its_class);
  }
  return text;
}

}  // namespace

Status Stepper::On(const CancelRun& event) {
  LWQ_ASSIGN_OR_RETURN(const RunId id, FindRun(state_, event.run_id));
  effects_.reply = RunReply{id};
  Cancel(state_.runs.at(id));
  return absl::OkStatus();
}

Status Stepper::On(const PauseRun& event) {
  LWQ_ASSIGN_OR_RETURN(const RunId id, FindRun(state_, event.run_id));
  effects_.reply = RunReply{id};
  RunEntry& run = state_.runs.at(id);
  if (!event.paused && run.record.state == RunState::kStopped) {
    LeaveHalving(run);
  } else {
    SetPaused(run, event.paused);
  }
  return absl::OkStatus();
}

Status Stepper::On(const CancelSweep& event) {
  LWQ_ASSIGN_OR_RETURN(const SweepId id, FindSweep(state_, event.sweep_id));
  effects_.reply = SweepReply{id};
  // Also what halving might let go on in place of those that are cancelled; what it is through with is a result. And
  // results that are being made again.
  std::vector<RunEntry*> open;
  for (const SweepRecord::Member& member : state_.sweeps.at(id).members) {
    RunEntry& run = state_.runs.at(member.run);
    if (!HasEnded(state_, run) || !run.record.remaking.is_zero()) open.push_back(&run);
  }
  for (RunEntry* run : open) Cancel(*run);
  return absl::OkStatus();
}

Status Stepper::On(const PauseSweep& event) {
  LWQ_ASSIGN_OR_RETURN(const SweepId id, FindSweep(state_, event.sweep_id));
  effects_.reply = SweepReply{id};
  for (const SweepRecord::Member& member : state_.sweeps.at(id).members) {
    SetPaused(state_.runs.at(member.run), event.paused);
  }
  return absl::OkStatus();
}

void Stepper::Cancel(RunEntry& run) {
  if (!run.record.remaking.is_zero()) return EndRemake(run, "cancelled");
  if (IsTerminal(run.record.state)) return;
  LogRun(run, "", "", "cancelled");
  EndRun(run, RunState::kCancelled);
}

void Stepper::SetPaused(RunEntry& run, bool paused) {
  if (IsTerminal(run.record.state) || run.record.paused == paused) return;
  run.record.paused = paused;
  LogRun(run, "", "", paused ? "paused" : "resumed");
  SaveRun(run);
  for (const RunTaskRecord& planned : run.tasks) RequeueTask(state_, state_.tasks.at(planned.key));
}

void Stepper::StartRun(RunEntry& run, const ChosenClasses& chosen, const PreparedGraph* start) {
  RunRecord& record = run.record;
  record.recipe = PinRecipe(record.recipe, chosen.hardware_bf16);
  record.kind_bases = chosen.bases;
  IndexBases(state_, record);
  const std::optional<TaskKind> main_kind = MainKindOf(KindsOfRun(*record.spec, record.recipe));
  if (main_kind.has_value()) {
    record.numerics_class = ClassOf(record.kind_bases, *main_kind, record.recipe);
    LogRun(run, "", "", absl::StrCat("pinned to ", PinsText(record)));
  }
  record.state = RunState::kRunning;
  CountRunning(state_, record, +1);
  run.waiting_reason.clear();
  state_.pending_runs.erase(record.sequence);
  if (start != nullptr) {
    TakeGraph(run, *start);
  } else if (!ExpandGraph(run)) {
    return;
  }
  maybe_finished_.insert(record.sequence);
  SaveRun(run);
}

bool Stepper::ExpandGraph(RunEntry& run) {
  StatusOr<RunGraph> graph = GraphOf(run);
  if (!graph.ok()) {
    FailRun(run, std::string(MessageOf(graph.status())));
    return false;
  }
  TakeGraph(run, PrepareGraph(*std::move(graph)));
  return true;
}

void Stepper::TakeGraph(RunEntry& run, const PreparedGraph& graph) {
  run.plan = graph.plan;
  run.plan_revision = Revise(state_, run);
  run.pending = graph.pending;
  TakeTasks(run, graph.tasks);
}

TaskEntry& Stepper::FindOrCreate(const PreparedTask& prepared, bool* is_new) {
  const auto [it, added] = state_.tasks.try_emplace(prepared.record.key);
  *is_new = added;
  TaskEntry& task = it->second;
  if (!added) return task;
  task.record = prepared.record;
  task.record.token = state_.token_floor;
  LinkConsumers(state_, task.record);
  EnterInLedger(state_, task);
  created_.push_back({&task, prepared.def_text});
  first_actions_.emplace(&task, prepared.action_key);
  return task;
}

void Stepper::TakeTasks(RunEntry& run, const std::vector<PreparedTask>& tasks) {
  const RunRecord& record = run.record;
  HoldResults(state_, run, 0);  // of the tasks as they were
  std::map<Digest, bool> shared_before;
  for (const RunTaskRecord& planned : run.tasks) shared_before.emplace(planned.key, planned.shared);
  run.tasks.clear();
  run.tasks.reserve(tasks.size());
  std::vector<TaskEntry*> all, added;
  all.reserve(tasks.size());
  for (size_t position = 0; position < tasks.size(); ++position) {
    bool is_new = false;
    TaskEntry& task = FindOrCreate(tasks[position], &is_new);
    all.push_back(&task);
    RunTaskRecord& in_run = run.tasks.emplace_back(tasks[position].in_run);
    const auto before = shared_before.find(in_run.key);
    if (before == shared_before.end()) {
      in_run.shared = !is_new && !IsAbandoned(task.record);
      added.push_back(&task);
    } else {
      in_run.shared = before->second;
      shared_before.erase(before);
      if (IsAbandoned(task.record)) added.push_back(&task);  // the run was stopped meanwhile
    }
    task.wanted_by[record.sequence] = position;
    task.runs.insert(record.sequence);
    if (!state_.orphans.empty()) state_.orphans.erase(task.record.key);
    if (task.record.divergence_retries < record.recipe.divergence_retries) {
      task.record.divergence_retries = record.recipe.divergence_retries;
      MarkChanged(task);
    }
  }
  LWQ_CHECK(shared_before.empty(), "the graph of run ", record.id.value, " lost task ",
            shared_before.begin()->first.short_hex());
  run.counts = TaskCounts();
  for (size_t i = 0; i < all.size(); ++i) CountTask(run.tasks[i], all[i]->record, run.counts);
  run.unfinished = CountUnfinished(state_, run);
  IndexResults(run);
  run.task_revisions.assign(run.tasks.size(), Revise(state_, run));
  // All tasks know the run now, so what follows from each is decided with the whole run in view.
  for (TaskEntry* task : added) {
    if (IsAbandoned(task->record)) Apply(*task, WantedAgain{});
    to_unblock_.push_back(task->record.key);
  }
  for (TaskEntry* task : all) RequeueTask(state_, *task);
  HoldResults(state_, run, TasksToHold(run));
  effects_.changes.push_back(PutRunTasks{record.id, run.tasks});
}

void Stepper::GrowIfMeasured(RunEntry& run) {
  if (run.record.state != RunState::kRunning || !run.pending.has_value()) return;
  const auto measured = [this](const PendingMeasurement::Part& part) {
    return state_.tasks.at(part.task).record.state == TaskState::kSucceeded;
  };
  // From the end: what comes last is most likely what is still missing, and this is asked after every task.
  const auto& parts = run.pending->parts;
  if (!std::all_of(parts.rbegin(), parts.rend(), measured)) return;
  const MetricsOf metrics = [this](const Digest& key) {
    return ParseJson(state_.actions.at(state_.tasks.at(key).record.action_key).metrics_json, "metrics");
  };
  StatusOr<Measurement> measurement = CollectMeasurement(*run.pending, *run.model, run.record.recipe, metrics);
  if (!measurement.ok()) return FailRun(run, std::string(MessageOf(measurement.status())));
  LogRun(run, "", "", MeasuredLine(*measurement));
  run.record.measurements.push_back(*std::move(measurement));
  if (!ExpandGraph(run)) return;
  maybe_finished_.insert(run.record.sequence);
  SaveRun(run);
}

void Stepper::PinPendingRuns() {
  const std::set<int64_t> pending = state_.pending_runs;
  for (const int64_t sequence : pending) {
    RunEntry& run = RunAt(sequence);
    const ResolvedSpec resolved{*run.record.spec, run.model, run.record.recipe};
    const StatusOr<std::optional<ChosenClasses>> chosen = ChooseClasses(state_, resolved);
    if (!chosen.ok()) {
      // A worker that is large enough may register yet.
      const std::string reason = absl::StrCat("waits for a larger worker: ", MessageOf(chosen.status()));
      if (reason != run.waiting_reason) LogRun(run, "", "", reason);
      run.waiting_reason = reason;
    } else if (chosen->has_value()) {
      StartRun(run, **chosen);
    }
  }
}

void Stepper::NoteMissingWorkers(bool may_begin) {
  const std::set<std::string> here = BasesHere(state_);
  for (auto& [id, run] : state_.runs) {
    const bool works = run.record.state == RunState::kRunning || !run.record.remaking.is_zero();
    if (!works || (run.waiting_reason.empty() && !may_begin)) continue;
    const std::set<std::string> missing = MissingBases(state_, run, here);
    std::string reason;
    if (!missing.empty()) {
      reason = absl::StrCat("waits for a worker of class '", absl::StrJoin(missing, "' and for one of '"),
                            "', which it is pinned to and which none here has: start one, or cancel the run and submit "
                            "it again for the workers that are here");
    }
    if (reason == run.waiting_reason) continue;
    if (!reason.empty()) LogRun(run, "", "", reason);
    run.waiting_reason = std::move(reason);
    Revise(state_, run);
  }
}

void Stepper::BeginOutdatedRunsAgain() {
  if (state_.outdated_runs.empty()) return;
  for (const int64_t sequence : std::exchange(state_.outdated_runs, {})) BeginAgain(RunAt(sequence));
  // Without what these were pinned to.
  ReindexBases(state_);
  PinPendingRuns();
}

void Stepper::BeginAgain(RunEntry& run) {
  run.waiting_reason =
      "begun by another version of the coordinator, which gives its tasks other names: begins again; what is the same "
      "in "
      "both is not done again";
  LogRun(run, "", "", run.waiting_reason);
  LetGoOfTasks(run);
  HoldResults(state_, run, 0);
  ReleaseTasks(state_, run);
  run.tasks.clear();
  run.task_revisions.clear();
  run.pending.reset();
  run.counts = TaskCounts();
  run.unfinished.clear();
  IndexResults(run);
  RunRecord& record = run.record;
  CountRunning(state_, record, -1);
  record.state = RunState::kPending;
  record.numerics_class.clear();
  record.kind_bases.clear();
  record.measurements.clear();
  effects_.changes.push_back(PutRunTasks{record.id, run.tasks});
  StatusOr<PreparedRun> prepared = PrepareRun(*record.spec);
  if (!prepared.ok()) return FailRun(run, std::string(MessageOf(prepared.status())));
  record.recipe = std::move(prepared->resolved.recipe);
  run.plan = std::move(prepared->plan);
  run.plan_revision = Revise(state_, run);
  state_.pending_runs.insert(record.sequence);
  SaveRun(run);
}

void Stepper::LetGoOfTasks(RunEntry& run) {
  for (const RunTaskRecord& planned : run.tasks) {
    TaskEntry& task = state_.tasks.at(planned.key);
    task.wanted_by.erase(run.record.sequence);
    if (task.wanted_by.empty()) {
      Apply(task, Unwanted{});
    } else {
      RequeueTask(state_, task);
    }
  }
}

void Stepper::FailRun(RunEntry& run, const std::string& error) {
  if (!run.record.remaking.is_zero()) return EndRemake(run, error);
  if (IsTerminal(run.record.state)) return;
  run.record.error = OneLine(error, kMaxErrorBytes);
  LogRun(run, "", "", absl::StrCat("failed: ", run.record.error));
  EndRun(run, RunState::kFailed);
}

void Stepper::FinishIfDone(RunEntry& run) {
  if (!run.record.remaking.is_zero()) return FinishRemake(run);
  GrowIfMeasured(run);
  if (run.record.state != RunState::kRunning || run.pending.has_value()) return;
  if (run.counts.done != static_cast<int64_t>(run.tasks.size())) return;
  run.record.result = CollectResult(state_, run);
  LogRun(run, "", "", "succeeded");
  EndRun(run, RunState::kSucceeded);
}

void Stepper::EndRun(RunEntry& run, RunState state) {
  if (run.record.state == RunState::kRunning) CountRunning(state_, run.record, -1);
  run.record.state = state;
  run.record.finished_unix_ms = now_.unix_ms;
  state_.pending_runs.erase(run.record.sequence);
  run.waiting_reason.clear();
  if (IsTerminal(state)) run.record.paused = false;
  SaveRun(run);
  LetGoOfTasks(run);
  if (IsTerminal(state)) ScheduleRetention(state_, run, now_);  // one that is STOPPED may go on
  maybe_finished_.insert(run.record.sequence);                  // its sweep's halving is told
  run.task_revisions.assign(run.tasks.size(), Revise(state_, run));
}

void Stepper::SaveRun(RunEntry& run) {
  HoldResults(state_, run, TasksToHold(run));
  effects_.changes.push_back(PutRun{run.record});
}

}  // namespace lwq::coordinator
