// SPDX-License-Identifier: Apache-2.0
// Where the coordinator's records outlive it.
//
// A store holds the records of one coordinator. Commit applies changes in order, all or none, and returns when they
// would survive a power cut; Load returns exactly what the commits so far make. Nothing else is read during operation:
// the state lives in memory.
//
// Whoever coordinates holds a term. TakeTerm begins the next one, and from then on the store refuses the commits of
// every other, whichever process makes them: so two coordinators can never both change the records, however long one of
// them has been cut off. Take the term before loading, or a commit of the term before may come in between.
//
// Thread-safety: one thread at a time. Ownership: what a store allows beside it (another process at the same records)
// is its own matter; SQLite allows nothing, PostgreSQL everything. Errors: FAILED_PRECONDITION (a newer schema, another
// program's file, in use by another coordinator), ABORTED (another coordinator has taken a later term), DATA_LOSS
// (damaged), UNAVAILABLE and RESOURCE_EXHAUSTED (disk). Messages are one line and name the store. After a failed Commit
// nothing of it is stored, or, where the answer was lost, all of it or nothing; the caller's state is not the store's:
// it must stop.
//
// tests/conformance/coordinator_store_suite.h proves this of every store; a new one is a line in
// tests/conformance/coordinator_store_test.cc.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/status/status.h"
#include "coordinator/scheduler/state/records.h"

namespace lwq::coordinator {

// The time in which one coordinator leads: 1, 2, …; 0 is nobody's.
struct Term {
  int64_t number = 0;
  friend auto operator<=>(const Term&, const Term&) = default;
};

class Store {
 public:
  virtual ~Store() = default;
  // The next term, as durable as a commit.
  virtual StatusOr<Term> TakeTerm() = 0;
  virtual StatusOr<Records> Load() = 0;
  // ABORTED unless `term` was taken last, also where there is nothing to change.
  virtual Status Commit(Term term, std::span<const Change> changes) = 0;
  // For messages.
  virtual std::string Describe() const = 0;
};

// "sqlite:PATH" (created if absent), "postgresql://…" (postgres_store.h) or "memory:". INVALID_ARGUMENT for anything
// else.
StatusOr<std::unique_ptr<Store>> OpenStore(std::string_view uri);

// OK if `term` is the one that was taken last, else the ABORTED whose words all stores share.
Status CheckTerm(Term term, Term taken_last, std::string_view store);

}  // namespace lwq::coordinator
