// SPDX-License-Identifier: Apache-2.0
#include "coordinator/store/store.h"

#include "coordinator/store/memory_store.h"
#include "coordinator/store/postgres_connection.h"
#include "coordinator/store/postgres_store.h"
#include "coordinator/store/sqlite_store.h"

namespace lwq::coordinator {

StatusOr<std::unique_ptr<Store>> OpenStore(std::string_view uri) {
  constexpr std::string_view kSqlite = "sqlite:";
  if (uri == "memory:") return std::unique_ptr<Store>(std::make_unique<MemoryStore>());
  if (uri.substr(0, kSqlite.size()) == kSqlite && uri.size() > kSqlite.size()) {
    return OpenSqliteStore(std::string(uri.substr(kSqlite.size())));
  }
  if (IsPostgresUri(uri)) return OpenPostgresStore(std::string(uri));
  // Not repeated: it may hold a password.
  if (uri.starts_with("postgres")) {
    return absl::InvalidArgumentError("store postgres… is not supported: use postgresql://USER@HOST:PORT/DATABASE");
  }
  return absl::InvalidArgumentError(
      absl::StrCat("store '", uri, "' is not supported: use sqlite:PATH or postgresql://… (or memory: for tests)"));
}

Status CheckTerm(Term term, Term taken_last, std::string_view store) {
  if (term == taken_last) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat(store, ": a commit of term ", term.number, " came in term ", taken_last.number,
                                         ": another coordinator has taken over, and this one must stop"));
}

}  // namespace lwq::coordinator
