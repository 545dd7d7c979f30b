// SPDX-License-Identifier: Apache-2.0
// The tables in PostgreSQL, and how a database of an older version becomes one of this version.
//
// All are in the schema lwq of the database that the URI names: a database holds the records of one coordinator, and
// may hold other programs' schemas beside them. Migration i (from 0) takes version i to i+1 and is never edited once
// released.
#pragma once

#include "common/status/status.h"
#include "coordinator/store/postgres_connection.h"

namespace lwq::coordinator {

int PostgresSchemaVersion();

// Brings the database to this version in one transaction; of several programs that do so at once one does.
// FAILED_PRECONDITION, without the store's name: a newer version, another program's schema, an encoding other than
// UTF8, a role that may not create a schema.
Status MigratePostgres(PostgresConnection& connection);

}  // namespace lwq::coordinator
