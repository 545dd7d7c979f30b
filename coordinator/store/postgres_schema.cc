// SPDX-License-Identifier: Apache-2.0
#include "coordinator/store/postgres_schema.h"

#include <iterator>
#include <string>

namespace lwq::coordinator {
namespace {

// Texts that rows are ordered by compare by their bytes, whatever the database's locale.
constexpr const char* kPostgresMigrations[] = {
    R"sql(
-- One row: the term of the coordinator that leads, and how many commits it has made in it. Every commit changes it.
CREATE TABLE leader (
  only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
  term bigint NOT NULL,
  commits bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO leader VALUES (true, 0, 0);

CREATE TABLE meta (
  name text PRIMARY KEY,
  value bigint NOT NULL
);

CREATE TABLE runs (
  sequence bigint PRIMARY KEY,
  id text NOT NULL UNIQUE,
  spec text NOT NULL,            -- JSON
  recipe text NOT NULL,          -- JSON, resolved
  state text NOT NULL,
  numerics_class text NOT NULL,
  error text NOT NULL,
  submitted_unix_ms bigint NOT NULL,
  finished_unix_ms bigint NOT NULL,
  result text NOT NULL,          -- JSON
  measurements text NOT NULL,    -- JSON
  kind_bases text NOT NULL,      -- JSON: kind to base
  paused bigint NOT NULL,
  left_halving bigint NOT NULL,
  remaking text NOT NULL,        -- task, '' = none
  traceparent text NOT NULL,     -- '' = none
  trace_parent_id text NOT NULL
);

CREATE TABLE run_tasks (
  run_id text COLLATE "C" NOT NULL,
  position bigint NOT NULL,
  task_key text NOT NULL,
  title text NOT NULL,
  block bigint NOT NULL,
  depth bigint NOT NULL,
  purpose text NOT NULL,
  evaluated_model text NOT NULL,
  evaluated_text text NOT NULL,
  shared bigint NOT NULL,
  needs_blocks bigint NOT NULL,
  PRIMARY KEY (run_id, position)
);

CREATE TABLE tasks (
  number bigint PRIMARY KEY,
  key text NOT NULL,
  def text NOT NULL,             -- JSON
  memory_bytes bigint NOT NULL,
  divergence_retries bigint NOT NULL,
  state text NOT NULL,
  action_key text NOT NULL,      -- '' while unknown
  token bigint NOT NULL,
  reported_token bigint NOT NULL,
  worker text NOT NULL,
  worker_name text NOT NULL,
  attempts bigint NOT NULL,
  failures text NOT NULL,        -- JSON: cause to number
  lr_halvings bigint NOT NULL,
  from_cache bigint NOT NULL,
  error text NOT NULL,
  checkpoint text NOT NULL       -- JSON; '' = none
);

CREATE TABLE actions (
  number bigint PRIMARY KEY,
  key text NOT NULL,
  outputs text NOT NULL,         -- JSON
  metrics text NOT NULL,         -- JSON
  seconds double precision NOT NULL,
  peak_memory_bytes bigint NOT NULL,
  peak_rss_bytes bigint NOT NULL,
  finished_unix_ms bigint NOT NULL
);

CREATE TABLE discarded (
  digest text COLLATE "C" PRIMARY KEY,
  size_bytes bigint NOT NULL,
  deleted bigint NOT NULL        -- from the object store
);

CREATE TABLE workers (
  id text COLLATE "C" PRIMARY KEY,
  name text NOT NULL,
  device text NOT NULL,
  numerics_class text NOT NULL,
  hardware_bf16 bigint NOT NULL,
  memory_bytes bigint NOT NULL,
  max_threads bigint NOT NULL,
  kinds text NOT NULL,           -- JSON
  cache_bytes bigint NOT NULL,
  token_sha256 text NOT NULL,    -- '' = nobody was asked for a token
  projects text NOT NULL         -- JSON: a list of names, or "*"
);

CREATE TABLE requests (
  request_id text COLLATE "C" PRIMARY KEY,
  spec_digest text NOT NULL,
  run_id text NOT NULL
);

CREATE TABLE sweeps (
  sequence bigint PRIMARY KEY,
  id text NOT NULL UNIQUE,
  name text NOT NULL,
  request_id text NOT NULL,      -- '' = none
  spec_digest text NOT NULL,
  submitted_unix_ms bigint NOT NULL,
  members text NOT NULL,         -- JSON: run and labels
  halving text NOT NULL          -- JSON; '' = none
);

CREATE TABLE rung_results (
  sweep_id text COLLATE "C" NOT NULL,
  number bigint NOT NULL,        -- place in the journal of the sweep
  run bigint NOT NULL,           -- place among its members as they were submitted
  rung bigint NOT NULL,
  value double precision,
  PRIMARY KEY (sweep_id, number)
);

CREATE TABLE log_lines (
  sequence bigint PRIMARY KEY,
  run_id text COLLATE "C" NOT NULL,
  time_unix_ms bigint NOT NULL,
  task text NOT NULL,
  worker text NOT NULL,
  text text NOT NULL,
  attempt bigint NOT NULL        -- 0 = of none
);
CREATE INDEX log_lines_by_run ON log_lines (run_id, sequence);
)sql",
    R"sql(
-- One row: which coordinator may lead, until when by this server's clock. No commit looks at it: leader fences.
CREATE TABLE lead_lease (
  only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
  holder text NOT NULL,          -- a coordinator's process
  address text NOT NULL,         -- where it is to be called
  ends timestamptz NOT NULL
) WITH (fillfactor = 10);
INSERT INTO lead_lease VALUES (true, '', '', '-infinity');
)sql",
};

// Looked up as rows, not by to_regclass: a session answers that from what it remembers, and who has waited for the lock
// would not see what was made meanwhile.
constexpr const char* kFindVersionTable =
    "SELECT oid FROM pg_class WHERE relname = 'schema_version' AND relnamespace = "
    "(SELECT oid FROM pg_namespace WHERE nspname = 'lwq')";

// "LWQC": of the advisory lock that a migration holds.
constexpr const char* kLockPostgresMigrations = "SELECT pg_advisory_xact_lock(1280786755)";

// The first column of the only row.
StatusOr<std::string> TextOf(PostgresConnection& connection, const char* sql) {
  std::string text;
  LWQ_RETURN_IF_ERROR(connection.Query(sql, [&](const Row& row) {
    text = row.Text(0);
    return absl::OkStatus();
  }));
  return text;
}

// 0: there is none of ours.
StatusOr<int> VersionOf(PostgresConnection& connection) {
  LWQ_ASSIGN_OR_RETURN(const std::string table, TextOf(connection, kFindVersionTable));
  if (table.empty()) return 0;
  int version = -1;
  LWQ_RETURN_IF_ERROR(connection.Query("SELECT version FROM lwq.schema_version", [&](const Row& row) {
    version = static_cast<int>(row.Integer(0));
    return absl::OkStatus();
  }));
  if (version >= 0 && version <= PostgresSchemaVersion()) return version;
  return absl::FailedPreconditionError(absl::StrCat("its schema has version ", version, ", this program knows up to ",
                                                    PostgresSchemaVersion(), ": use the newer program"));
}

Status CreateSchema(PostgresConnection& connection) {
  LWQ_ASSIGN_OR_RETURN(const std::string encoding, TextOf(connection, "SHOW server_encoding"));
  if (encoding != "UTF8") {
    return absl::FailedPreconditionError(
        absl::StrCat("its encoding is ", encoding, ": create a database with ENCODING 'UTF8'"));
  }
  LWQ_ASSIGN_OR_RETURN(const std::string there,
                       TextOf(connection, "SELECT oid FROM pg_namespace WHERE nspname = 'lwq'"));
  if (there.empty()) {
    LWQ_RETURN_IF_ERROR(connection.Run("CREATE SCHEMA lwq"));
  } else {
    LWQ_ASSIGN_OR_RETURN(const std::string tables,
                         TextOf(connection, "SELECT count(*) FROM pg_class WHERE relnamespace = 'lwq'::regnamespace"));
    if (tables != "0") {
      return absl::FailedPreconditionError("its schema lwq is another program's: choose another database");
    }
  }
  return connection.Run(
      "CREATE TABLE lwq.schema_version (version integer NOT NULL);"
      "INSERT INTO lwq.schema_version VALUES (0)");
}

Status MigrateLocked(PostgresConnection& connection) {
  LWQ_RETURN_IF_ERROR(connection.Run(kLockPostgresMigrations));
  LWQ_ASSIGN_OR_RETURN(const int found, VersionOf(connection));
  if (found == 0) LWQ_RETURN_IF_ERROR(CreateSchema(connection));
  for (int next = found; next < PostgresSchemaVersion(); ++next) {
    LWQ_RETURN_IF_ERROR(connection.Run(kPostgresMigrations[next]));
  }
  const std::string set = absl::StrCat("UPDATE lwq.schema_version SET version = ", PostgresSchemaVersion());
  LWQ_RETURN_IF_ERROR(connection.Run(set.c_str()));
  return connection.Run("COMMIT");
}

}  // namespace

int PostgresSchemaVersion() {
  return static_cast<int>(std::size(kPostgresMigrations));
}

Status MigratePostgres(PostgresConnection& connection) {
  LWQ_ASSIGN_OR_RETURN(const int found, VersionOf(connection));
  if (found == PostgresSchemaVersion()) return absl::OkStatus();
  LWQ_RETURN_IF_ERROR(connection.Run("BEGIN"));
  const Status migrated = MigrateLocked(connection);
  if (!migrated.ok() && !connection.lost()) (void)connection.Run("ROLLBACK");
  return migrated;
}

}  // namespace lwq::coordinator
