// SPDX-License-Identifier: Apache-2.0
// Records as the rows of a relational database: which columns they are, in which order, and which statements a change
// is. One place for every store that has tables; how a statement is spelt and executed is the store's.
//
// The tables are those of sqlite_schema.cc and postgres_schema.cc, whose columns have the same order.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>

#include "common/json/json.h"
#include "common/status/status.h"
#include "common/task/task_text.h"
#include "coordinator/scheduler/state/records.h"
#include "coordinator/store/record_json.h"
#include "coordinator/store/row.h"
#include "coordinator/store/row_numbers.h"

namespace lwq::coordinator {

// Executes a query and calls `each` with its rows, in order, until one is refused. Errors: those of `each`; the
// store's.
using RowReader = std::function<Status(const char* query, const std::function<Status(const Row&)>& each)>;

// All that is stored; notes the rows of both tables. DATA_LOSS: a row that is no record, without the store's name.
StatusOr<Records> ReadRecords(const RowReader& read, RowNumbers& tasks, RowNumbers& actions);
// Notes the rows of both tables, unless they have been.
Status NoteRows(const RowReader& read, RowNumbers& tasks, RowNumbers& actions);

// What a change is made of. The values of each are given in the order of the table's columns, or as said here.
enum class RowStatement {
  kPutRun,           // or replace by sequence
  kDropRun,          // sequence
  kPutRunTask,       // or replace by run and position
  kDropRunTasks,     // run, first position
  kNewTask,          // or replace by number
  kPutTask,          // number, then what changes: divergence_retries, state, action_key, …
  kDropTask,         // number
  kPutAction,        // or replace by number
  kDropAction,       // number
  kPutDiscarded,     // or replace by digest
  kDropDiscarded,    // digest
  kPutWorker,        // or replace by id
  kDropWorker,       // id
  kPutMeta,          // or replace by name
  kPutRequest,       // or replace by request_id
  kDropRequest,      // request_id
  kPutSweep,         // or replace by sequence
  kDropSweep,        // sequence
  kDropRungResults,  // sweep
  kAppendRungResult,
  kAppendLog,
  kDropLogs,  // run, last sequence
};
inline constexpr size_t kRowStatements = static_cast<size_t>(RowStatement::kDropLogs) + 1;

inline constexpr const char* kNextWorkerName = "next_worker";
inline constexpr const char* kTokenFloorName = "token_floor";

// Turns changes into statements: std::visit(writer, change) calls execute(RowStatement, values…) for each. Values are
// int, int64_t, double and const std::string&; they live until the call returns.
template <typename Execute>
class RowWriter {
 public:
  // Requires numbers that are known. All must outlive the writer.
  RowWriter(Execute& execute, RowNumbers& tasks, RowNumbers& actions)
      : execute_(execute), tasks_(tasks), actions_(actions) {}

  void operator()(const PutRun& change) {
    const RunRecord& run = change.run;
    execute_(RowStatement::kPutRun, run.sequence, run.id.value, CanonicalJson(RunSpecToJson(*run.spec)),
             CanonicalJson(RecipeToJson(run.recipe)), std::string(RunStateName(run.state)), run.numerics_class,
             run.error, run.submitted_unix_ms, run.finished_unix_ms, ResultToText(run.result),
             MeasurementsToText(run.measurements), KindBasesToText(run.kind_bases), static_cast<int>(run.paused),
             static_cast<int>(run.left_halving), DigestText(run.remaking), run.trace.traceparent, run.trace.parent_id);
  }
  void operator()(const DropRun& change) {
    execute_(RowStatement::kDropRun, change.sequence);
    execute_(RowStatement::kDropRunTasks, change.id.value, int64_t{0});
    execute_(RowStatement::kDropLogs, change.id.value, std::numeric_limits<int64_t>::max());
  }
  void operator()(const PutRunTasks& change) {
    int64_t position = 0;
    for (const RunTaskRecord& task : change.tasks) {
      execute_(RowStatement::kPutRunTask, change.run.value, position++, task.key.hex(), task.title, task.block,
               task.depth, std::string(TaskPurposeName(task.purpose)), task.evaluated_model, task.evaluated_text,
               static_cast<int>(task.shared), task.needs_blocks);
    }
    execute_(RowStatement::kDropRunTasks, change.run.value, position);
  }
  void operator()(const PutTask& change) {
    const TaskRecord& task = change.task;
    const std::string state(TaskStateName(task.state));
    const auto token = static_cast<int64_t>(task.token);
    const auto reported_token = static_cast<int64_t>(task.reported_token);
    const std::string failures = FailuresToText(task.failures);
    const int from_cache = task.from_cache ? 1 : 0;
    const std::string checkpoint = CheckpointToText(task.checkpoint);
    if (change.is_new) {
      execute_(RowStatement::kNewTask, tasks_.OfNew(task.key), task.key.hex(),
               change.def_text != nullptr ? *change.def_text : StoredText(*task.def), task.memory_bytes,
               task.divergence_retries, state, DigestText(task.action_key), token, reported_token, task.worker.value,
               task.worker_name, task.attempts, failures, task.lr_halvings, from_cache, task.error, checkpoint);
    } else {
      execute_(RowStatement::kPutTask, tasks_.Of(task.key), task.divergence_retries, state, DigestText(task.action_key),
               token, reported_token, task.worker.value, task.worker_name, task.attempts, failures, task.lr_halvings,
               from_cache, task.error, checkpoint);
    }
  }
  void operator()(const DropTask& change) {
    execute_(RowStatement::kDropTask, tasks_.Of(change.key));
    tasks_.Drop(change.key);
  }
  void operator()(const PutAction& change) {
    const ActionRecord& action = change.action;
    execute_(RowStatement::kPutAction, actions_.OfNew(action.key), action.key.hex(), OutputsToText(action.outputs),
             action.metrics_json, action.seconds, action.peak_memory_bytes, action.peak_rss_bytes,
             action.finished_unix_ms);
  }
  void operator()(const DropAction& change) {
    execute_(RowStatement::kDropAction, actions_.Of(change.key));
    actions_.Drop(change.key);
  }
  void operator()(const PutDiscarded& change) {
    const ArtifactRef& artifact = change.discarded.artifact;
    execute_(RowStatement::kPutDiscarded, artifact.digest.hex(), artifact.size_bytes,
             static_cast<int>(change.discarded.deleted));
  }
  void operator()(const DropDiscarded& change) { execute_(RowStatement::kDropDiscarded, change.artifact.hex()); }
  void operator()(const PutWorker& change) {
    const WorkerRecord& worker = change.worker;
    execute_(RowStatement::kPutWorker, worker.id.value, worker.name, worker.device, worker.numerics_class,
             static_cast<int>(worker.hardware_bf16), worker.memory_bytes, worker.max_threads, KindsToText(worker.kinds),
             worker.cache_bytes, DigestText(worker.token_sha256), ProjectsToText(worker.projects));
  }
  void operator()(const DropWorker& change) { execute_(RowStatement::kDropWorker, change.id.value); }
  void operator()(const PutNextWorker& change) {
    execute_(RowStatement::kPutMeta, std::string(kNextWorkerName), change.number);
  }
  void operator()(const PutTokenFloor& change) {
    execute_(RowStatement::kPutMeta, std::string(kTokenFloorName), static_cast<int64_t>(change.token));
  }
  void operator()(const PutRequest& change) {
    execute_(RowStatement::kPutRequest, change.request.request_id, change.request.spec_digest.hex(),
             change.request.run.value);
  }
  void operator()(const DropRequest& change) { execute_(RowStatement::kDropRequest, change.request_id); }
  void operator()(const PutSweep& change) {
    const SweepRecord& sweep = change.sweep;
    execute_(RowStatement::kPutSweep, sweep.sequence, sweep.id.value, sweep.name, sweep.request_id,
             sweep.spec_digest.hex(), sweep.submitted_unix_ms, MembersToText(sweep.members),
             HalvingToText(sweep.halving));
  }
  void operator()(const DropSweep& change) {
    execute_(RowStatement::kDropSweep, change.sequence);
    execute_(RowStatement::kDropRungResults, change.id.value);
  }
  void operator()(const AppendRungResult& change) {
    execute_(RowStatement::kAppendRungResult, change.sweep.value, change.number, change.result.run, change.result.rung,
             change.result.value);
  }
  void operator()(const AppendLog& change) {
    const LogRecord& line = change.line;
    execute_(RowStatement::kAppendLog, line.sequence, line.run.value, line.time_unix_ms, line.task, line.worker,
             line.text, line.attempt);
  }
  void operator()(const DropLogs& change) { execute_(RowStatement::kDropLogs, change.run.value, change.up_to); }

 private:
  Execute& execute_;
  RowNumbers& tasks_;
  RowNumbers& actions_;
};

}  // namespace lwq::coordinator
