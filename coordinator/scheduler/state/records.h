// SPDX-License-Identifier: Apache-2.0
// What the coordinator remembers durably, and the changes that a step makes to it.
//
// Records are plain values without the wire's or the database's types. A step returns changes; the store commits them
// in one transaction before anything the step decided leaves the process (persist before act). Applying all changes of
// all steps in order gives exactly what Load returns.
//
// Not here: what a restart may forget (heartbeats, progress, back-off): state.h.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/access/project_scope.h"
#include "common/artifact/artifact.h"
#include "common/task/measured.h"
#include "common/task/task_def.h"
#include "coordinator/graph/kind_classes.h"
#include "coordinator/graph/run_graph.h"
#include "coordinator/graph/run_spec.h"
#include "coordinator/plan/policy/measurement.h"
#include "coordinator/scheduler/state/ids.h"
#include "coordinator/scheduler/state/retry.h"
#include "coordinator/scheduler/state/sweep_halving.h"

namespace lwq::coordinator {

// STOPPED by its sweep's halving, which may let it go on after all, as may whoever resumes it.
enum class RunState { kPending, kRunning, kSucceeded, kFailed, kCancelled, kStopped };
enum class TaskState { kBlocked, kReady, kLeased, kSucceeded, kFailed, kCancelled };
inline constexpr int kRunStates = 6;
inline constexpr int kTaskStates = 6;

// "PENDING", … as in the proto, without the prefix.
std::string_view RunStateName(RunState state);
std::string_view TaskStateName(TaskState state);
// SUCCEEDED, FAILED or CANCELLED: no event leads out of them.
bool IsTerminal(RunState state);

struct RunResult {
  std::vector<Measured> measured;  // in the order of its evaluations
  std::optional<ArtifactRef> exported;
  // SHA-256 over the export's and every checkpoint's digest in order of blocks; "" where the run makes neither.
  std::string result_digest;
  friend bool operator==(const RunResult&, const RunResult&) = default;
};

// Where a run is in a trace of somebody's; empty texts: in none.
struct RunTrace {
  std::string traceparent;  // W3C: its parent is the run's own span, which is the parent of all that is done for it
  std::string parent_id;    // the span of whoever submitted it; "" = none
  friend bool operator==(const RunTrace&, const RunTrace&) = default;
};

struct RunRecord {
  RunId id;
  int64_t sequence = 0;  // order of submission
  std::shared_ptr<const RunSpec> spec;
  Recipe recipe;  // resolved; pinned ("auto" decided) from RUNNING on
  RunState state = RunState::kPending;
  std::string numerics_class;  // full class of the main kind, once pinned
  KindBases kind_bases;        // of every kind that is pinned, once they are
  // What was measured about its blocks' sensitivity so far; its plan and its graph follow from it.
  std::vector<Measurement> measurements;
  std::string error;
  int64_t submitted_unix_ms = 0;
  int64_t finished_unix_ms = 0;
  RunResult result;     // filled when it has SUCCEEDED
  bool paused = false;  // no task is begun for it; only while it is not in a terminal state
  // Resumed after its sweep's halving had stopped it: it is trained through, whatever halving decides of it.
  bool left_halving = false;
  Digest remaking;  // SUCCEEDED: the task whose lost result is made again for it; zero = none
  RunTrace trace;
};

// Runs that were submitted together to be compared. What they are never changes; where there is halving, its journal
// grows.
struct SweepRecord {
  struct Member {
    RunId run;
    std::map<std::string, std::string> labels;  // axis → value: what tells it from the others, for people
    int64_t place = 0;                          // among the members as they were submitted: what halving knows it by
    friend bool operator==(const Member&, const Member&) = default;
  };
  SweepId id;
  int64_t sequence = 0;  // order of submission
  std::string name;
  std::string request_id;  // "" = none
  Digest spec_digest;      // of everything it was submitted with
  int64_t submitted_unix_ms = 0;
  std::vector<Member> members;  // in the order given, without those that were deleted
  std::optional<SweepHalving> halving = std::nullopt;
  // With halving: what runs measured at rungs, in the order it was recorded; `run` is a member's place. Which runs go
  // on follows from it alone (ReplayHalving). What a run measured stays when it is deleted, which it is not before the
  // halving has ended.
  std::vector<RungResult> rung_results = {};
};

// What a run knows about one of its tasks. Position and depth change when the run's graph grows.
struct RunTaskRecord {
  Digest key;
  std::string title;
  int64_t block = -1;
  int depth = 1;
  TaskPurpose purpose = TaskPurpose::kStep;
  std::string evaluated_model;
  std::string evaluated_text;
  bool shared = false;       // existed, done or in flight, when the run was planned
  int64_t needs_blocks = 0;  // begun for the run only once halving lets it train so many blocks (planned_task.h)
};

// The lease that a task had before it was given to a second worker as well.
struct OlderLease {
  uint64_t token = 0;
  WorkerId worker;
  std::string worker_name;
};

// How far an attempt at a task has come, for the next one to go on from (docs/checkpoints.md).
struct TaskCheckpoint {
  ArtifactRef artifact;
  Digest action;       // of the attempts that may go on from it
  uint64_t token = 0;  // of the lease under which it was stored
  int64_t step = 0;    // done
  int64_t steps = 0;   // in all
  friend bool operator==(const TaskCheckpoint&, const TaskCheckpoint&) = default;
};

struct TaskRecord {
  // These three never change.
  Digest key;
  std::shared_ptr<const TaskDef> def;
  int64_t memory_bytes = 0;

  int divergence_retries = 0;  // the largest of the runs that asked for it
  TaskState state = TaskState::kBlocked;
  Digest action_key;            // known from READY on; names the result of a SUCCEEDED task
  uint64_t token = 0;           // of the last lease; the largest so far
  uint64_t reported_token = 0;  // of the last report that was applied
  WorkerId worker;              // of the last lease
  std::string worker_name;
  int attempts = 0;  // leases that were not given back
  std::array<int, kFailureCauses> failures{};
  int lr_halvings = 0;
  bool from_cache = false;  // its result was known without executing it
  std::string error;        // of the last failed attempt; one line
  // Of the attempts so far; none once the task is over, or is of another action (task_machine.h).
  std::optional<TaskCheckpoint> checkpoint = std::nullopt;

  // These two are not stored: after a restart only the last lease holds.
  std::optional<OlderLease> older;  // LEASED twice (straggler.h)
  bool only_older = false;          // the last lease has ended, the older one goes on; `worker` is its
};

// Whether two workers execute it.
inline bool IsDuplicated(const TaskRecord& task) {
  return task.older.has_value() && !task.only_older;
}
// Who holds the lease of this token, which must not have ended; null: nobody.
const WorkerId* HolderOf(const TaskRecord& task, uint64_t token);
// The token under which the worker holds the task; 0: it does not.
uint64_t TokenOf(const TaskRecord& task, const WorkerId& worker);
// Which attempt of the task the lease is.
int AttemptOf(const TaskRecord& task, uint64_t token);

// What an action made.
struct ActionRecord {
  Digest key;
  std::map<std::string, ArtifactRef> outputs;
  std::string metrics_json;
  double seconds = 0;
  int64_t peak_memory_bytes = 0;
  int64_t peak_rss_bytes = 0;
  int64_t finished_unix_ms = 0;  // when a worker reported it; 0: found done, or by a version that did not say
};

struct WorkerRecord {
  WorkerId id;
  std::string name;  // a new process of the same name takes the place of the old one; "" never does
  std::string device;
  std::string numerics_class;  // base
  bool hardware_bf16 = false;
  int64_t memory_bytes = 0;
  int max_threads = 1;
  std::vector<TaskKind> kinds;  // empty: all
  int64_t cache_bytes = 0;      // of artifacts that it keeps
  // The hash of the token it was registered with, and the projects it executes tasks for; zero and all where nobody is
  // asked for a token.
  Digest token_sha256;
  ProjectScope projects = ProjectScope::All();
};

// A submission by request_id.
struct RequestRecord {
  std::string request_id;
  Digest spec_digest;
  RunId run;
};

// A result that was given up: its name is kept, its bytes are not.
struct DiscardedRecord {
  ArtifactRef artifact;
  bool deleted = false;  // from the object store; until then a worker has to
};

struct LogRecord {
  RunId run;
  int64_t sequence = 0;  // increasing over all runs
  int64_t time_unix_ms = 0;
  std::string task;    // title
  std::string worker;  // name
  std::string text;
  int attempt = 0;  // of the task, from 1; 0 = it is about none, or a version wrote it that did not say
};

struct PutRun {
  RunRecord run;
};
// All tasks of a run in topological order: when it starts, and again whenever its graph has grown.
struct PutRunTasks {
  RunId run;
  std::vector<RunTaskRecord> tasks;
};
struct PutTask {
  TaskRecord task;
  bool is_new = false;
  std::shared_ptr<const std::string> def_text = nullptr;  // StoredText of a new one's definition, where it is at hand
};
struct PutAction {
  ActionRecord action;
};
struct DropAction {
  Digest key;
};
struct PutDiscarded {
  DiscardedRecord discarded;
};
// It was made again, or nobody remembers it.
struct DropDiscarded {
  Digest artifact;
};
struct PutWorker {
  WorkerRecord worker;
};
struct DropWorker {
  WorkerId id;
};
struct PutNextWorker {
  int64_t number = 0;
};
struct PutRequest {
  RequestRecord request;
};
// A sweep, without rung results: those are appended. Stored once, and again when a member was deleted.
struct PutSweep {
  SweepRecord sweep;
};
// The next entry of the journal of a sweep with halving.
struct AppendRungResult {
  SweepId sweep;
  int64_t number = 0;  // its place in the journal, from 0
  RungResult result;
};
// With its list of tasks and its log lines.
struct DropRun {
  RunId id;
  int64_t sequence = 0;
};
// No run has it any more.
struct DropTask {
  Digest key;
};
struct DropRequest {
  std::string request_id;
};
// With the journal of its halving.
struct DropSweep {
  SweepId id;
  int64_t sequence = 0;
};
// Tokens of leases of tasks that are made from now on are larger: those of a deleted task never come again.
struct PutTokenFloor {
  uint64_t token = 0;
};
// How a line appears in the log of the process as well.
enum class LogEcho {
  kNone,  // it is a worker's, or it is there for another run that has the task
  kDetail,
  kNews,
  kProblem,
};
struct AppendLog {
  LogRecord line;
  // These are not stored.
  LogEcho echo = LogEcho::kNone;
  Digest task = {};  // zero = it is about no task
};
// Lines of the run with sequence ≤ up_to.
struct DropLogs {
  RunId run;
  int64_t up_to = 0;
};

using Change = std::variant<PutRun, PutRunTasks, PutTask, PutAction, DropAction, PutDiscarded, DropDiscarded, PutWorker,
                            DropWorker, PutNextWorker, PutRequest, PutSweep, AppendRungResult, AppendLog, DropLogs,
                            DropRun, DropTask, DropRequest, DropSweep, PutTokenFloor>;

// Everything, as Load returns it. Order within each list: runs and lines by sequence, tasks of a run by position.
struct Records {
  std::vector<RunRecord> runs;
  std::map<RunId, std::vector<RunTaskRecord>> run_tasks;
  std::vector<TaskRecord> tasks;
  std::vector<ActionRecord> actions;
  std::vector<DiscardedRecord> discarded;
  std::vector<WorkerRecord> workers;
  std::vector<RequestRecord> requests;
  std::vector<SweepRecord> sweeps;  // by sequence
  std::vector<LogRecord> logs;
  int64_t next_worker = 1;
  uint64_t token_floor = 0;
};

}  // namespace lwq::coordinator
