// SPDX-License-Identifier: Apache-2.0
#include "coordinator/store/sqlite_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "SQLiteCpp/SQLiteCpp.h"
#include "common/task/task_text.h"
#include "coordinator/store/record_json.h"
#include "coordinator/store/sqlite_schema.h"
#include "sqlite3.h"

namespace lwq::coordinator {
namespace {

// A coordinator that is just ending lets go of the file within this time.
constexpr int kLockWaitMs = 2000;
constexpr const char* kNextWorker = "next_worker";
constexpr const char* kTerm = "term";
constexpr const char* kTokenFloor = "token_floor";

Status ToStatus(const SQLite::Exception& error, const std::string& where) {
  const std::string what = absl::StrCat(where, ": ", error.what());
  switch (error.getErrorCode()) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::FailedPreconditionError(
          absl::StrCat(where, " is in use by another coordinator: stop that one, or choose another path"));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(absl::StrCat(what, ": restore a backup, or move the file away to start empty"));
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(absl::StrCat(what, ": free some space and start again"));
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return absl::FailedPreconditionError(absl::StrCat(what, ": does its folder exist, and are both writable?"));
    default:
      return absl::UnavailableError(what);
  }
}

// A prepared statement whose parameters are given all at once, in order.
class Prepared {
 public:
  Prepared(SQLite::Database& database, const char* sql) : statement_(database, sql) {}

  template <typename... Values>
  void Execute(const Values&... values) {
    int index = 0;
    (Bind(++index, values), ...);
    statement_.exec();
    statement_.reset();
  }

  // The first column of the first row; none where there is no row.
  template <typename... Values>
  std::optional<int64_t> First(const Values&... values) {
    int index = 0;
    (statement_.bind(++index, values), ...);
    std::optional<int64_t> found;
    if (statement_.executeStep()) found = statement_.getColumn(0).getInt64();
    statement_.reset();
    return found;
  }

 private:
  // Texts live until the call returns, which is after the statement was executed.
  void Bind(int index, const std::string& text) { statement_.bindNoCopy(index, text); }
  template <typename Value>
  void Bind(int index, const Value& value) {
    statement_.bind(index, value);
  }

  SQLite::Statement statement_;
};

int64_t Integer(const SQLite::Column& column) {
  return column.getInt64();
}
std::string Text(const SQLite::Column& column) {
  return column.getString();
}

// Where the rows of a table are whose key has no index: it would be written in as many places as a commit has keys.
class RowNumbers {
 public:
  explicit RowNumbers(const char* table) : table_(table) {}

  // Before the first change, unless every row has been noted. Errors: SQLite's, thrown; DATA_LOSS for a key that is no
  // digest.
  Status LoadOnce(SQLite::Database& database) {
    if (known_) return absl::OkStatus();
    SQLite::Statement query(database, absl::StrCat("SELECT number, key FROM ", table_));
    while (query.executeStep()) {
      LWQ_ASSIGN_OR_RETURN(const Digest key, ParseDigestText(Text(query.getColumn(1))));
      Note(key, Integer(query.getColumn(0)));
    }
    NotedAll();
    return absl::OkStatus();
  }
  void Note(const Digest& key, int64_t number) {
    numbers_[key] = number;
    next_ = std::max(next_, number + 1);
  }
  void NotedAll() { known_ = true; }
  // The key's number, a new one if it has none.
  int64_t OfNew(const Digest& key) {
    const auto [number, added] = numbers_.emplace(key, next_);
    if (added) ++next_;
    return number->second;
  }
  // 0: it has none.
  int64_t Of(const Digest& key) const {
    const auto number = numbers_.find(key);
    return number == numbers_.end() ? 0 : number->second;
  }
  void Drop(const Digest& key) { numbers_.erase(key); }

 private:
  const char* const table_;
  std::unordered_map<Digest, int64_t> numbers_;
  int64_t next_ = 1;
  bool known_ = false;
};

class SqliteStore : public Store {
 public:
  // Requires a migrated database.
  SqliteStore(std::unique_ptr<SQLite::Database> database, std::string where)
      : database_(std::move(database)), where_(std::move(where)) {}

  StatusOr<Term> TakeTerm() override;
  StatusOr<Records> Load() override;
  Status Commit(Term term, std::span<const Change> changes) override;
  std::string Describe() const override { return where_; }

 private:
  StatusOr<Term> TermTakenLast();
  Status LoadRuns(Records& records);
  Status LoadRunTasks(Records& records);
  Status LoadTasks(Records& records);
  Status LoadActions(Records& records);
  Status LoadRest(Records& records);
  void LoadRungResults(std::vector<SweepRecord>& sweeps);

  void Apply(const PutRun& change);
  void Apply(const PutRunTasks& change);
  void Apply(const PutTask& change);
  void Apply(const PutAction& change);
  void Apply(const DropAction& change);
  void Apply(const PutDiscarded& change);
  void Apply(const DropDiscarded& change) { drop_discarded_.Execute(change.artifact.hex()); }
  void Apply(const PutWorker& change);
  void Apply(const DropWorker& change) { drop_worker_.Execute(change.id.value); }
  void Apply(const PutNextWorker& change) { put_meta_.Execute(kNextWorker, change.number); }
  void Apply(const PutRequest& change);
  void Apply(const PutSweep& change);
  void Apply(const AppendRungResult& change);
  void Apply(const AppendLog& change);
  void Apply(const DropLogs& change) { drop_logs_.Execute(change.run.value, change.up_to); }
  void Apply(const DropRun& change);
  void Apply(const DropTask& change);
  void Apply(const DropRequest& change) { drop_request_.Execute(change.request_id); }
  void Apply(const DropSweep& change);
  void Apply(const PutTokenFloor& change) { put_meta_.Execute(kTokenFloor, static_cast<int64_t>(change.token)); }

  std::unique_ptr<SQLite::Database> database_;
  const std::string where_;
  RowNumbers task_numbers_{"tasks"};
  RowNumbers action_numbers_{"actions"};
  Prepared put_run_{*database_, "INSERT OR REPLACE INTO runs VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"};
  Prepared drop_run_tasks_{*database_, "DELETE FROM run_tasks WHERE run_id=? AND position>=?"};
  Prepared put_run_task_{*database_, "INSERT OR REPLACE INTO run_tasks VALUES (?,?,?,?,?,?,?,?,?,?,?)"};
  Prepared new_task_{*database_, "INSERT OR REPLACE INTO tasks VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"};
  Prepared put_task_{*database_,
                     "UPDATE tasks SET divergence_retries=?2, state=?3, action_key=?4, token=?5, reported_token=?6, "
                     "worker=?7, worker_name=?8, attempts=?9, failures=?10, lr_halvings=?11, from_cache=?12, "
                     "error=?13, checkpoint=?14 WHERE number=?1"};
  Prepared put_action_{*database_, "INSERT OR REPLACE INTO actions VALUES (?,?,?,?,?,?,?,?)"};
  Prepared drop_action_{*database_, "DELETE FROM actions WHERE number=?"};
  Prepared put_discarded_{*database_, "INSERT OR REPLACE INTO discarded VALUES (?,?,?)"};
  Prepared drop_discarded_{*database_, "DELETE FROM discarded WHERE digest=?"};
  Prepared put_worker_{*database_, "INSERT OR REPLACE INTO workers VALUES (?,?,?,?,?,?,?,?,?,?,?)"};
  Prepared drop_worker_{*database_, "DELETE FROM workers WHERE id=?"};
  Prepared put_meta_{*database_, "INSERT OR REPLACE INTO meta VALUES (?,?)"};
  Prepared get_meta_{*database_, "SELECT value FROM meta WHERE name=?"};
  Prepared put_request_{*database_, "INSERT OR REPLACE INTO requests VALUES (?,?,?)"};
  Prepared put_sweep_{*database_, "INSERT OR REPLACE INTO sweeps VALUES (?,?,?,?,?,?,?,?)"};
  Prepared append_rung_result_{*database_, "INSERT OR REPLACE INTO rung_results VALUES (?,?,?,?,?)"};
  Prepared append_log_{*database_, "INSERT OR REPLACE INTO log_lines VALUES (?,?,?,?,?,?,?)"};
  Prepared drop_logs_{*database_, "DELETE FROM log_lines WHERE run_id=? AND sequence<=?"};
  Prepared drop_run_{*database_, "DELETE FROM runs WHERE sequence=?"};
  Prepared drop_task_{*database_, "DELETE FROM tasks WHERE number=?"};
  Prepared drop_request_{*database_, "DELETE FROM requests WHERE request_id=?"};
  Prepared drop_sweep_{*database_, "DELETE FROM sweeps WHERE sequence=?"};
  Prepared drop_rung_results_{*database_, "DELETE FROM rung_results WHERE sweep_id=?"};
};

Status SqliteStore::LoadRuns(Records& records) {
  SQLite::Statement query(*database_, "SELECT * FROM runs ORDER BY sequence");
  while (query.executeStep()) {
    RunRecord run;
    run.sequence = Integer(query.getColumn(0));
    run.id.value = Text(query.getColumn(1));
    LWQ_ASSIGN_OR_RETURN(const Json spec_json, ParseJson(Text(query.getColumn(2)), "spec"));
    LWQ_ASSIGN_OR_RETURN(RunSpec spec, RunSpecFromJson(spec_json));
    run.spec = std::make_shared<const RunSpec>(std::move(spec));
    LWQ_ASSIGN_OR_RETURN(const Json recipe_json, ParseJson(Text(query.getColumn(3)), "recipe"));
    LWQ_ASSIGN_OR_RETURN(run.recipe, RecipeFromJson(recipe_json));
    LWQ_ASSIGN_OR_RETURN(run.state, ParseRunState(Text(query.getColumn(4))));
    run.numerics_class = Text(query.getColumn(5));
    run.error = Text(query.getColumn(6));
    run.submitted_unix_ms = Integer(query.getColumn(7));
    run.finished_unix_ms = Integer(query.getColumn(8));
    LWQ_ASSIGN_OR_RETURN(run.result, ResultFromText(Text(query.getColumn(9))));
    LWQ_ASSIGN_OR_RETURN(run.measurements, MeasurementsFromText(Text(query.getColumn(10))));
    LWQ_ASSIGN_OR_RETURN(run.kind_bases, KindBasesFromText(Text(query.getColumn(11))));
    run.paused = query.getColumn(12).getInt() != 0;
    run.left_halving = query.getColumn(13).getInt() != 0;
    LWQ_ASSIGN_OR_RETURN(run.remaking, ParseDigestText(Text(query.getColumn(14))));
    run.trace = {.traceparent = Text(query.getColumn(15)), .parent_id = Text(query.getColumn(16))};
    records.runs.push_back(std::move(run));
  }
  return absl::OkStatus();
}

Status SqliteStore::LoadRunTasks(Records& records) {
  SQLite::Statement query(*database_, "SELECT * FROM run_tasks ORDER BY run_id, position");
  while (query.executeStep()) {
    RunTaskRecord task;
    LWQ_ASSIGN_OR_RETURN(task.key, ParseDigestText(Text(query.getColumn(2))));
    task.title = Text(query.getColumn(3));
    task.block = Integer(query.getColumn(4));
    task.depth = query.getColumn(5).getInt();
    LWQ_ASSIGN_OR_RETURN(task.purpose, ParseTaskPurpose(Text(query.getColumn(6))));
    task.evaluated_model = Text(query.getColumn(7));
    task.evaluated_text = Text(query.getColumn(8));
    task.shared = query.getColumn(9).getInt() != 0;
    task.needs_blocks = Integer(query.getColumn(10));
    records.run_tasks[RunId{Text(query.getColumn(0))}].push_back(std::move(task));
  }
  return absl::OkStatus();
}

Status SqliteStore::LoadTasks(Records& records) {
  SQLite::Statement query(*database_, "SELECT * FROM tasks ORDER BY number");
  while (query.executeStep()) {
    TaskRecord task;
    LWQ_ASSIGN_OR_RETURN(task.key, ParseDigestText(Text(query.getColumn(1))));
    LWQ_ASSIGN_OR_RETURN(const Json def_json, ParseJson(Text(query.getColumn(2)), "task"));
    LWQ_ASSIGN_OR_RETURN(TaskDef def, TaskDefFromJson(def_json, absl::StrCat("task ", task.key.short_hex())));
    task.def = std::make_shared<const TaskDef>(std::move(def));
    task.memory_bytes = Integer(query.getColumn(3));
    task.divergence_retries = query.getColumn(4).getInt();
    LWQ_ASSIGN_OR_RETURN(task.state, ParseTaskState(Text(query.getColumn(5))));
    LWQ_ASSIGN_OR_RETURN(task.action_key, ParseDigestText(Text(query.getColumn(6))));
    task.token = static_cast<uint64_t>(Integer(query.getColumn(7)));
    task.reported_token = static_cast<uint64_t>(Integer(query.getColumn(8)));
    task.worker.value = Text(query.getColumn(9));
    task.worker_name = Text(query.getColumn(10));
    task.attempts = query.getColumn(11).getInt();
    LWQ_ASSIGN_OR_RETURN(task.failures, FailuresFromText(Text(query.getColumn(12))));
    task.lr_halvings = query.getColumn(13).getInt();
    task.from_cache = query.getColumn(14).getInt() != 0;
    task.error = Text(query.getColumn(15));
    LWQ_ASSIGN_OR_RETURN(task.checkpoint, CheckpointFromText(Text(query.getColumn(16))));
    task_numbers_.Note(task.key, Integer(query.getColumn(0)));
    records.tasks.push_back(std::move(task));
  }
  task_numbers_.NotedAll();
  return absl::OkStatus();
}

Status SqliteStore::LoadActions(Records& records) {
  SQLite::Statement query(*database_, "SELECT * FROM actions ORDER BY number");
  while (query.executeStep()) {
    ActionRecord action;
    LWQ_ASSIGN_OR_RETURN(action.key, ParseDigestText(Text(query.getColumn(1))));
    LWQ_ASSIGN_OR_RETURN(action.outputs, OutputsFromText(Text(query.getColumn(2))));
    action.metrics_json = Text(query.getColumn(3));
    action.seconds = query.getColumn(4).getDouble();
    action.peak_memory_bytes = Integer(query.getColumn(5));
    action.peak_rss_bytes = Integer(query.getColumn(6));
    action.finished_unix_ms = Integer(query.getColumn(7));
    action_numbers_.Note(action.key, Integer(query.getColumn(0)));
    records.actions.push_back(std::move(action));
  }
  action_numbers_.NotedAll();
  return absl::OkStatus();
}

Status SqliteStore::LoadRest(Records& records) {
  SQLite::Statement discarded(*database_, "SELECT * FROM discarded ORDER BY digest");
  while (discarded.executeStep()) {
    DiscardedRecord record;
    LWQ_ASSIGN_OR_RETURN(record.artifact.digest, ParseDigestText(Text(discarded.getColumn(0))));
    record.artifact.size_bytes = Integer(discarded.getColumn(1));
    record.deleted = discarded.getColumn(2).getInt() != 0;
    records.discarded.push_back(record);
  }
  SQLite::Statement workers(*database_, "SELECT * FROM workers ORDER BY id");
  while (workers.executeStep()) {
    WorkerRecord worker;
    worker.id.value = Text(workers.getColumn(0));
    worker.name = Text(workers.getColumn(1));
    worker.device = Text(workers.getColumn(2));
    worker.numerics_class = Text(workers.getColumn(3));
    worker.hardware_bf16 = workers.getColumn(4).getInt() != 0;
    worker.memory_bytes = Integer(workers.getColumn(5));
    worker.max_threads = workers.getColumn(6).getInt();
    LWQ_ASSIGN_OR_RETURN(worker.kinds, KindsFromText(Text(workers.getColumn(7))));
    worker.cache_bytes = Integer(workers.getColumn(8));
    LWQ_ASSIGN_OR_RETURN(worker.token_sha256, ParseDigestText(Text(workers.getColumn(9))));
    LWQ_ASSIGN_OR_RETURN(worker.projects, ProjectsFromText(Text(workers.getColumn(10))));
    records.workers.push_back(std::move(worker));
  }
  SQLite::Statement requests(*database_, "SELECT * FROM requests ORDER BY request_id");
  while (requests.executeStep()) {
    RequestRecord request;
    request.request_id = Text(requests.getColumn(0));
    LWQ_ASSIGN_OR_RETURN(request.spec_digest, ParseDigestText(Text(requests.getColumn(1))));
    request.run.value = Text(requests.getColumn(2));
    records.requests.push_back(std::move(request));
  }
  SQLite::Statement sweeps(*database_, "SELECT * FROM sweeps ORDER BY sequence");
  while (sweeps.executeStep()) {
    SweepRecord sweep;
    sweep.sequence = Integer(sweeps.getColumn(0));
    sweep.id.value = Text(sweeps.getColumn(1));
    sweep.name = Text(sweeps.getColumn(2));
    sweep.request_id = Text(sweeps.getColumn(3));
    LWQ_ASSIGN_OR_RETURN(sweep.spec_digest, ParseDigestText(Text(sweeps.getColumn(4))));
    sweep.submitted_unix_ms = Integer(sweeps.getColumn(5));
    LWQ_ASSIGN_OR_RETURN(sweep.members, MembersFromText(Text(sweeps.getColumn(6))));
    LWQ_ASSIGN_OR_RETURN(sweep.halving, HalvingFromText(Text(sweeps.getColumn(7))));
    records.sweeps.push_back(std::move(sweep));
  }
  LoadRungResults(records.sweeps);
  SQLite::Statement logs(*database_, "SELECT * FROM log_lines ORDER BY sequence");
  while (logs.executeStep()) {
    records.logs.push_back({.run = RunId{Text(logs.getColumn(1))},
                            .sequence = Integer(logs.getColumn(0)),
                            .time_unix_ms = Integer(logs.getColumn(2)),
                            .task = Text(logs.getColumn(3)),
                            .worker = Text(logs.getColumn(4)),
                            .text = Text(logs.getColumn(5)),
                            .attempt = logs.getColumn(6).getInt()});
  }
  records.next_worker = get_meta_.First(kNextWorker).value_or(records.next_worker);
  records.token_floor = static_cast<uint64_t>(get_meta_.First(kTokenFloor).value_or(0));
  return absl::OkStatus();
}

void SqliteStore::LoadRungResults(std::vector<SweepRecord>& sweeps) {
  std::map<std::string, SweepRecord*> by_id;
  for (SweepRecord& sweep : sweeps) by_id[sweep.id.value] = &sweep;
  SQLite::Statement results(*database_, "SELECT * FROM rung_results ORDER BY sweep_id, number");
  while (results.executeStep()) {
    const auto sweep = by_id.find(Text(results.getColumn(0)));
    if (sweep == by_id.end()) continue;
    const SQLite::Column value = results.getColumn(4);
    sweep->second->rung_results.push_back(
        {.run = Integer(results.getColumn(2)),
         .rung = Integer(results.getColumn(3)),
         .value = value.isNull() ? std::numeric_limits<double>::quiet_NaN() : value.getDouble()});
  }
}

StatusOr<Records> SqliteStore::Load() {
  try {
    Records records;
    Status status = LoadRuns(records);
    if (status.ok()) status = LoadRunTasks(records);
    if (status.ok()) status = LoadTasks(records);
    if (status.ok()) status = LoadActions(records);
    if (status.ok()) status = LoadRest(records);
    if (!status.ok()) {
      return absl::DataLossError(
          absl::StrCat(where_, ": ", MessageOf(status), ": restore a backup, or move the file away to start empty"));
    }
    return records;
  } catch (const SQLite::Exception& error) {
    return ToStatus(error, where_);
  }
}

// Requires an open transaction.
StatusOr<Term> SqliteStore::TermTakenLast() {
  const std::optional<int64_t> number = get_meta_.First(kTerm);
  if (number.has_value()) return Term{*number};
  return absl::DataLossError(
      absl::StrCat(where_, ": its term is missing: restore a backup, or move the file away to start empty"));
}

StatusOr<Term> SqliteStore::TakeTerm() {
  try {
    SQLite::Transaction transaction(*database_, SQLite::TransactionBehavior::IMMEDIATE);
    LWQ_ASSIGN_OR_RETURN(Term term, TermTakenLast());
    ++term.number;
    put_meta_.Execute(kTerm, term.number);
    transaction.commit();
    return term;
  } catch (const SQLite::Exception& error) {
    return ToStatus(error, where_);
  }
}

Status SqliteStore::Commit(Term term, std::span<const Change> changes) {
  try {
    LWQ_RETURN_IF_ERROR(Annotate(task_numbers_.LoadOnce(*database_), where_));
    LWQ_RETURN_IF_ERROR(Annotate(action_numbers_.LoadOnce(*database_), where_));
    SQLite::Transaction transaction(*database_, SQLite::TransactionBehavior::IMMEDIATE);
    LWQ_ASSIGN_OR_RETURN(const Term taken_last, TermTakenLast());
    LWQ_RETURN_IF_ERROR(CheckTerm(term, taken_last, where_));
    for (const Change& change : changes) std::visit([&](const auto& one) { Apply(one); }, change);
    transaction.commit();
    return absl::OkStatus();
  } catch (const SQLite::Exception& error) {
    return ToStatus(error, where_);
  }
}

void SqliteStore::Apply(const PutRun& change) {
  const RunRecord& run = change.run;
  put_run_.Execute(run.sequence, run.id.value, CanonicalJson(RunSpecToJson(*run.spec)),
                   CanonicalJson(RecipeToJson(run.recipe)), std::string(RunStateName(run.state)), run.numerics_class,
                   run.error, run.submitted_unix_ms, run.finished_unix_ms, ResultToText(run.result),
                   MeasurementsToText(run.measurements), KindBasesToText(run.kind_bases), static_cast<int>(run.paused),
                   static_cast<int>(run.left_halving), DigestText(run.remaking), run.trace.traceparent,
                   run.trace.parent_id);
}

void SqliteStore::Apply(const DropRun& change) {
  drop_run_.Execute(change.sequence);
  drop_run_tasks_.Execute(change.id.value, int64_t{0});
  drop_logs_.Execute(change.id.value, std::numeric_limits<int64_t>::max());
}

void SqliteStore::Apply(const DropTask& change) {
  drop_task_.Execute(task_numbers_.Of(change.key));
  task_numbers_.Drop(change.key);
}

void SqliteStore::Apply(const PutRunTasks& change) {
  int64_t position = 0;
  for (const RunTaskRecord& task : change.tasks) {
    put_run_task_.Execute(change.run.value, position++, task.key.hex(), task.title, task.block, task.depth,
                          std::string(TaskPurposeName(task.purpose)), task.evaluated_model, task.evaluated_text,
                          static_cast<int>(task.shared), task.needs_blocks);
  }
  drop_run_tasks_.Execute(change.run.value, position);
}

void SqliteStore::Apply(const PutTask& change) {
  const TaskRecord& task = change.task;
  const std::string state(TaskStateName(task.state));
  const auto token = static_cast<int64_t>(task.token);
  const auto reported_token = static_cast<int64_t>(task.reported_token);
  const std::string failures = FailuresToText(task.failures);
  const int from_cache = task.from_cache ? 1 : 0;
  const std::string checkpoint = CheckpointToText(task.checkpoint);
  if (change.is_new) {
    new_task_.Execute(task_numbers_.OfNew(task.key), task.key.hex(),
                      change.def_text != nullptr ? *change.def_text : StoredText(*task.def), task.memory_bytes,
                      task.divergence_retries, state, DigestText(task.action_key), token, reported_token,
                      task.worker.value, task.worker_name, task.attempts, failures, task.lr_halvings, from_cache,
                      task.error, checkpoint);
  } else {
    put_task_.Execute(task_numbers_.Of(task.key), task.divergence_retries, state, DigestText(task.action_key), token,
                      reported_token, task.worker.value, task.worker_name, task.attempts, failures, task.lr_halvings,
                      from_cache, task.error, checkpoint);
  }
}

void SqliteStore::Apply(const PutAction& change) {
  const ActionRecord& action = change.action;
  put_action_.Execute(action_numbers_.OfNew(action.key), action.key.hex(), OutputsToText(action.outputs),
                      action.metrics_json, action.seconds, action.peak_memory_bytes, action.peak_rss_bytes,
                      action.finished_unix_ms);
}

void SqliteStore::Apply(const DropAction& change) {
  drop_action_.Execute(action_numbers_.Of(change.key));
  action_numbers_.Drop(change.key);
}

void SqliteStore::Apply(const PutDiscarded& change) {
  const ArtifactRef& artifact = change.discarded.artifact;
  put_discarded_.Execute(artifact.digest.hex(), artifact.size_bytes, static_cast<int>(change.discarded.deleted));
}

void SqliteStore::Apply(const PutWorker& change) {
  const WorkerRecord& worker = change.worker;
  put_worker_.Execute(worker.id.value, worker.name, worker.device, worker.numerics_class,
                      static_cast<int>(worker.hardware_bf16), worker.memory_bytes, worker.max_threads,
                      KindsToText(worker.kinds), worker.cache_bytes, DigestText(worker.token_sha256),
                      ProjectsToText(worker.projects));
}

void SqliteStore::Apply(const PutRequest& change) {
  put_request_.Execute(change.request.request_id, change.request.spec_digest.hex(), change.request.run.value);
}

void SqliteStore::Apply(const PutSweep& change) {
  const SweepRecord& sweep = change.sweep;
  put_sweep_.Execute(sweep.sequence, sweep.id.value, sweep.name, sweep.request_id, sweep.spec_digest.hex(),
                     sweep.submitted_unix_ms, MembersToText(sweep.members), HalvingToText(sweep.halving));
}

void SqliteStore::Apply(const DropSweep& change) {
  drop_sweep_.Execute(change.sequence);
  drop_rung_results_.Execute(change.id.value);
}

// SQLite has no NaN: it stores NULL in its place.
void SqliteStore::Apply(const AppendRungResult& change) {
  append_rung_result_.Execute(change.sweep.value, change.number, change.result.run, change.result.rung,
                              change.result.value);
}

void SqliteStore::Apply(const AppendLog& change) {
  const LogRecord& line = change.line;
  append_log_.Execute(line.sequence, line.run.value, line.time_unix_ms, line.task, line.worker, line.text,
                      line.attempt);
}

// Makes the file, and those that SQLite makes beside it, readable by its owner alone; earlier versions did not. What
// cannot be done is SQLite's to tell.
void MakePrivate(const std::string& path) {
  constexpr mode_t kMode = 0600;
  const int made = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kMode);
  if (made >= 0) ::close(made);
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) ::chmod((path + suffix).c_str(), kMode);
}

}  // namespace

StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path) {
  const std::string where = absl::StrCat("store sqlite:", path);
  try {
    MakePrivate(path);
    // Only one thread uses the connection: it needs no locks.
    const int flags = SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE | SQLite::OPEN_NOMUTEX;
    auto database = std::make_unique<SQLite::Database>(path, flags, kLockWaitMs);
    // Exclusive before the first access: the log's index then needs no shared memory, and no second process gets in.
    database->exec("PRAGMA locking_mode = EXCLUSIVE");
    database->exec("PRAGMA journal_mode = WAL");
    database->exec("PRAGMA synchronous = FULL");
    database->exec("BEGIN EXCLUSIVE; COMMIT");
    std::string check = database->execAndGet("PRAGMA quick_check(1)").getString();
    std::replace(check.begin(), check.end(), '\n', ' ');
    if (check != "ok") {
      return absl::DataLossError(
          absl::StrCat(where, " is damaged (", check, "): restore a backup, or move the file away to start empty"));
    }
    const Status migrated = MigrateSqlite(*database);
    if (!migrated.ok()) return Annotate(migrated, where);
    return std::unique_ptr<Store>(std::make_unique<SqliteStore>(std::move(database), where));
  } catch (const SQLite::Exception& error) {
    return ToStatus(error, where);
  }
}

}  // namespace lwq::coordinator
