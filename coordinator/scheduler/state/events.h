// SPDX-License-Identifier: Apache-2.0
// What happens to the coordinator, what it answers, and what a step hands to its driver. Plain values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/artifact/artifact.h"
#include "common/status/status.h"
#include "coordinator/scheduler/state/records.h"

namespace lwq::coordinator {

struct Progress {
  std::string stage;
  int64_t step = 0;
  int64_t steps = 0;
  std::optional<double> loss;
};

struct PreparedRun;

struct SubmitRun {
  RunSpec spec;
  std::string request_id;  // "" = not idempotent
  // Of this very spec (submission.h); null: the step makes it.
  std::shared_ptr<const PreparedRun> prepared = nullptr;
  RunTrace trace = {};
};
// All are accepted, in this order, or none is.
struct SubmitRuns {
  std::vector<SubmitRun> runs;
};
// All are accepted, in this order, or none is.
struct SubmitSweep {
  std::string name;
  std::vector<SubmitRun> runs;                             // their request ids are not read
  std::vector<std::map<std::string, std::string>> labels;  // of each run
  std::string request_id;                                  // "" = not idempotent
  std::optional<SweepHalving> halving = std::nullopt;
};
struct CancelRun {
  std::string run_id;  // an id or a unique prefix
};
struct PauseRun {
  std::string run_id;  // an id or a unique prefix
  bool paused = true;  // else it is resumed: one that halving has STOPPED leaves the halving
};
struct CancelSweep {
  std::string sweep_id;  // an id or a unique prefix
};
struct PauseSweep {
  std::string sweep_id;  // an id or a unique prefix
  bool paused = true;    // else what was paused is resumed; runs that are STOPPED stay so
};
struct DeleteRun {
  std::string run_id;  // an id or a unique prefix
  bool force = false;  // one that has not ended is cancelled first
};
struct DeleteSweep {
  std::string sweep_id;  // an id or a unique prefix
  bool force = false;
};
// A result of a run that has succeeded is gone from the object store.
struct RemakeArtifact {
  std::string run_id;  // an id or a unique prefix
  Digest artifact;     // zero: the export
};
// They are not whole in the object store; what was damaged of them has been removed.
struct LoseArtifacts {
  std::vector<Digest> artifacts;
};
struct RegisterWorker {
  WorkerRecord worker;  // its id is not read
};
struct LeaseTask {
  WorkerId worker;
};
// What a worker says it has stored.
struct StoredCheckpoint {
  ArtifactRef artifact;
  int64_t step = 0;
  int64_t steps = 0;
};
struct TaskProgress {
  Digest task;
  uint64_t token = 0;
  Progress progress;
  std::vector<std::string> log_lines;
  std::optional<int64_t> first_log_line = std::nullopt;       // its number within the attempt; none: all are new
  std::optional<StoredCheckpoint> checkpoint = std::nullopt;  // the last of the attempt
};
struct Heartbeat {
  WorkerId worker;
  std::vector<TaskProgress> tasks;
  bool draining = false;
  std::vector<Digest> discarded;  // artifacts it has deleted
};

struct ReportSuccess {
  std::map<std::string, ArtifactRef> outputs;
  std::string metrics_json;  // "" or a JSON object
  bool from_cache = false;
};
struct ReportFailure {
  FailureCause cause = FailureCause::kTask;
  std::string message;
  std::string input;  // role, for kInputLost
};
struct ReportReleased {};

struct ReportTask {
  WorkerId worker;
  Digest task;
  uint64_t token = 0;
  std::variant<ReportReleased, ReportSuccess, ReportFailure> outcome;
  double seconds = 0;
  int64_t peak_memory_bytes = 0;
  int64_t peak_rss_bytes = 0;
  std::vector<std::string> log_lines;
  bool lease_next = false;
  std::optional<int64_t> first_log_line = std::nullopt;       // as in TaskProgress
  std::optional<StoredCheckpoint> checkpoint = std::nullopt;  // as in TaskProgress
  double seconds_before = 0;  // that attempts before took up to the checkpoint this one went on from
};

// An operator says that a quarantined device is well again.
struct ReleaseWorker {
  std::string worker;  // a name, or an id
};

// A deadline has passed.
struct Tick {};

using Event = std::variant<SubmitRun, SubmitRuns, SubmitSweep, CancelRun, PauseRun, CancelSweep, PauseSweep, DeleteRun,
                           DeleteSweep, RemakeArtifact, LoseArtifacts, RegisterWorker, LeaseTask, Heartbeat, ReportTask,
                           ReleaseWorker, Tick>;

struct Lease {
  Digest task;
  uint64_t token = 0;
  Digest action_key;
  std::shared_ptr<const TaskDef> def;
  std::map<std::string, ArtifactRef> inputs;
  int lr_halvings = 0;
  int attempt = 1;
  std::optional<TaskCheckpoint> checkpoint = std::nullopt;  // to go on from
  std::string title;
  int64_t duration_ms = 0;
  // For logs and traces: the first of the runs that want it, and its trace.
  RunId run;
  std::string traceparent;
  // How long it waited; 0 and 0: not known, or it is another worker's as well.
  int64_t ready_unix_ms = 0;
  int64_t leased_unix_ms = 0;
};

struct LostLease {
  Digest task;
  uint64_t token = 0;
  std::string reason;
};

struct RunReply {
  RunId run;
};
struct RunsReply {
  std::vector<RunId> runs;  // as in the event
};
struct SweepReply {
  SweepId sweep;
};
struct DeleteReply {
  std::string id;  // of the run or the sweep
  int64_t runs = 0;
  int64_t tasks = 0;           // that no other run had
  int64_t released_bytes = 0;  // of results that nobody has any more
};
struct LostReply {
  int64_t made_again = 0;  // a task that is not over reads them
  int64_t given_up = 0;    // made again once somebody reads them
};
struct RegisterReply {
  WorkerId worker;
};
struct WorkerReply {
  WorkerId worker;
};
struct LeaseReply {
  std::optional<Lease> lease;
};
struct HeartbeatReply {
  std::vector<LostLease> lost;
  std::vector<ArtifactRef> discard;  // artifacts to delete, named until they are known to be
};

using Reply = std::variant<std::monostate, RunReply, RunsReply, SweepReply, DeleteReply, LostReply, RegisterReply,
                           WorkerReply, LeaseReply, HeartbeatReply>;

struct Effects {
  // To be committed before anything below leaves the process.
  std::vector<Change> changes;
  // To the sender of the event. A step that answers an error may still have changes (a late worker was seen dead).
  Status status;
  Reply reply;
};

}  // namespace lwq::coordinator
