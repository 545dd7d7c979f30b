// SPDX-License-Identifier: Apache-2.0
// Everything the scheduler knows, with the indexes that keep a step from looking at every task.
//
// Durable parts are records (records.h); the rest may be forgotten: after a restart every worker has a full lease time
// to be heard again, so that what runs goes on, and back-off starts over. All times are on the steady clock unless
// named unix.
//
// Thread-safety: none; the one loop owns it. Ordered containers throughout: iteration order is part of determinism.
// Only a step (step.h) changes it; answers and previews read it (service/convert_run.h, preview.h).
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/status/status.h"
#include "coordinator/plan/plan.h"
#include "coordinator/scheduler/state/activation_ledger.h"
#include "coordinator/scheduler/state/device_health.h"
#include "coordinator/scheduler/state/digest_map.h"
#include "coordinator/scheduler/state/durations.h"
#include "coordinator/scheduler/state/events.h"
#include "coordinator/scheduler/state/kept_artifacts.h"
#include "coordinator/scheduler/state/local_artifacts.h"
#include "coordinator/scheduler/state/log_intake.h"
#include "coordinator/scheduler/state/project_inputs.h"
#include "coordinator/scheduler/state/project_shares.h"
#include "coordinator/scheduler/state/ready_queue.h"
#include "coordinator/scheduler/state/records.h"
#include "coordinator/scheduler/state/run_news.h"

namespace lwq::coordinator {

struct SchedulerOptions {
  // A worker that is silent for longer loses its lease. Several heartbeats long.
  int64_t lease_ms = 8000;
  // A worker that is silent for longer is forgotten: NOT_FOUND, register again.
  int64_t forget_worker_ms = int64_t{10} * 60 * 1000;
  // A task whose worker sends heartbeats but no end is given to another once it has run this many times as long as such
  // tasks took so far (durations.h), and at least execution_least_ms; 0: never. What was never measured has no ceiling.
  double execution_factor = 20;
  int64_t execution_least_ms = int64_t{10} * 60 * 1000;
  // A task that a run's critical path waits for is given to an idle worker as well once it has run this many times as
  // long as such tasks took so far, and at least straggler_least_ms (straggler.h); 0: never.
  double straggler_factor = 3;
  int64_t straggler_least_ms = int64_t{60} * 1000;
  // How long a device on which tasks fail that others execute is given nothing, for the first time (device_health.h);
  // 0: it is never held back.
  int64_t quarantine_ms = int64_t{30} * 1000;
  // A task of the only workers it fits goes before more urgent ones that fit others as well once none like it has been
  // begun for so long (task_choice.h).
  int64_t patience_ms = int64_t{10} * 60 * 1000;
  // Per run; the oldest go first.
  size_t log_lines = 5000;
  // What activations may occupy. Beyond it, those that nobody reads any more are discarded (activation_ledger.h) and
  // chains do not run ahead of what they feed (run_ahead.h).
  int64_t activation_bytes = int64_t{64} << 30;
  std::map<std::string, ProjectOptions> projects = {};  // by name
  // How long after the end of its runs a result of the kind is kept; without an entry: for ever (retention.h).
  std::map<KeptKind, int64_t> retain_ms = {};
};

// A run's tasks in numbers.
struct TaskCounts {
  std::map<TaskKind, int> tasks;
  std::map<TaskKind, int> tasks_shared;  // existed when the run was planned
  int64_t done = 0;                      // SUCCEEDED
  int64_t not_executed = 0;              // shared, or their result was known

  friend bool operator==(const TaskCounts&, const TaskCounts&) = default;
};

// What a run may train that no halving holds back.
inline constexpr int64_t kAllBlocks = std::numeric_limits<int64_t>::max();

struct RunEntry {
  RunRecord record;
  SweepId sweep;                         // "" = none
  size_t sweep_position = 0;             // among its members as they are
  int64_t sweep_place = 0;               // among its members as they were submitted: what halving knows it by
  int64_t promoted_blocks = kAllBlocks;  // tasks that need more of them are not begun for it
  std::string request_id;                // "" = none
  std::shared_ptr<const LlamaConfig> model;
  Plan plan;
  std::vector<RunTaskRecord> tasks;
  std::vector<size_t> result_tasks;           // positions of those its result is read from
  std::optional<PendingMeasurement> pending;  // while RUNNING: what the graph waits for before it grows
  TaskCounts counts;                          // kept while RUNNING; then as they were at its end
  size_t held = 0;                            // first tasks whose results are kept for tasks to come (garbage.h)
  std::string waiting_reason;                 // not ended: why it stands still, as last logged; "" = not known
  std::map<int, int> unfinished;              // RUNNING: of the tasks that have not SUCCEEDED, how many by depth
  std::string remake_error;                   // why the last result that was to be made again was not
  uint64_t revision = 0;                      // State::revision when a watcher could last see a change
  uint64_t plan_revision = 0;                 // at which the plan last changed
  std::vector<uint64_t> task_revisions;       // at which each of `tasks` last changed
  std::deque<LogRecord> logs;
};

struct TaskEntry {
  TaskRecord record;
  std::map<int64_t, size_t> wanted_by;     // active runs: sequence → position in the run
  std::set<int64_t> runs;                  // that have it, whatever their state: sequences
  std::set<Digest> consumers;              // tasks that read an output of it
  std::map<std::string, int64_t> readers;  // by disposable output: reads by tasks that are not over
  int64_t holders = 0;                     // runs that keep its results for tasks to come
  ReadyQueue::Place place;                 // as queued; its project is the one that the lease is charged to
  bool queued = false;
  int64_t not_before_ms = 0;          // 0 = not delayed
  Digest waiting_for;                 // BLOCKED behind an equal action of another task; zero = not
  int64_t leased_at_ms = 0;           // to the worker that the record names
  int64_t older_leased_at_ms = 0;     // to the older of two
  int64_t ready_unix_ms = 0;          // when it last became READY; 0 = before the coordinator started
  int64_t leased_unix_ms = 0;         // LEASED: when, to the older of two; 0 = before the coordinator started
  int64_t charged_from_ms = 0;        // LEASED: since when its project pays, for one worker only
  double charged_seconds = 0;         // LEASED: to its project, in advance
  int64_t expected_bytes = 0;         // LEASED: of activations, which its project is expected to have more
  int64_t execution_deadline_ms = 0;  // LEASED: when it is taken from its worker, the older of two; 0 = never
  int64_t straggles_at_ms = 0;        // LEASED: when it is a straggler; 0 = never, or it is one
  Progress progress;                  // of the last lease
  std::map<uint64_t, LogIntake> log;  // LEASED: lines that came of each lease, by its token
};

struct WorkerEntry {
  WorkerRecord record;
  int64_t last_seen_ms = 0;
  int64_t deadline_ms = 0;  // alive: when it is given up; else when it is forgotten
  bool alive = true;
  bool heard = true;  // since the coordinator started: only then is it known to be there still
  bool draining = false;
  bool counted = false;          // in State::here
  int64_t next_reserved_ms = 0;  // before, it does not take a task out of turn (task_choice.h)
  std::optional<Digest> lease;
  LocalArtifacts local;
};

// What decides which tasks fit a worker.
struct WorkerShape {
  std::string numerics_class;
  int64_t memory_bytes = 0;
  int max_threads = 1;
  std::vector<TaskKind> kinds;
  ProjectScope projects;
  friend auto operator<=>(const WorkerShape&, const WorkerShape&) = default;
};

// Not only remembered from before a restart: no run is pinned to a class for the sake of a worker that may be gone.
inline bool IsHere(const WorkerEntry& worker) {
  return worker.alive && worker.heard;
}

struct State {
  SchedulerOptions options;
  int64_t now_ms = 0;  // of the last step
  std::map<RunId, RunEntry> runs;
  std::map<int64_t, RunId> runs_by_sequence;
  std::set<int64_t> pending_runs;
  std::map<std::string, int64_t> running_on_base;  // RUNNING runs by the base of their main kind; none has 0
  std::map<SweepId, SweepRecord> sweeps;
  std::map<SweepId, HalvingSweep> halvings;  // of those with halving: what their journals come to
  std::map<int64_t, SweepId> sweeps_by_sequence;
  std::map<std::string, SweepId> sweeps_by_request;
  uint64_t revision = 0;                        // grows with every change of a run that a watcher could see
  std::map<SweepId, uint64_t> sweep_revisions;  // the latest of each sweep's runs
  RunNews run_news;                             // of all runs
  // By model and kind, the bases that runs are pinned to.
  std::map<Digest, std::map<TaskKind, std::set<std::string>>> bases_of_model;
  // RUNNING, with other tasks than this version of the program would give them: the next step begins them again.
  std::set<int64_t> outdated_runs;
  // When runs are to be looked for whose workers are gone; 0 = never.
  int64_t missed_workers_due_ms = 0;
  DigestMap<TaskEntry> tasks;
  DigestTable<ActionRecord> actions;
  // SUCCEEDED tasks by the action whose result they have.
  DigestTable<std::set<Digest>> action_users;
  // The task that is READY or LEASED for an action, and the tasks that wait for it.
  DigestTable<Digest> action_owner;
  DigestTable<std::set<Digest>> action_waiters;
  ActivationLedger activations;
  KeptArtifacts kept;
  // Tasks that no run has; the next deletion takes them along.
  std::set<Digest> orphans;
  // Runs with a result that is made again (step_remake.cc): sequences.
  std::set<int64_t> remaking_runs;
  // When results of a run that has ended are to be looked at, on the steady clock, and its sequence.
  std::set<std::pair<int64_t, int64_t>> retention_deadlines;
  std::map<WorkerId, WorkerEntry> workers;
  std::map<std::string, WorkerId> workers_by_name;
  std::map<WorkerShape, std::set<WorkerId>> here;  // workers that are here (IsHere) and not draining
  DeviceHealth health;
  std::map<std::string, RequestRecord> requests;
  ReadyQueue ready;
  ProjectShares shares;
  ProjectInputs inputs;  // of all runs
  std::set<std::pair<int64_t, Digest>> delayed;
  std::set<std::pair<int64_t, WorkerId>> worker_deadlines;
  std::set<std::pair<int64_t, Digest>> execution_deadlines;
  std::set<std::pair<int64_t, Digest>> straggler_times;
  std::set<Digest> stragglers;  // LEASED, to one worker, for longer than such tasks take
  // BLOCKED tasks whose inputs the next step must look at.
  std::set<Digest> unsettled;
  Durations durations;
  int64_t next_run_sequence = 1;
  int64_t next_sweep_sequence = 1;
  int64_t next_worker = 1;
  int64_t next_log = 1;
  uint64_t token_floor = 0;  // no task that is made from now on has a lease with a token up to this
};

// By id or unique prefix of at least four characters. NOT_FOUND; INVALID_ARGUMENT where the prefix is too short or
// names several.
StatusOr<RunId> FindRun(const State& state, const std::string& id_or_prefix);

// The run has begun (+1), or has ended (−1), on the base of its main kind.
void CountRunning(State& state, const RunRecord& run, int64_t delta);

// As FindRun.
StatusOr<SweepId> FindSweep(const State& state, const std::string& id_or_prefix);

// A watcher could see the run change: its revision from now on.
uint64_t Revise(State& state, RunEntry& run);

// Takes the sweep in. Its runs are there already. Requires a journal that can be replayed.
void IndexSweep(State& state, SweepRecord sweep);

// Takes the run out of its sweep, if it is in one that still is.
void LeaveSweep(State& state, RunEntry& run);

// The run has its tasks no longer: those that no other has are orphans.
void ReleaseTasks(State& state, const RunEntry& run);

// Fills bases_of_model anew from all runs.
void ReindexBases(State& state);

// Whether the run's tasks are those of the graph, in its order: not where another version of the program named them.
bool HasTasksOf(const RunEntry& run, const RunGraph& graph);

// The labels of a run in its sweep; none where it is in none.
const std::map<std::string, std::string>& LabelsOf(const State& state, const RunEntry& run);

// The run's graph as far as it is known. Requires a run that is pinned. Errors of BuildRunGraph.
StatusOr<RunGraph> GraphOf(const RunEntry& run);

// The content of an input, if known; it may have been discarded (garbage.h).
std::optional<ArtifactRef> ContentOf(const State& state, const TaskInput& input);

// Notes what the run, which is in state.runs, is pinned to.
void IndexBases(State& state, const RunRecord& run);

// The lease under which the worker has the task. Requires it to be LEASED to the worker.
Lease LeaseOf(const State& state, const TaskEntry& task, const WorkerId& worker);
// What the task is called in the first of the runs that want it; "" where none does.
std::string TitleOf(const State& state, const TaskEntry& task);

// Fills result_tasks from the run's tasks.
void IndexResults(RunEntry& run);

// One task's part in the counts of its run.
void CountTask(const RunTaskRecord& in_run, const TaskRecord& task, TaskCounts& counts);
// The counts of a run from one look at each of its tasks: what RunEntry::counts is kept equal to, and ::unfinished.
TaskCounts CountTasks(const State& state, const RunEntry& run);
std::map<int, int> CountUnfinished(const State& state, const RunEntry& run);

// What the run's finished tasks say. Complete once all have succeeded.
RunResult CollectResult(const State& state, const RunEntry& run);

}  // namespace lwq::coordinator
