// SPDX-License-Identifier: Apache-2.0
// The store in a PostgreSQL database, for coordinators that run on several machines, one at a time.
//
// A commit is one transaction and one round trip. Its first statement counts it in the row of `leader`, and fails
// unless the row is at this commit's term and at the commit before it: that is the fence, and it makes a commit safe to
// send again. When a session is lost, the same commit is sent in a new one; the row then says whether it had gone
// through. Only where no session can be had for `retry_seconds` is the fate of a commit not known, and Commit fails
// with UNAVAILABLE.
//
// Texts: PostgreSQL holds valid UTF-8 without NUL; anything else is stored as U+FFFD. Thread-safety and errors:
// store.h; DATA_LOSS also where the database has lost a commit that it had acknowledged. docs/adr/0041-postgresql.md.
#pragma once

#include <memory>
#include <string>

#include "coordinator/store/store.h"

namespace lwq::coordinator {

struct PostgresOptions {
  double retry_seconds = 30;  // how long a commit looks for a session
};

// "postgresql://…" or "postgres://…" as libpq reads them, without a password (postgres_connection.h). The database must
// exist; its tables are made, or migrated.
StatusOr<std::unique_ptr<Store>> OpenPostgresStore(const std::string& uri, PostgresOptions options = {});

}  // namespace lwq::coordinator
