// SPDX-License-Identifier: Apache-2.0
// A session with a PostgreSQL server: libpq behind values and statuses.
//
// Statements are sent together in libpq's pipeline mode, so that however many there are cost one round trip. Nothing
// waits for ever: a server that is silent for kPostgresSilenceSeconds counts as lost. Thread-safety: one thread at a
// time. Errors: FAILED_PRECONDITION (who connects may not do it, no such database), RESOURCE_EXHAUSTED (its disk is
// full), DATA_LOSS (damaged, tables are missing), UNAVAILABLE (everything else). Messages are one line, name the server
// and never what a URI says between quotation marks, which may be a part of a password.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/status/status.h"
#include "coordinator/store/row.h"

struct pg_conn;
struct pg_result;

namespace lwq::coordinator {

inline constexpr int kPostgresSilenceSeconds = 30;

bool IsPostgresUri(std::string_view uri);
// INVALID_ARGUMENT: it is no URI of PostgreSQL, or it has a password.
Status CheckPostgresUri(const std::string& uri);

struct PreparedSql {
  std::string name;
  std::string sql;
};
// A prepared statement's execution; values as PostgreSQL reads them from text.
struct PreparedCall {
  std::string name;
  std::vector<std::string> values;
};

class PostgresConnection {
 public:
  // Connects with what the URI, libpq's environment variables, its password file and its service file say; to the one
  // of several hosts that can be written to.
  static StatusOr<std::unique_ptr<PostgresConnection>> Open(const std::string& uri);
  ~PostgresConnection();
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  Status Prepare(std::span<const PreparedSql> statements);
  // All in order, to the first that fails; the rows they return are let go of. A transaction that is open when one
  // fails is rolled back.
  Status Execute(std::span<const PreparedCall> calls);
  // Statements without parameters, one after the other; `each` is called with every row as it comes and may refuse it.
  Status Query(const char* sql, const std::function<Status(const Row&)>& each);
  Status Run(const char* sql);

  // Whether the session has ended. It is of no use then.
  bool lost() const { return lost_; }
  // PostgreSQL's code of the last failure ("23502"), and the table that it names; "" where the server said nothing.
  const std::string& sqlstate() const { return sqlstate_; }
  const std::string& failed_table() const { return failed_table_; }
  int process_id() const;
  // "store postgresql://HOST:PORT/DATABASE".
  const std::string& where() const { return where_; }

 private:
  explicit PostgresConnection(pg_conn* connection);

  void ForgetFailure();
  // False: lost.
  bool WaitForResult();
  // The results of what was sent, to the end. The first failure, or what `each` refused.
  Status Collect(bool pipeline, const std::function<Status(const Row&)>& each);
  Status FailureOf(const pg_result* result);
  Status Lost(std::string_view why);
  void RollBackWhatIsOpen();

  pg_conn* const connection_;
  std::string where_;
  bool lost_ = false;
  std::string sqlstate_;
  std::string failed_table_;
};

}  // namespace lwq::coordinator
