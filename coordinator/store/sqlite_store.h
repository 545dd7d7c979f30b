// SPDX-License-Identifier: Apache-2.0
// The store in one SQLite file: write-ahead log, synchronous=FULL (a commit survives a power cut), one transaction per
// Commit, locked for this process alone while it is open.
//
// The schema has a version (PRAGMA user_version) and is migrated on open; a newer version, another program's file, a
// damaged or read-only file and a file in use are refused with one line. Thread-safety and errors: store.h.
#pragma once

#include <memory>
#include <string>

#include "coordinator/store/store.h"

namespace lwq::coordinator {

StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path);

}  // namespace lwq::coordinator
