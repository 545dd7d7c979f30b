// SPDX-License-Identifier: Apache-2.0
// The tables, and how a file of an older version becomes one of this version.
//
// Migration i (from 0) takes version i to i+1 and is never edited once released; a change to the tables is a new one.
#pragma once

#include <cstdint>

#include "SQLiteCpp/SQLiteCpp.h"
#include "common/status/status.h"

namespace lwq::coordinator {

// "LWQC": tells our files from other SQLite files.
inline constexpr int32_t kSqliteApplicationId = 0x4c575143;

int SqliteSchemaVersion();

// Brings the file to `version` in one transaction; to one that is not the newest only tests do. FAILED_PRECONDITION for
// a newer version or another program's file. SQLite's own errors are thrown, for the caller to convert.
Status MigrateSqlite(SQLite::Database& database, int version = SqliteSchemaVersion());

}  // namespace lwq::coordinator
