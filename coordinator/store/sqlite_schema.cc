// SPDX-License-Identifier: Apache-2.0
#include "coordinator/store/sqlite_schema.h"

#include <iterator>

namespace lwq::coordinator {
namespace {

constexpr const char* kMigrations[] = {
    R"sql(
CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE runs (
  sequence INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  spec TEXT NOT NULL,            -- JSON
  recipe TEXT NOT NULL,          -- JSON, resolved
  state TEXT NOT NULL,
  numerics_class TEXT NOT NULL,
  error TEXT NOT NULL,
  submitted_unix_ms INTEGER NOT NULL,
  finished_unix_ms INTEGER NOT NULL,
  result TEXT NOT NULL           -- JSON
);

CREATE TABLE run_tasks (
  run_id TEXT NOT NULL,
  position INTEGER NOT NULL,
  task_key TEXT NOT NULL,
  title TEXT NOT NULL,
  block INTEGER NOT NULL,
  depth INTEGER NOT NULL,
  purpose TEXT NOT NULL,
  evaluated_model TEXT NOT NULL,
  evaluated_text TEXT NOT NULL,
  shared INTEGER NOT NULL,
  PRIMARY KEY (run_id, position)
) WITHOUT ROWID;

CREATE TABLE tasks (
  key TEXT PRIMARY KEY,
  def TEXT NOT NULL,             -- JSON
  memory_bytes INTEGER NOT NULL,
  divergence_retries INTEGER NOT NULL,
  state TEXT NOT NULL,
  action_key TEXT NOT NULL,      -- '' while unknown
  token INTEGER NOT NULL,
  reported_token INTEGER NOT NULL,
  worker TEXT NOT NULL,
  worker_name TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  failures TEXT NOT NULL,        -- JSON: cause to number
  lr_halvings INTEGER NOT NULL,
  from_cache INTEGER NOT NULL,
  error TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE actions (
  key TEXT PRIMARY KEY,
  outputs TEXT NOT NULL,         -- JSON
  metrics TEXT NOT NULL,         -- JSON
  seconds REAL NOT NULL,
  peak_memory_bytes INTEGER NOT NULL,
  peak_rss_bytes INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE workers (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  device TEXT NOT NULL,
  numerics_class TEXT NOT NULL,
  hardware_bf16 INTEGER NOT NULL,
  memory_bytes INTEGER NOT NULL,
  max_threads INTEGER NOT NULL,
  kinds TEXT NOT NULL            -- JSON
) WITHOUT ROWID;

CREATE TABLE requests (
  request_id TEXT PRIMARY KEY,
  spec_digest TEXT NOT NULL,
  run_id TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE log_lines (
  sequence INTEGER PRIMARY KEY,
  run_id TEXT NOT NULL,
  time_unix_ms INTEGER NOT NULL,
  task TEXT NOT NULL,
  worker TEXT NOT NULL,
  text TEXT NOT NULL
);
CREATE INDEX log_lines_by_run ON log_lines (run_id, sequence);
)sql",
    R"sql(
ALTER TABLE runs ADD COLUMN measurements TEXT NOT NULL DEFAULT '[]';  -- JSON
)sql",
    // A class for each kind of a run; what a worker's cache holds.
    R"sql(
ALTER TABLE runs ADD COLUMN kind_bases TEXT NOT NULL DEFAULT '{}';      -- JSON: kind to base
ALTER TABLE workers ADD COLUMN cache_bytes INTEGER NOT NULL DEFAULT 0;
)sql",
    // Artifacts that are to be deleted, or were.
    R"sql(
CREATE TABLE discarded (
  digest TEXT PRIMARY KEY,       -- of the artifact
  size_bytes INTEGER NOT NULL,
  deleted INTEGER NOT NULL       -- from the object store
) WITHOUT ROWID;
)sql",
    // The term of the coordinator that leads. A program that does not know it must not write beside one that does.
    R"sql(
INSERT INTO meta VALUES ('term', 0);
)sql",
    // Tasks and results in the order they came, so that those of a run lie together and a commit writes few pages. They
    // are found by number; the numbers of keys are kept in memory.
    R"sql(
ALTER TABLE tasks RENAME TO tasks_by_key;
CREATE TABLE tasks (
  number INTEGER PRIMARY KEY,
  key TEXT NOT NULL,
  def TEXT NOT NULL,             -- JSON
  memory_bytes INTEGER NOT NULL,
  divergence_retries INTEGER NOT NULL,
  state TEXT NOT NULL,
  action_key TEXT NOT NULL,      -- '' while unknown
  token INTEGER NOT NULL,
  reported_token INTEGER NOT NULL,
  worker TEXT NOT NULL,
  worker_name TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  failures TEXT NOT NULL,        -- JSON: cause to number
  lr_halvings INTEGER NOT NULL,
  from_cache INTEGER NOT NULL,
  error TEXT NOT NULL
);
INSERT INTO tasks SELECT NULL, * FROM tasks_by_key;
DROP TABLE tasks_by_key;

ALTER TABLE actions RENAME TO actions_by_key;
CREATE TABLE actions (
  number INTEGER PRIMARY KEY,
  key TEXT NOT NULL,
  outputs TEXT NOT NULL,         -- JSON
  metrics TEXT NOT NULL,         -- JSON
  seconds REAL NOT NULL,
  peak_memory_bytes INTEGER NOT NULL,
  peak_rss_bytes INTEGER NOT NULL
);
INSERT INTO actions SELECT NULL, * FROM actions_by_key;
DROP TABLE actions_by_key;
)sql",
    // Results of runs are written as "measured" (record_json.h); those that are there stay as they are and are read in
    // both forms. Nothing to do but to keep programs away that know only "perplexities".
    "",
    // Runs submitted together; runs for which nothing is begun.
    R"sql(
CREATE TABLE sweeps (
  sequence INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  request_id TEXT NOT NULL,      -- '' = none
  spec_digest TEXT NOT NULL,
  submitted_unix_ms INTEGER NOT NULL,
  members TEXT NOT NULL          -- JSON: run and labels
);
ALTER TABLE runs ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
)sql",
    R"sql(
ALTER TABLE actions ADD COLUMN finished_unix_ms INTEGER NOT NULL DEFAULT 0;  -- 0 = not known
)sql",
    // Sweeps with halving, and the journal of what their runs measured at rungs; which tasks come before a rung; runs
    // that were resumed after halving had stopped them.
    R"sql(
ALTER TABLE sweeps ADD COLUMN halving TEXT NOT NULL DEFAULT '';  -- JSON; '' = none
CREATE TABLE rung_results (
  sweep_id TEXT NOT NULL,
  number INTEGER NOT NULL,       -- place in the journal of the sweep
  run INTEGER NOT NULL,          -- place among its members as they were submitted
  rung INTEGER NOT NULL,
  value REAL,                    -- NULL: no number
  PRIMARY KEY (sweep_id, number)
) WITHOUT ROWID;
ALTER TABLE run_tasks ADD COLUMN needs_blocks INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN left_halving INTEGER NOT NULL DEFAULT 0;
)sql",
    // A result of a run that has ended and is made again. Tokens of deleted tasks are in meta.
    R"sql(
ALTER TABLE runs ADD COLUMN remaking TEXT NOT NULL DEFAULT '';  -- task, '' = none
)sql",
    // Who registered a worker, and for whom it works.
    R"sql(
ALTER TABLE workers ADD COLUMN token_sha256 TEXT NOT NULL DEFAULT '';  -- '' = nobody was asked for a token
ALTER TABLE workers ADD COLUMN projects TEXT NOT NULL DEFAULT '"*"';   -- JSON: a list of names, or "*"
)sql",
    // Traces that runs are in; attempts in their logs.
    R"sql(
ALTER TABLE runs ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';      -- '' = none
ALTER TABLE runs ADD COLUMN trace_parent_id TEXT NOT NULL DEFAULT '';
ALTER TABLE log_lines ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0;   -- 0 = of none, or not known
)sql",
    // How far attempts at tasks have come.
    R"sql(
ALTER TABLE tasks ADD COLUMN checkpoint TEXT NOT NULL DEFAULT '';  -- JSON; '' = none
)sql",
};

}  // namespace

int SqliteSchemaVersion() {
  return static_cast<int>(std::size(kMigrations));
}

Status MigrateSqlite(SQLite::Database& database, int version) {
  const int32_t application_id = database.execAndGet("PRAGMA application_id").getInt();
  const int tables = database.execAndGet("SELECT count(*) FROM sqlite_master").getInt();
  if (tables > 0 && application_id != kSqliteApplicationId) {
    return absl::FailedPreconditionError("it is a SQLite file of another program: choose another path");
  }
  const int found = database.execAndGet("PRAGMA user_version").getInt();
  if (found > SqliteSchemaVersion() || found < 0) {
    return absl::FailedPreconditionError(absl::StrCat("its schema has version ", found, ", this program knows up to ",
                                                      SqliteSchemaVersion(), ": use the newer program"));
  }
  if (found >= version) return absl::OkStatus();
  SQLite::Transaction transaction(database);
  for (int next = found; next < version; ++next) database.exec(kMigrations[next]);
  database.exec(absl::StrCat("PRAGMA application_id = ", kSqliteApplicationId));
  database.exec(absl::StrCat("PRAGMA user_version = ", version));
  transaction.commit();
  return absl::OkStatus();
}

}  // namespace lwq::coordinator
