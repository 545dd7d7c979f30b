// SPDX-License-Identifier: Apache-2.0
// A PostgreSQL server of its own for a test program: on a socket in a folder of its own, with no port, gone with the
// object.
//
// Its programs are those that scripts/setup unpacks to build/tools/postgresql, or Debian's. PostgreSQL does not run as
// root: then it runs as nobody. What a power cut would need is off (fsync). Thread-safety: any thread.
#pragma once

#include <atomic>
#include <string>

#include "tests/testing/process.h"

namespace lwq::test {

class PostgresServer {
 public:
  // CHECKs that it starts.
  PostgresServer();
  ~PostgresServer();

  // Creates a database; its URI. `options` follow its name in CREATE DATABASE.
  std::string NewDatabase(const std::string& options = "");
  std::string UriOf(const std::string& database, const std::string& user = "app") const;
  // The last part of UriOf's path.
  static std::string DatabaseOf(const std::string& uri);
  // Statements in a session of their own, as a superuser; the first value of the last one's answer, or "". CHECKs that
  // they succeed.
  std::string Execute(const std::string& uri, const std::string& sql) const;
  // Executes the query until it answers with "t"; CHECKs that it does before far too long.
  void WaitUntil(const std::string& uri, const std::string& query) const;
  // Ends the sessions of coordinators with that database, and waits until they are gone.
  void EndSessions(const std::string& uri) const;

 private:
  TemporaryDirectory folder_;
  Process process_;
  std::atomic<int> databases_ = 0;
};

// The one of this program, started when first asked for.
PostgresServer& TestPostgres();

}  // namespace lwq::test
