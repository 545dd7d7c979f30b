// SPDX-License-Identifier: Apache-2.0
// One step in progress: the state, the moment, and the effects as they accumulate. Private to the scheduler; its
// methods are spread over step_submit.cc (new runs), step_runs.cc (runs), step_halving.cc (runs that halving stops or
// lets go on), step_delete.cc (runs that go), step_remake.cc and step_lost.cc (results that were lost), step_workers.cc
// (workers, leases, reports), step_tasks.cc (what follows when a task changes) and step_logs.cc (what is said of it).
#pragma once

#include <deque>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "coordinator/scheduler/choose/placement.h"
#include "coordinator/scheduler/state/events.h"
#include "coordinator/scheduler/state/prepared_graph.h"
#include "coordinator/scheduler/state/state.h"
#include "coordinator/scheduler/state/task_machine.h"
#include "coordinator/scheduler/step/submission.h"

namespace lwq::coordinator {

class Stepper {
 public:
  Stepper(State& state, Instant now) : state_(state), now_(now) {}
  Effects Run(const Event& event);

 private:
  Status On(const SubmitRun& event);
  Status On(const SubmitRuns& event);
  Status On(const SubmitSweep& event);
  Status On(const CancelRun& event);
  Status On(const PauseRun& event);
  Status On(const CancelSweep& event);
  Status On(const PauseSweep& event);
  Status On(const DeleteRun& event);
  Status On(const DeleteSweep& event);
  Status On(const RemakeArtifact& event);
  Status On(const LoseArtifacts& event);
  Status On(const RegisterWorker& event);
  Status On(const LeaseTask& event);
  Status On(const Heartbeat& event);
  Status On(const ReportTask& event);
  Status On(const ReleaseWorker& event);
  Status On(const Tick& event);

  // step_tasks.cc
  // Applies the event and everything that follows for indexes and runs; CHECKs that it is legal.
  void Apply(TaskEntry& task, const TaskEvent& event);
  void Replace(TaskEntry& task, TaskStep step);
  // Carries out what the changes so far imply until nothing more follows.
  void Settle();
  // Its record is to be stored.
  void MarkChanged(const TaskEntry& task);
  // Makes a BLOCKED task ready, waiting or done, if its inputs are there.
  void TryUnblock(TaskEntry& task);
  // Done where the action's result is known; whether it is.
  bool Remember(TaskEntry& task, const Digest& action_key);
  // Done, waiting behind an equal action, or ready.
  void Enqueue(TaskEntry& task, const Digest& action_key);
  // The producer of a lost or discarded input runs again, and so does everything that has the same result.
  void Rewind(const Digest& producer);

  // step_submit.cc
  // Of each of several runs that would be accepted together. Errors of SubmitRuns; nothing changes.
  StatusOr<std::vector<std::shared_ptr<const PreparedRun>>> AdmitAll(const std::vector<SubmitRun>& runs) const;
  // The run that an admitted submission makes, or has made. Requires that workers have not changed since.
  RunId Accept(const SubmitRun& submission, const PreparedRun& prepared, int64_t promoted_blocks = kAllBlocks);

  // step_runs.cc
  // `start` has been made for these classes, or is null.
  void StartRun(RunEntry& run, const ChosenClasses& chosen, const PreparedGraph* start = nullptr);
  // Builds the graph from what is measured so far and takes in what is new of it. False: the plan came out impossible,
  // and the run has failed.
  bool ExpandGraph(RunEntry& run);
  void TakeGraph(RunEntry& run, const PreparedGraph& graph);
  // The run's place in the tasks of its graph, which `tasks` (new ones and old) are.
  void TakeTasks(RunEntry& run, const std::vector<PreparedTask>& tasks);
  // The task, made if it is not there yet.
  TaskEntry& FindOrCreate(const PreparedTask& prepared, bool* is_new);
  // Once all tasks of the pending measurement are done: remembers it and lets the graph grow.
  void GrowIfMeasured(RunEntry& run);
  void PinPendingRuns();
  // Runs whose tasks this version of the program would name otherwise (State::outdated_runs).
  void BeginOutdatedRunsAgain();
  void BeginAgain(RunEntry& run);
  // Nothing is done for the run any more but what other runs want, too.
  void LetGoOfTasks(RunEntry& run);
  // Neither does anything to a run in a terminal state.
  void Cancel(RunEntry& run);
  void SetPaused(RunEntry& run, bool paused);
  void FailRun(RunEntry& run, const std::string& error);
  void EndRun(RunEntry& run, RunState state);
  void FinishIfDone(RunEntry& run);
  // After every change of a run's record or list of tasks.
  void SaveRun(RunEntry& run);
  RunEntry& RunAt(int64_t sequence) { return state_.runs.at(state_.runs_by_sequence.at(sequence)); }

  // step_logs.cc
  void LogRun(RunEntry& run, std::string_view task, std::string_view worker, std::string_view text);
  // One line for every run that wants the task; attempt 0 = it is about none.
  void LogTask(const TaskEntry& task, int attempt, std::string_view worker, std::string_view text, LogEcho echo);
  // `line` without its number and time.
  void AppendLine(RunEntry& run, LogRecord line, LogEcho echo, const Digest& task);
  // What the worker logged under that lease, as far as it is new and not too much (log_intake.h).
  void TakeLines(TaskEntry& task, uint64_t token, std::string_view worker, const std::vector<std::string>& lines,
                 std::optional<int64_t> first);
  // No more will come: says how many lines are missing. Before the task changes.
  void EndLines(TaskEntry& task, uint64_t token, std::string_view worker);

  // step_halving.cc
  // Records what the run has measured at the rungs it has reached, and does what follows for its sweep.
  void RecordRungs(RunEntry& run);
  void RecordRung(SweepRecord& sweep, const RungResult& result);
  // To what the halving says of it: trains on, or stops. No effect where it is so already.
  void Promote(RunEntry& run, const SweepHalving& halving, const HalvingPlace& place);
  void StopRun(RunEntry& run, const SweepHalving& halving, const HalvingPlace& place);
  // A run that was STOPPED wants its tasks again.
  void GoOn(RunEntry& run);
  // A STOPPED run is trained through, whatever halving says of it.
  void LeaveHalving(RunEntry& run);
  // step_delete.cc
  // FAILED_PRECONDITION where it may not be deleted as it is.
  Status CheckDeletable(const RunEntry& run, bool force) const;
  // FAILED_PRECONDITION where its sweep's halving needs it.
  Status CheckLeavable(const RunEntry& run) const;
  // Cancels those that have not ended, and forgets all of them with the tasks that no other run has.
  void Delete(const std::vector<RunId>& runs, DeleteReply& reply);
  // The sweep alone, not its runs.
  void EraseSweep(const SweepId& id);
  // Requires that nothing follows any more from the changes so far (Settle).
  void EraseRun(RunEntry& run);
  // All tasks that no run has.
  void EraseOrphans(DeleteReply& reply);
  int64_t EraseTask(TaskEntry& task);

  // step_remake.cc
  // The task whose result that is; NOT_FOUND.
  StatusOr<size_t> FindResult(const RunEntry& run, const Digest& artifact) const;
  // The run, which has ended, wants the task from now on.
  void Want(RunEntry& run, size_t position);
  // The task will be executed: a run that wants it for a remake wants the tasks whose outputs are not there, too.
  void WantMissingInputs(const TaskEntry& task);
  void FinishRemake(RunEntry& run);
  // "" = it is made.
  void EndRemake(RunEntry& run, const std::string& error);

  // step_workers.cc
  // The worker, known alive from now on; NOT_FOUND.
  StatusOr<WorkerEntry*> Hear(const WorkerId& id);
  // `replaced`: by a process of the same name.
  void Forget(const WorkerId& id, bool replaced);
  // A worker came: what waited for it goes on.
  void WorkerCame();
  // A worker went: once the others had time to come back, runs that none of them can work on are told.
  void WorkerWent();
  // Tells which runs wait for workers of classes that none here has. Without `may_begin`, only which do not any more.
  void NoteMissingWorkers(bool may_begin);
  // Takes the worker's task away, and what it was told to delete: both go to other workers.
  void LoseLease(WorkerEntry& worker);
  std::optional<Lease> LeaseFor(WorkerEntry& worker);
  Lease Begin(TaskEntry& task, WorkerEntry& worker);
  // To a second worker.
  Lease Duplicate(TaskEntry& task, WorkerEntry& worker);
  // The worker says that it lives, but the task does not end.
  void EndExecution(TaskEntry& task);
  // Sets when the LEASED task has taken too long.
  void Watch(TaskEntry& task);
  // The task failed on the worker's device; the devices on which it has, a few of many.
  std::vector<std::string> Blame(const TaskEntry& task, const WorkerRecord& worker, FailureCause cause,
                                 const std::string& message);
  void LogQuarantined(const TaskEntry& task, const std::vector<std::string>& devices);
  // What the worker says it has stored of the task under the token, for the next attempt to go on from. False: it is of
  // no use, and is to be deleted.
  bool TakeCheckpoint(TaskEntry& task, const WorkerId& worker, uint64_t token, const StoredCheckpoint& stored);
  // Whether the coordinator knows the artifact otherwise, as a result or as one that is to be deleted.
  bool IsKnown(const Digest& artifact) const;
  // What the report means for the task, the log, and what is remembered. ABORTED: the lease is another's, or none.
  Status ApplyReport(TaskEntry& task, const WorkerEntry& worker, const ReportTask& report);
  void LogReport(TaskEntry& task, const WorkerEntry& worker, const ReportTask& report, const std::string& said);
  void RecordResult(const TaskEntry& task, const ReportTask& report, const ReportSuccess& success);
  // For the sake of the device's standing.
  void NoteExecuted(const TaskEntry& task, const WorkerRecord& worker, const ReportSuccess& success);

  State& state_;
  const Instant now_;
  Effects effects_;
  std::map<Digest, const TaskEntry*> dirty_;  // tasks whose record changed, but for new ones
  struct Created {
    const TaskEntry* task;
    std::shared_ptr<const std::string> def_text;
  };
  std::vector<Created> created_;  // in the order they came
  // Of those created, the action of their first attempt; zero where other tasks have to be done before it is known.
  std::unordered_map<const TaskEntry*, Digest> first_actions_;
  std::deque<Digest> to_unblock_;
  std::deque<Digest> failed_;         // tasks whose runs have to fail
  std::set<int64_t> maybe_finished_;  // runs that may have got to a rung or to their end
};

}  // namespace lwq::coordinator
