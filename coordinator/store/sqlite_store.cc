// SPDX-License-Identifier: Apache-2.0
#include "coordinator/store/sqlite_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "SQLiteCpp/SQLiteCpp.h"
#include "coordinator/store/record_rows.h"
#include "coordinator/store/sqlite_schema.h"
#include "sqlite3.h"

namespace lwq::coordinator {
namespace {

// A coordinator that is just ending lets go of the file within this time.
constexpr int kLockWaitMs = 2000;
constexpr const char* kTerm = "term";

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

// A row that the statement stands at.
class SqliteRow final : public Row {
 public:
  explicit SqliteRow(SQLite::Statement& statement) : statement_(statement) {}
  int64_t Integer(int column) const override { return statement_.getColumn(column).getInt64(); }
  std::string Text(int column) const override { return statement_.getColumn(column).getString(); }
  double Real(int column) const override {
    const SQLite::Column value = statement_.getColumn(column);
    return value.isNull() ? std::numeric_limits<double>::quiet_NaN() : value.getDouble();
  }

 private:
  SQLite::Statement& statement_;
};

const char* SqlOf(RowStatement statement) {
  switch (statement) {
    case RowStatement::kPutRun:
      return "INSERT OR REPLACE INTO runs VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
    case RowStatement::kDropRun:
      return "DELETE FROM runs WHERE sequence=?";
    case RowStatement::kPutRunTask:
      return "INSERT OR REPLACE INTO run_tasks VALUES (?,?,?,?,?,?,?,?,?,?,?)";
    case RowStatement::kDropRunTasks:
      return "DELETE FROM run_tasks WHERE run_id=? AND position>=?";
    case RowStatement::kNewTask:
      return "INSERT OR REPLACE INTO tasks VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
    case RowStatement::kPutTask:
      return "UPDATE tasks SET divergence_retries=?2, state=?3, action_key=?4, token=?5, reported_token=?6, "
             "worker=?7, worker_name=?8, attempts=?9, failures=?10, lr_halvings=?11, from_cache=?12, error=?13, "
             "checkpoint=?14 WHERE number=?1";
    case RowStatement::kDropTask:
      return "DELETE FROM tasks WHERE number=?";
    case RowStatement::kPutAction:
      return "INSERT OR REPLACE INTO actions VALUES (?,?,?,?,?,?,?,?)";
    case RowStatement::kDropAction:
      return "DELETE FROM actions WHERE number=?";
    case RowStatement::kPutDiscarded:
      return "INSERT OR REPLACE INTO discarded VALUES (?,?,?)";
    case RowStatement::kDropDiscarded:
      return "DELETE FROM discarded WHERE digest=?";
    case RowStatement::kPutWorker:
      return "INSERT OR REPLACE INTO workers VALUES (?,?,?,?,?,?,?,?,?,?,?)";
    case RowStatement::kDropWorker:
      return "DELETE FROM workers WHERE id=?";
    case RowStatement::kPutMeta:
      return "INSERT OR REPLACE INTO meta VALUES (?,?)";
    case RowStatement::kPutRequest:
      return "INSERT OR REPLACE INTO requests VALUES (?,?,?)";
    case RowStatement::kDropRequest:
      return "DELETE FROM requests WHERE request_id=?";
    case RowStatement::kPutSweep:
      return "INSERT OR REPLACE INTO sweeps VALUES (?,?,?,?,?,?,?,?)";
    case RowStatement::kDropSweep:
      return "DELETE FROM sweeps WHERE sequence=?";
    case RowStatement::kDropRungResults:
      return "DELETE FROM rung_results WHERE sweep_id=?";
    case RowStatement::kAppendRungResult:
      return "INSERT OR REPLACE INTO rung_results VALUES (?,?,?,?,?)";
    case RowStatement::kAppendLog:
      return "INSERT OR REPLACE INTO log_lines VALUES (?,?,?,?,?,?,?)";
    case RowStatement::kDropLogs:
      return "DELETE FROM log_lines WHERE run_id=? AND sequence<=?";
  }
  return "";
}

class SqliteStore : public Store {
 public:
  // Requires a migrated database.
  SqliteStore(std::unique_ptr<SQLite::Database> database, std::string where)
      : database_(std::move(database)), where_(std::move(where)) {
    statements_.reserve(kRowStatements);
    for (size_t i = 0; i < kRowStatements; ++i) {
      statements_.emplace_back(*database_, SqlOf(static_cast<RowStatement>(i)));
    }
  }

  StatusOr<Term> TakeTerm() override;
  StatusOr<Records> Load() override;
  Status Commit(Term term, std::span<const Change> changes) override;
  std::string Describe() const override { return where_; }

 private:
  RowReader Reader();
  StatusOr<Term> TermTakenLast();
  Prepared& StatementOf(RowStatement statement) { return statements_[static_cast<size_t>(statement)]; }

  std::unique_ptr<SQLite::Database> database_;
  const std::string where_;
  RowNumbers tasks_;
  RowNumbers actions_;
  std::vector<Prepared> statements_;  // by RowStatement
  Prepared get_meta_{*database_, "SELECT value FROM meta WHERE name=?"};
};

RowReader SqliteStore::Reader() {
  return [this](const char* query, const std::function<Status(const Row&)>& each) {
    SQLite::Statement statement(*database_, query);
    const SqliteRow row(statement);
    while (statement.executeStep()) LWQ_RETURN_IF_ERROR(each(row));
    return absl::OkStatus();
  };
}

StatusOr<Records> SqliteStore::Load() {
  try {
    StatusOr<Records> records = ReadRecords(Reader(), tasks_, actions_);
    if (records.ok()) return records;
    return absl::DataLossError(absl::StrCat(where_, ": ", MessageOf(records.status()),
                                            ": restore a backup, or move the file away to start empty"));
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
    StatementOf(RowStatement::kPutMeta).Execute(std::string(kTerm), term.number);
    transaction.commit();
    return term;
  } catch (const SQLite::Exception& error) {
    return ToStatus(error, where_);
  }
}

Status SqliteStore::Commit(Term term, std::span<const Change> changes) {
  try {
    LWQ_RETURN_IF_ERROR(Annotate(NoteRows(Reader(), tasks_, actions_), where_));
    SQLite::Transaction transaction(*database_, SQLite::TransactionBehavior::IMMEDIATE);
    LWQ_ASSIGN_OR_RETURN(const Term taken_last, TermTakenLast());
    LWQ_RETURN_IF_ERROR(CheckTerm(term, taken_last, where_));
    auto execute = [this](RowStatement statement, const auto&... values) { StatementOf(statement).Execute(values...); };
    RowWriter writer(execute, tasks_, actions_);
    for (const Change& change : changes) std::visit(writer, change);
    transaction.commit();
    return absl::OkStatus();
  } catch (const SQLite::Exception& error) {
    return ToStatus(error, where_);
  }
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
