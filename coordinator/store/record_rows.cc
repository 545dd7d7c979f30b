// SPDX-License-Identifier: Apache-2.0
#include "coordinator/store/record_rows.h"

#include <map>
#include <memory>
#include <utility>

namespace lwq::coordinator {
namespace {

StatusOr<RunRecord> RunOf(const Row& row) {
  RunRecord run;
  run.sequence = row.Integer(0);
  run.id.value = row.Text(1);
  LWQ_ASSIGN_OR_RETURN(const Json spec_json, ParseJson(row.Text(2), "spec"));
  LWQ_ASSIGN_OR_RETURN(RunSpec spec, RunSpecFromJson(spec_json));
  run.spec = std::make_shared<const RunSpec>(std::move(spec));
  LWQ_ASSIGN_OR_RETURN(const Json recipe_json, ParseJson(row.Text(3), "recipe"));
  LWQ_ASSIGN_OR_RETURN(run.recipe, RecipeFromJson(recipe_json));
  LWQ_ASSIGN_OR_RETURN(run.state, ParseRunState(row.Text(4)));
  run.numerics_class = row.Text(5);
  run.error = row.Text(6);
  run.submitted_unix_ms = row.Integer(7);
  run.finished_unix_ms = row.Integer(8);
  LWQ_ASSIGN_OR_RETURN(run.result, ResultFromText(row.Text(9)));
  LWQ_ASSIGN_OR_RETURN(run.measurements, MeasurementsFromText(row.Text(10)));
  LWQ_ASSIGN_OR_RETURN(run.kind_bases, KindBasesFromText(row.Text(11)));
  run.paused = row.Integer(12) != 0;
  run.left_halving = row.Integer(13) != 0;
  LWQ_ASSIGN_OR_RETURN(run.remaking, ParseDigestText(row.Text(14)));
  run.trace = {.traceparent = row.Text(15), .parent_id = row.Text(16)};
  return run;
}

StatusOr<RunTaskRecord> RunTaskOf(const Row& row) {
  RunTaskRecord task;
  LWQ_ASSIGN_OR_RETURN(task.key, ParseDigestText(row.Text(2)));
  task.title = row.Text(3);
  task.block = row.Integer(4);
  task.depth = static_cast<int>(row.Integer(5));
  LWQ_ASSIGN_OR_RETURN(task.purpose, ParseTaskPurpose(row.Text(6)));
  task.evaluated_model = row.Text(7);
  task.evaluated_text = row.Text(8);
  task.shared = row.Integer(9) != 0;
  task.needs_blocks = row.Integer(10);
  return task;
}

StatusOr<TaskRecord> TaskOf(const Row& row) {
  TaskRecord task;
  LWQ_ASSIGN_OR_RETURN(task.key, ParseDigestText(row.Text(1)));
  LWQ_ASSIGN_OR_RETURN(const Json def_json, ParseJson(row.Text(2), "task"));
  LWQ_ASSIGN_OR_RETURN(TaskDef def, TaskDefFromJson(def_json, absl::StrCat("task ", task.key.short_hex())));
  task.def = std::make_shared<const TaskDef>(std::move(def));
  task.memory_bytes = row.Integer(3);
  task.divergence_retries = static_cast<int>(row.Integer(4));
  LWQ_ASSIGN_OR_RETURN(task.state, ParseTaskState(row.Text(5)));
  LWQ_ASSIGN_OR_RETURN(task.action_key, ParseDigestText(row.Text(6)));
  task.token = static_cast<uint64_t>(row.Integer(7));
  task.reported_token = static_cast<uint64_t>(row.Integer(8));
  task.worker.value = row.Text(9);
  task.worker_name = row.Text(10);
  task.attempts = static_cast<int>(row.Integer(11));
  LWQ_ASSIGN_OR_RETURN(task.failures, FailuresFromText(row.Text(12)));
  task.lr_halvings = static_cast<int>(row.Integer(13));
  task.from_cache = row.Integer(14) != 0;
  task.error = row.Text(15);
  LWQ_ASSIGN_OR_RETURN(task.checkpoint, CheckpointFromText(row.Text(16)));
  return task;
}

StatusOr<ActionRecord> ActionOf(const Row& row) {
  ActionRecord action;
  LWQ_ASSIGN_OR_RETURN(action.key, ParseDigestText(row.Text(1)));
  LWQ_ASSIGN_OR_RETURN(action.outputs, OutputsFromText(row.Text(2)));
  action.metrics_json = row.Text(3);
  action.seconds = row.Real(4);
  action.peak_memory_bytes = row.Integer(5);
  action.peak_rss_bytes = row.Integer(6);
  action.finished_unix_ms = row.Integer(7);
  return action;
}

StatusOr<DiscardedRecord> DiscardedOf(const Row& row) {
  DiscardedRecord discarded;
  LWQ_ASSIGN_OR_RETURN(discarded.artifact.digest, ParseDigestText(row.Text(0)));
  discarded.artifact.size_bytes = row.Integer(1);
  discarded.deleted = row.Integer(2) != 0;
  return discarded;
}

StatusOr<WorkerRecord> WorkerOf(const Row& row) {
  WorkerRecord worker;
  worker.id.value = row.Text(0);
  worker.name = row.Text(1);
  worker.device = row.Text(2);
  worker.numerics_class = row.Text(3);
  worker.hardware_bf16 = row.Integer(4) != 0;
  worker.memory_bytes = row.Integer(5);
  worker.max_threads = static_cast<int>(row.Integer(6));
  LWQ_ASSIGN_OR_RETURN(worker.kinds, KindsFromText(row.Text(7)));
  worker.cache_bytes = row.Integer(8);
  LWQ_ASSIGN_OR_RETURN(worker.token_sha256, ParseDigestText(row.Text(9)));
  LWQ_ASSIGN_OR_RETURN(worker.projects, ProjectsFromText(row.Text(10)));
  return worker;
}

StatusOr<RequestRecord> RequestOf(const Row& row) {
  RequestRecord request;
  request.request_id = row.Text(0);
  LWQ_ASSIGN_OR_RETURN(request.spec_digest, ParseDigestText(row.Text(1)));
  request.run.value = row.Text(2);
  return request;
}

StatusOr<SweepRecord> SweepOf(const Row& row) {
  SweepRecord sweep;
  sweep.sequence = row.Integer(0);
  sweep.id.value = row.Text(1);
  sweep.name = row.Text(2);
  sweep.request_id = row.Text(3);
  LWQ_ASSIGN_OR_RETURN(sweep.spec_digest, ParseDigestText(row.Text(4)));
  sweep.submitted_unix_ms = row.Integer(5);
  LWQ_ASSIGN_OR_RETURN(sweep.members, MembersFromText(row.Text(6)));
  LWQ_ASSIGN_OR_RETURN(sweep.halving, HalvingFromText(row.Text(7)));
  return sweep;
}

LogRecord LogOf(const Row& row) {
  return {.run = RunId{row.Text(1)},
          .sequence = row.Integer(0),
          .time_unix_ms = row.Integer(2),
          .task = row.Text(3),
          .worker = row.Text(4),
          .text = row.Text(5),
          .attempt = static_cast<int>(row.Integer(6))};
}

// Reads each row of the query as a record, to the end of `records`.
template <typename Record>
Status ReadInto(std::vector<Record>& records, const RowReader& read, const char* query,
                StatusOr<Record> (*record_of)(const Row&)) {
  return read(query, [&](const Row& row) -> Status {
    LWQ_ASSIGN_OR_RETURN(Record record, record_of(row));
    records.push_back(std::move(record));
    return absl::OkStatus();
  });
}

Status ReadRungResults(const RowReader& read, std::vector<SweepRecord>& sweeps) {
  std::map<std::string, SweepRecord*> by_id;
  for (SweepRecord& sweep : sweeps) by_id[sweep.id.value] = &sweep;
  return read("SELECT * FROM rung_results ORDER BY sweep_id, number", [&](const Row& row) {
    const auto sweep = by_id.find(row.Text(0));
    if (sweep != by_id.end()) {
      sweep->second->rung_results.push_back({.run = row.Integer(2), .rung = row.Integer(3), .value = row.Real(4)});
    }
    return absl::OkStatus();
  });
}

Status NoteRowsOf(const RowReader& read, const char* query, RowNumbers& numbers) {
  if (numbers.known()) return absl::OkStatus();
  LWQ_RETURN_IF_ERROR(read(query, [&](const Row& row) -> Status {
    LWQ_ASSIGN_OR_RETURN(const Digest key, ParseDigestText(row.Text(1)));
    numbers.Note(key, row.Integer(0));
    return absl::OkStatus();
  }));
  numbers.NotedAll();
  return absl::OkStatus();
}

}  // namespace

Status NoteRows(const RowReader& read, RowNumbers& tasks, RowNumbers& actions) {
  LWQ_RETURN_IF_ERROR(NoteRowsOf(read, "SELECT number, key FROM tasks", tasks));
  return NoteRowsOf(read, "SELECT number, key FROM actions", actions);
}

StatusOr<Records> ReadRecords(const RowReader& read, RowNumbers& tasks, RowNumbers& actions) {
  Records records;
  LWQ_RETURN_IF_ERROR(ReadInto(records.runs, read, "SELECT * FROM runs ORDER BY sequence", RunOf));
  LWQ_RETURN_IF_ERROR(read("SELECT * FROM run_tasks ORDER BY run_id, position", [&](const Row& row) -> Status {
    LWQ_ASSIGN_OR_RETURN(RunTaskRecord task, RunTaskOf(row));
    records.run_tasks[RunId{row.Text(0)}].push_back(std::move(task));
    return absl::OkStatus();
  }));
  LWQ_RETURN_IF_ERROR(read("SELECT * FROM tasks ORDER BY number", [&](const Row& row) -> Status {
    LWQ_ASSIGN_OR_RETURN(TaskRecord task, TaskOf(row));
    tasks.Note(task.key, row.Integer(0));
    records.tasks.push_back(std::move(task));
    return absl::OkStatus();
  }));
  tasks.NotedAll();
  LWQ_RETURN_IF_ERROR(read("SELECT * FROM actions ORDER BY number", [&](const Row& row) -> Status {
    LWQ_ASSIGN_OR_RETURN(ActionRecord action, ActionOf(row));
    actions.Note(action.key, row.Integer(0));
    records.actions.push_back(std::move(action));
    return absl::OkStatus();
  }));
  actions.NotedAll();
  LWQ_RETURN_IF_ERROR(ReadInto(records.discarded, read, "SELECT * FROM discarded ORDER BY digest", DiscardedOf));
  LWQ_RETURN_IF_ERROR(ReadInto(records.workers, read, "SELECT * FROM workers ORDER BY id", WorkerOf));
  LWQ_RETURN_IF_ERROR(ReadInto(records.requests, read, "SELECT * FROM requests ORDER BY request_id", RequestOf));
  LWQ_RETURN_IF_ERROR(ReadInto(records.sweeps, read, "SELECT * FROM sweeps ORDER BY sequence", SweepOf));
  LWQ_RETURN_IF_ERROR(ReadRungResults(read, records.sweeps));
  LWQ_RETURN_IF_ERROR(read("SELECT * FROM log_lines ORDER BY sequence", [&](const Row& row) {
    records.logs.push_back(LogOf(row));
    return absl::OkStatus();
  }));
  LWQ_RETURN_IF_ERROR(read("SELECT name, value FROM meta", [&](const Row& row) {
    if (row.Text(0) == kNextWorkerName) records.next_worker = row.Integer(1);
    if (row.Text(0) == kTokenFloorName) records.token_floor = static_cast<uint64_t>(row.Integer(1));
    return absl::OkStatus();
  }));
  return records;
}

}  // namespace lwq::coordinator
