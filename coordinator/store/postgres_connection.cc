// SPDX-License-Identifier: Apache-2.0
#include "coordinator/store/postgres_connection.h"

#include <poll.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <utility>

#include "common/text/one_line.h"
#include "libpq-fe.h"

namespace lwq::coordinator {
namespace {

constexpr size_t kMessageBytes = 500;

using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

// Without what stands between the first quotation mark and the last: libpq quotes parts of what it cannot read, and a
// URI with a '/' or an '@' in its password is read as another.
std::string WithoutQuotes(std::string_view text) {
  const size_t first = text.find('"');
  if (first == std::string_view::npos) return std::string(text);
  const size_t last = text.rfind('"');
  return absl::StrCat(text.substr(0, first), "\"…\"", text.substr(last + 1));
}

// libpq ends its messages with a newline, which OneLine would make a space.
std::string LineOf(std::string_view text) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  return OneLine(text, kMessageBytes);
}

Status NoUri(std::string_view reason) {
  return absl::InvalidArgumentError(
      absl::StrCat("--store is no URI of PostgreSQL: ", LineOf(WithoutQuotes(reason)),
                   ": use postgresql://USER@HOST:PORT/DATABASE?sslmode=verify-full, with %XX for special characters"));
}

// A row of a result in text form.
class PostgresRow final : public Row {
 public:
  PostgresRow(const PGresult* result, int row) : result_(result), row_(row) {}
  int64_t Integer(int column) const override {
    const std::string_view text = View(column);
    int64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  }
  std::string Text(int column) const override { return std::string(View(column)); }
  // Shortest exact decimals, "Infinity", "NaN": strtod reads them all.
  double Real(int column) const override {
    if (PQgetisnull(result_, row_, column) != 0) return std::numeric_limits<double>::quiet_NaN();
    return std::strtod(PQgetvalue(result_, row_, column), nullptr);
  }

 private:
  std::string_view View(int column) const {
    return {PQgetvalue(result_, row_, column), static_cast<size_t>(PQgetlength(result_, row_, column))};
  }
  const PGresult* const result_;
  const int row_;
};

std::string FieldOf(const PGresult* result, int field) {
  const char* text = PQresultErrorField(result, field);
  return text == nullptr ? "" : text;
}

}  // namespace

bool IsPostgresUri(std::string_view uri) {
  return uri.starts_with("postgresql://") || uri.starts_with("postgres://");
}

Status CheckPostgresUri(const std::string& uri) {
  char* reason = nullptr;
  PQconninfoOption* const options = PQconninfoParse(uri.c_str(), &reason);
  if (options == nullptr) {
    const Status refused = NoUri(reason == nullptr ? "out of memory" : reason);
    PQfreemem(reason);
    return refused;
  }
  bool secret = false;
  bool split = false;
  for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
    secret = secret || (option->val != nullptr && option->dispchar != nullptr && *option->dispchar == '*');
    split = split || (option->val != nullptr && std::string_view(option->keyword) == "dbname" &&
                      std::string_view(option->val).find('@') != std::string_view::npos);
  }
  PQconninfoFree(options);
  if (split && !secret) return NoUri("its database has an '@'");
  if (!secret) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "--store has a password, which every user of this machine can read in the list of processes: use PGPASSFILE, "
      "PGPASSWORD or a service file");
}

StatusOr<std::unique_ptr<PostgresConnection>> PostgresConnection::Open(const std::string& uri) {
  LWQ_RETURN_IF_ERROR(CheckPostgresUri(uri));
  // What stands before dbname yields to the URI, what stands behind it does not.
  const char* const names[] = {"connect_timeout",           "keepalives_idle",
                               "keepalives_interval",       "keepalives_count",
                               "tcp_user_timeout",          "target_session_attrs",
                               "fallback_application_name", "dbname",
                               "client_encoding",           nullptr};
  const char* const values[] = {"5",         "5",    "2",    "3", "10000", "read-write", "lwq-coordinator",
                                uri.c_str(), "UTF8", nullptr};
  std::unique_ptr<PostgresConnection> connection(
      new PostgresConnection(PQconnectdbParams(names, values, /*expand_dbname=*/1)));
  if (PQstatus(connection->connection_) != CONNECTION_OK) {
    const std::string_view reason = PQerrorMessage(connection->connection_);
    // Nothing was connected to.
    if (reason.starts_with("invalid ")) return NoUri(reason);
    return absl::UnavailableError(absl::StrCat(connection->where_, ": ", LineOf(reason)));
  }
  PQsetnonblocking(connection->connection_, 1);
  PQsetNoticeProcessor(
      connection->connection_, [](void*, const char*) {}, nullptr);
  // A session that the network has cut off must not keep its locks: the server looks for it, and waits 5 s for the rest
  // of a transaction at most. A commit is one that survives a power cut, whatever the server's default.
  LWQ_RETURN_IF_ERROR(connection->Run(
      "SET search_path TO lwq, pg_catalog; SET statement_timeout TO '30s'; SET lock_timeout TO '10s';"
      "SET idle_in_transaction_session_timeout TO '5s'; SET extra_float_digits TO 1;"
      "SET tcp_keepalives_idle TO 5; SET tcp_keepalives_interval TO 2; SET tcp_keepalives_count TO 3;"
      "SET tcp_user_timeout TO 10000;"
      "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"));
  return connection;
}

PostgresConnection::PostgresConnection(pg_conn* connection) : connection_(connection) {
  LWQ_CHECK(connection_ != nullptr, "libpq has no memory for a connection");
  const auto text = [](const char* value) { return std::string_view(value == nullptr ? "" : value); };
  const std::string_view host = text(PQhost(connection_));
  where_ =
      OneLine(absl::StrCat("store postgresql://", host, ":", text(PQport(connection_)), "/", text(PQdb(connection_))),
              kMessageBytes);
}

PostgresConnection::~PostgresConnection() {
  PQfinish(connection_);
}

int PostgresConnection::process_id() const {
  return PQbackendPID(connection_);
}

void PostgresConnection::ForgetFailure() {
  sqlstate_.clear();
  failed_table_.clear();
}

Status PostgresConnection::Lost(std::string_view why) {
  lost_ = true;
  return absl::UnavailableError(absl::StrCat(where_, ": ", LineOf(why)));
}

bool PostgresConnection::WaitForResult() {
  while (PQisBusy(connection_) != 0) {
    const int unsent = PQflush(connection_);
    if (unsent < 0) return false;
    pollfd socket{.fd = PQsocket(connection_), .events = POLLIN, .revents = 0};
    if (unsent > 0) socket.events |= POLLOUT;
    const int ready = ::poll(&socket, 1, kPostgresSilenceSeconds * 1000);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    if ((socket.revents & ~POLLOUT) != 0 && PQconsumeInput(connection_) == 0) return false;
  }
  return true;
}

Status PostgresConnection::FailureOf(const pg_result* result) {
  sqlstate_ = FieldOf(result, PG_DIAG_SQLSTATE);
  failed_table_ = FieldOf(result, PG_DIAG_TABLE_NAME);
  const std::string what =
      absl::StrCat(where_, ": ", LineOf(FieldOf(result, PG_DIAG_MESSAGE_PRIMARY)), " (", sqlstate_, ")");
  const std::string_view kind = std::string_view(sqlstate_).substr(0, 2);
  // Connections that the server ends, and a server that has become a copy which cannot be written to.
  if (sqlstate_.empty() || kind == "08" || sqlstate_.starts_with("57P") || sqlstate_ == "25006") {
    return Lost(sqlstate_.empty() ? PQresultErrorMessage(result) : FieldOf(result, PG_DIAG_MESSAGE_PRIMARY));
  }
  if (sqlstate_ == "53100")
    return absl::ResourceExhaustedError(absl::StrCat(what, ": free some space and start again"));
  if (kind == "28" || sqlstate_ == "42501" || sqlstate_ == "3D000") {
    return absl::FailedPreconditionError(absl::StrCat(what, ": give the role what it lacks (docs/storage.md)"));
  }
  if (sqlstate_ == "XX001" || sqlstate_ == "XX002" || sqlstate_ == "42P01" || sqlstate_ == "42703") {
    return absl::DataLossError(absl::StrCat(what, ": restore a backup, or drop the schema lwq to start empty"));
  }
  return absl::UnavailableError(what);
}

Status PostgresConnection::Collect(bool pipeline, const std::function<Status(const Row&)>& each) {
  Status first;
  // A pipeline has an end of its own; without one, nothing follows the last result.
  for (int nothing = 0; nothing < (pipeline ? 2 : 1);) {
    if (!WaitForResult()) {
      return Lost(PQstatus(connection_) == CONNECTION_OK ? "the server does not answer" : PQerrorMessage(connection_));
    }
    const Result result(PQgetResult(connection_), PQclear);
    if (result == nullptr) {
      ++nothing;
      continue;
    }
    nothing = 0;
    switch (PQresultStatus(result.get())) {
      case PGRES_PIPELINE_SYNC:
        return first;
      case PGRES_SINGLE_TUPLE:
      case PGRES_TUPLES_OK:
        for (int row = 0; each && first.ok() && row < PQntuples(result.get()); ++row) {
          first = each(PostgresRow(result.get(), row));
        }
        break;
      case PGRES_COMMAND_OK:
      case PGRES_EMPTY_QUERY:
      case PGRES_PIPELINE_ABORTED:
        break;
      default:
        if (first.ok()) first = FailureOf(result.get());
    }
  }
  if (PQstatus(connection_) != CONNECTION_OK) {
    lost_ = true;
    if (first.ok()) first = Lost(PQerrorMessage(connection_));
  }
  // A pipeline whose end did not come has no known outcome.
  if (pipeline && first.ok()) first = Lost("the server ended the session");
  return first;
}

void PostgresConnection::RollBackWhatIsOpen() {
  if (lost_ || PQtransactionStatus(connection_) == PQTRANS_IDLE) return;
  if (PQsendQuery(connection_, "ROLLBACK") == 0) {
    lost_ = true;
    return;
  }
  const std::string state = sqlstate_;
  const std::string table = failed_table_;
  if (!Collect(/*pipeline=*/false, nullptr).ok()) lost_ = true;
  sqlstate_ = state;
  failed_table_ = table;
}

Status PostgresConnection::Prepare(std::span<const PreparedSql> statements) {
  ForgetFailure();
  bool sent = PQenterPipelineMode(connection_) != 0;
  for (const PreparedSql& statement : statements) {
    sent = sent && PQsendPrepare(connection_, statement.name.c_str(), statement.sql.c_str(), 0, nullptr) != 0;
  }
  sent = sent && PQpipelineSync(connection_) != 0;
  if (!sent) return Lost(PQerrorMessage(connection_));
  const Status status = Collect(/*pipeline=*/true, nullptr);
  if (!lost_ && PQexitPipelineMode(connection_) == 0) lost_ = true;
  return status;
}

Status PostgresConnection::Execute(std::span<const PreparedCall> calls) {
  ForgetFailure();
  bool sent = PQenterPipelineMode(connection_) != 0;
  std::vector<const char*> values;
  for (const PreparedCall& call : calls) {
    values.clear();
    for (const std::string& value : call.values) values.push_back(value.c_str());
    sent = sent && PQsendQueryPrepared(connection_, call.name.c_str(), static_cast<int>(values.size()), values.data(),
                                       nullptr, nullptr, 0) != 0;
  }
  sent = sent && PQpipelineSync(connection_) != 0;
  if (!sent) return Lost(PQerrorMessage(connection_));
  const Status status = Collect(/*pipeline=*/true, nullptr);
  if (!lost_ && PQexitPipelineMode(connection_) == 0) lost_ = true;
  if (!status.ok()) RollBackWhatIsOpen();
  return status;
}

Status PostgresConnection::Query(const char* sql, const std::function<Status(const Row&)>& each) {
  ForgetFailure();
  if (PQsendQuery(connection_, sql) == 0) return Lost(PQerrorMessage(connection_));
  // Rows as they come: a table may be larger than memory should hold twice.
  if (each) PQsetSingleRowMode(connection_);
  return Collect(/*pipeline=*/false, each);
}

Status PostgresConnection::Run(const char* sql) {
  return Query(sql, nullptr);
}

}  // namespace lwq::coordinator
