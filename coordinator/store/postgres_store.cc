// SPDX-License-Identifier: Apache-2.0
#include "coordinator/store/postgres_store.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <initializer_list>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "common/retry/retrier.h"
#include "common/text/utf8.h"
#include "coordinator/store/postgres_connection.h"
#include "coordinator/store/postgres_schema.h"
#include "coordinator/store/record_rows.h"
#include "spdlog/spdlog.h"

namespace lwq::coordinator {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kFirstPause(20);
constexpr std::chrono::milliseconds kLongestPause(1000);

constexpr const char* kBegin = "begin";
constexpr const char* kFence = "fence";
constexpr const char* kCommit = "commit";
constexpr const char* kNotNullViolation = "23502";

// A row that replaces the one with the same key: the first `keys` columns.
std::string Upsert(std::string_view table, size_t keys, std::initializer_list<std::string_view> columns) {
  std::string numbers;
  std::string conflict;
  std::string replaced;
  size_t place = 0;
  for (const std::string_view column : columns) {
    absl::StrAppend(&numbers, place == 0 ? "$" : ", $", place + 1);
    if (place < keys) {
      absl::StrAppend(&conflict, place == 0 ? "" : ", ", column);
    } else {
      absl::StrAppend(&replaced, place == keys ? "" : ", ", column, " = excluded.", column);
    }
    ++place;
  }
  return absl::StrCat("INSERT INTO ", table, " VALUES (", numbers, ") ON CONFLICT (", conflict, ") DO UPDATE SET ",
                      replaced);
}

std::string PostgresSqlOf(RowStatement statement) {
  switch (statement) {
    case RowStatement::kPutRun:
      return Upsert("runs", 1,
                    {"sequence", "id", "spec", "recipe", "state", "numerics_class", "error", "submitted_unix_ms",
                     "finished_unix_ms", "result", "measurements", "kind_bases", "paused", "left_halving", "remaking",
                     "traceparent", "trace_parent_id"});
    case RowStatement::kDropRun:
      return "DELETE FROM runs WHERE sequence = $1";
    case RowStatement::kPutRunTask:
      return Upsert("run_tasks", 2,
                    {"run_id", "position", "task_key", "title", "block", "depth", "purpose", "evaluated_model",
                     "evaluated_text", "shared", "needs_blocks"});
    case RowStatement::kDropRunTasks:
      return "DELETE FROM run_tasks WHERE run_id = $1 AND position >= $2";
    case RowStatement::kNewTask:
      return Upsert("tasks", 1,
                    {"number", "key", "def", "memory_bytes", "divergence_retries", "state", "action_key", "token",
                     "reported_token", "worker", "worker_name", "attempts", "failures", "lr_halvings", "from_cache",
                     "error", "checkpoint"});
    case RowStatement::kPutTask:
      return "UPDATE tasks SET divergence_retries = $2, state = $3, action_key = $4, token = $5, reported_token = $6, "
             "worker = $7, worker_name = $8, attempts = $9, failures = $10, lr_halvings = $11, from_cache = $12, "
             "error = $13, checkpoint = $14 WHERE number = $1";
    case RowStatement::kDropTask:
      return "DELETE FROM tasks WHERE number = $1";
    case RowStatement::kPutAction:
      return Upsert("actions", 1,
                    {"number", "key", "outputs", "metrics", "seconds", "peak_memory_bytes", "peak_rss_bytes",
                     "finished_unix_ms"});
    case RowStatement::kDropAction:
      return "DELETE FROM actions WHERE number = $1";
    case RowStatement::kPutDiscarded:
      return Upsert("discarded", 1, {"digest", "size_bytes", "deleted"});
    case RowStatement::kDropDiscarded:
      return "DELETE FROM discarded WHERE digest = $1";
    case RowStatement::kPutWorker:
      return Upsert("workers", 1,
                    {"id", "name", "device", "numerics_class", "hardware_bf16", "memory_bytes", "max_threads", "kinds",
                     "cache_bytes", "token_sha256", "projects"});
    case RowStatement::kDropWorker:
      return "DELETE FROM workers WHERE id = $1";
    case RowStatement::kPutMeta:
      return Upsert("meta", 1, {"name", "value"});
    case RowStatement::kPutRequest:
      return Upsert("requests", 1, {"request_id", "spec_digest", "run_id"});
    case RowStatement::kDropRequest:
      return "DELETE FROM requests WHERE request_id = $1";
    case RowStatement::kPutSweep:
      return Upsert("sweeps", 1,
                    {"sequence", "id", "name", "request_id", "spec_digest", "submitted_unix_ms", "members", "halving"});
    case RowStatement::kDropSweep:
      return "DELETE FROM sweeps WHERE sequence = $1";
    case RowStatement::kDropRungResults:
      return "DELETE FROM rung_results WHERE sweep_id = $1";
    case RowStatement::kAppendRungResult:
      return Upsert("rung_results", 2, {"sweep_id", "number", "run", "rung", "value"});
    case RowStatement::kAppendLog:
      return Upsert("log_lines", 1, {"sequence", "run_id", "time_unix_ms", "task", "worker", "text", "attempt"});
    case RowStatement::kDropLogs:
      return "DELETE FROM log_lines WHERE run_id = $1 AND sequence <= $2";
  }
  return "";
}

std::string StatementName(RowStatement statement) {
  return absl::StrCat("row_", static_cast<int>(statement));
}

std::vector<PreparedSql> PreparedStatements() {
  std::vector<PreparedSql> statements = {
      {kBegin, "BEGIN"},
      {kCommit, "COMMIT"},
      // A commit of another term, or one that does not follow the last, would be number NULL, which the column refuses:
      // so the statement fails, and with it the transaction, without a second round trip to look first.
      {kFence, "UPDATE leader SET commits = CASE WHEN term = $1 AND commits + 1 = $2 THEN $2 END"}};
  for (size_t i = 0; i < kRowStatements; ++i) {
    const auto statement = static_cast<RowStatement>(i);
    statements.push_back({StatementName(statement), PostgresSqlOf(statement)});
  }
  return statements;
}

// Texts of PostgreSQL are valid UTF-8 without NUL. A task's error that is neither must not end the coordinator.
std::string ParameterOf(const std::string& text) {
  constexpr std::string_view kNul("\0", 1);
  if (text.find('\0') == std::string::npos && FindInvalidUtf8(text) == std::string_view::npos) return text;
  return ReplaceAll(ReplaceInvalidUtf8(text), kNul, kReplacementCharacter);
}
std::string ParameterOf(int value) {
  return std::to_string(value);
}
std::string ParameterOf(int64_t value) {
  return std::to_string(value);
}
// The shortest decimal that is read as the same number.
std::string ParameterOf(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  std::array<char, 32> text{};
  const std::to_chars_result end = std::to_chars(text.data(), text.data() + text.size(), value);
  return std::string(text.data(), end.ptr);
}

class PostgresStore final : public Store {
 public:
  // Requires a migrated database.
  PostgresStore(std::string uri, PostgresOptions options, std::unique_ptr<PostgresConnection> connection)
      : uri_(std::move(uri)), options_(options), where_(connection->where()), connection_(std::move(connection)) {}

  StatusOr<Term> TakeTerm() override;
  StatusOr<Records> Load() override;
  Status Commit(Term term, std::span<const Change> changes) override;
  std::string Describe() const override { return where_; }

  // For a session that is new.
  static Status PrepareAll(PostgresConnection& connection) { return connection.Prepare(PreparedStatements()); }

 private:
  struct Lead {
    Term term;
    int64_t commits = 0;
  };

  RowReader Reader();
  // A session that is not lost.
  Status Connect();
  StatusOr<Lead> ReadLead();
  // Whether the commit that the fence refused had gone through before: OK, or why it never will.
  Status Settle(Term term, int64_t number, bool sent_before);
  bool MayTryAgain() const;

  const std::string uri_;
  const PostgresOptions options_;
  const std::string where_;
  std::unique_ptr<PostgresConnection> connection_;
  Term term_;            // that this store took last
  int64_t commits_ = 0;  // in it
  RowNumbers tasks_;
  RowNumbers actions_;
};

RowReader PostgresStore::Reader() {
  return [this](const char* query, const std::function<Status(const Row&)>& each) {
    return connection_->Query(query, each);
  };
}

Status PostgresStore::Connect() {
  if (connection_ != nullptr && !connection_->lost()) return absl::OkStatus();
  connection_.reset();
  LWQ_ASSIGN_OR_RETURN(std::unique_ptr<PostgresConnection> connection, PostgresConnection::Open(uri_));
  LWQ_RETURN_IF_ERROR(PrepareAll(*connection));
  connection_ = std::move(connection);
  return absl::OkStatus();
}

StatusOr<PostgresStore::Lead> PostgresStore::ReadLead() {
  Lead lead;
  bool found = false;
  LWQ_RETURN_IF_ERROR(connection_->Query("SELECT term, commits FROM leader", [&](const Row& row) {
    lead = {.term = Term{row.Integer(0)}, .commits = row.Integer(1)};
    found = true;
    return absl::OkStatus();
  }));
  if (found) return lead;
  return absl::DataLossError(
      absl::StrCat(where_, ": its term is missing: restore a backup, or drop the schema lwq to start empty"));
}

StatusOr<Term> PostgresStore::TakeTerm() {
  LWQ_RETURN_IF_ERROR(Connect());
  Term taken;
  LWQ_RETURN_IF_ERROR(
      connection_->Query("UPDATE leader SET term = term + 1, commits = 0 RETURNING term", [&](const Row& row) {
        taken = Term{row.Integer(0)};
        return absl::OkStatus();
      }));
  if (taken == Term{}) return ReadLead().status();
  term_ = taken;
  commits_ = 0;
  // Others may have committed since these were read.
  tasks_.Forget();
  actions_.Forget();
  return taken;
}

StatusOr<Records> PostgresStore::Load() {
  LWQ_RETURN_IF_ERROR(Connect());
  // One moment's view of all tables. A large one takes as long as it takes.
  LWQ_RETURN_IF_ERROR(
      connection_->Run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout TO 0"));
  StatusOr<Records> records = ReadRecords(Reader(), tasks_, actions_);
  if (records.ok()) {
    LWQ_RETURN_IF_ERROR(connection_->Run("COMMIT"));
    return records;
  }
  if (connection_->lost() || !connection_->sqlstate().empty()) {
    connection_.reset();
    return records.status();
  }
  connection_.reset();
  return absl::DataLossError(absl::StrCat(where_, ": ", MessageOf(records.status()),
                                          ": restore a backup, or drop the schema lwq to start empty"));
}

bool PostgresStore::MayTryAgain() const {
  if (connection_ == nullptr || connection_->lost()) return true;
  // Serialization failure, deadlock, a lock or a statement that took too long: the transaction was rolled back.
  constexpr std::string_view kPassing[] = {"40001", "40P01", "55P03", "57014"};
  return std::find(std::begin(kPassing), std::end(kPassing), connection_->sqlstate()) != std::end(kPassing);
}

Status PostgresStore::Settle(Term term, int64_t number, bool sent_before) {
  LWQ_ASSIGN_OR_RETURN(const Lead lead, ReadLead());
  LWQ_RETURN_IF_ERROR(CheckTerm(term, lead.term, where_));
  if (term == term_ && lead.commits == number && sent_before) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      where_, ": commit ", number, " of term ", term.number, " does not follow commit ", lead.commits,
      ": the database has lost what it had acknowledged, as a copy that lags behind has when it takes over"));
}

Status PostgresStore::Commit(Term term, std::span<const Change> changes) {
  const SteadyClock::time_point deadline =
      SteadyClock::now() +
      std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(options_.retry_seconds));
  const int64_t number = commits_ + 1;
  std::vector<PreparedCall> calls;
  bool sent = false;
  std::chrono::milliseconds pause = kFirstPause;
  while (true) {
    Status status = Connect();
    if (status.ok()) status = NoteRows(Reader(), tasks_, actions_);
    if (status.ok()) {
      if (calls.empty()) {
        calls.push_back({kBegin, {}});
        calls.push_back({kFence, {ParameterOf(term.number), ParameterOf(number)}});
        auto add = [&calls](RowStatement statement, const auto&... values) {
          calls.push_back({StatementName(statement), {ParameterOf(values)...}});
        };
        RowWriter writer(add, tasks_, actions_);
        for (const Change& change : changes) std::visit(writer, change);
        calls.push_back({kCommit, {}});
      }
      status = connection_->Execute(calls);
      if (!status.ok() && connection_->sqlstate() == kNotNullViolation && connection_->failed_table() == "leader") {
        status = Settle(term, number, sent);
      }
      if (status.ok()) {
        commits_ = number;
        return status;
      }
      sent = sent || connection_->lost();
    }
    if (!MayTryAgain()) return status;
    if (SteadyClock::now() >= deadline) {
      return absl::UnavailableError(absl::StrCat(
          MessageOf(status), sent ? ": whether the last commit was stored is not known before the next start" : ""));
    }
    spdlog::warn("trying a commit again: {}", std::string(MessageOf(status)));
    LWQ_RETURN_IF_ERROR(WaitBySleeping(absl::FromChrono(pause)));
    pause = std::min(2 * pause, kLongestPause);
  }
}

}  // namespace

StatusOr<std::unique_ptr<Store>> OpenPostgresStore(const std::string& uri, PostgresOptions options) {
  LWQ_ASSIGN_OR_RETURN(std::unique_ptr<PostgresConnection> connection, PostgresConnection::Open(uri));
  const Status migrated = MigratePostgres(*connection);
  if (!migrated.ok()) {
    // What the server said names the store already.
    return MessageOf(migrated).starts_with(connection->where()) ? migrated : Annotate(migrated, connection->where());
  }
  LWQ_RETURN_IF_ERROR(PostgresStore::PrepareAll(*connection));
  return std::unique_ptr<Store>(std::make_unique<PostgresStore>(uri, options, std::move(connection)));
}

}  // namespace lwq::coordinator
