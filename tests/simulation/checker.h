// SPDX-License-Identifier: Apache-2.0
// What must hold in every world, checked at every step of the coordinator and at the end:
//
//   one result per action    a second one only after the first was dropped, and only under the current lease
//   stale tokens are nothing a report that is not of the current lease changes no task and stores no result
//   tokens fence             a (task, token) pair is given to one worker, and tokens of a task grow, over restarts and
//                            beside each other, too
//   inputs first             a lease names the content of every input, and that content was made or uploaded before
//   discards are safe        nothing that a task reads is discarded, and nothing discarded is leased as an input
//   checkpoints are fenced   a task's checkpoint is one that an attempt at its action stored under the lease it says;
//   one
//                            that the next attempt would go on from is not deleted, and every other one is in the end
//   terminal states absorb   of runs, over restarts too
//   submissions are kept     an acknowledged run exists until it is deleted, and its request id names it as long
//   deletion is final        a run that was deleted never comes back, and leaves nothing once all are
//   budgets                  no task fails more often than its retry table allows
//   indexes                  every index of the state agrees with the records
//   restarts                 what is restored is what was committed
//   equal results            a run ends as an undisturbed one does, with the same digest
//   rungs hold back          no task is leased that every run that wants it is held back from by its sweep's halving
//   journals are kept        no rung result is lost; each sweep is where the replay of its journal has it
//   equal promotions         a synchronous halving ends as an undisturbed one does, unless runs failed or clients
//   meddled
//
// Thread-safety: none. The first violation is kept, with the time it was seen.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "coordinator/scheduler/step/step.h"

namespace lwq::coordinator::simulation {

// How a sweep with halving ended.
struct EndedSweep {
  std::vector<RungResult> results;  // its journal
  std::vector<RunState> states;     // of its runs
};

class Checker {
 public:
  const std::string& violation() const { return violation_; }

  // `before` is the reported task's record before the step, where the event is a report on a known task.
  void AfterStep(const State& state, const Event& event, const std::optional<TaskRecord>& before,
                 const Effects& effects, int64_t now_ms);
  // The step's changes are stored: only what is counts as having happened when the coordinator dies.
  void AfterCommit(const State& state, const Effects& effects, int64_t now_ms);
  // A lease reached a worker.
  void LeaseDelivered(const WorkerId& worker, const Lease& lease, int64_t now_ms);
  void SubmissionAcknowledged(const std::string& request_id, const RunId& run, int64_t now_ms);
  // From now on the run may be gone.
  void DeletionAsked(const RunId& run) { deletable_.insert(run); }
  void DeletionAsked(const SweepId& sweep) { deletable_sweeps_.insert(sweep); }
  // All runs were deleted, and workers had time to delete what those had.
  void AllDeleted(const State& state, const Records& records, const std::set<Digest>& objects, int64_t now_ms);
  // An attempt has stored it.
  void CheckpointStored(const Digest& checkpoint, const Lease& lease);
  bool IsCheckpoint(const Digest& artifact) const { return checkpoints_.contains(artifact); }
  // A worker deletes it.
  void Deleting(const State& state, const Digest& artifact, int64_t now_ms);
  void ObjectMade(const ArtifactRef& object) { made_.insert(object.digest); }
  void Restarted(const std::string& restored, const std::string& committed, int64_t now_ms);
  // `reference` is how an undisturbed world ended the same spec.
  void RunEnded(const State& state, const RunId& run, const RunRecord& reference, bool cancel_asked, int64_t now_ms);
  // `reference` is how an undisturbed world ended it; `touched`: a client changed what it is to come to.
  void SweepEnded(const State& state, const SweepId& sweep, const EndedSweep& reference, bool touched, int64_t now_ms);
  void Fail(int64_t now_ms, const std::string& what);

 private:
  void CheckReport(const State& state, const ReportTask& report, const TaskRecord& before, const Effects& effects,
                   int64_t now_ms);
  void CheckChanges(const Effects& effects, int64_t now_ms);
  void CheckDiscards(const State& state, const Effects& effects, int64_t now_ms);
  void CheckCheckpoints(const Effects& effects, int64_t now_ms);
  void CheckRuns(const State& state, int64_t now_ms);
  void CheckHalvedLease(const State& state, const Effects& effects, int64_t now_ms);
  void CheckJournals(const State& state, int64_t now_ms);

  std::string violation_;
  std::set<Digest> made_;
  std::set<Digest> results_;            // actions with a stored result
  std::set<Digest> discarded_;          // artifacts that were discarded and not made again since
  std::map<RunId, RunState> terminal_;  // runs seen to end
  struct StoredUnder {
    Digest task;
    Digest action;
    uint64_t token = 0;
  };
  std::map<Digest, StoredUnder> checkpoints_;  // that attempts have stored
  std::set<Digest> recorded_;                  // of those, which tasks have had
  std::map<SweepId, size_t> journals_;         // how many rung results were stored
  std::map<std::string, RunId> acknowledged_;  // by request id
  std::set<RunId> deletable_;
  std::set<SweepId> deletable_sweeps_;
  std::set<RunId> deleted_;  // and stored so
  std::map<std::pair<Digest, uint64_t>, WorkerId> granted_;
  int64_t steps_ = 0;
};

}  // namespace lwq::coordinator::simulation
