// SPDX-License-Identifier: Apache-2.0
// The coordinator's stores, each held to the suite.
#include <memory>
#include <string>

#include "coordinator/store/memory_store.h"
#include "tests/conformance/coordinator_store_suite.h"
#include "tests/testing/postgres_server.h"

namespace lwq::coordinator::testing {
namespace {

// The records of a memory store last as long as the store: a coordinator that starts is given a handle on them.
class MemoryHandle : public Store {
 public:
  explicit MemoryHandle(std::shared_ptr<MemoryStore> store) : store_(std::move(store)) {}
  StatusOr<Term> TakeTerm() override { return store_->TakeTerm(); }
  StatusOr<Records> Load() override { return store_->Load(); }
  Status Commit(Term term, std::span<const Change> changes) override { return store_->Commit(term, changes); }
  std::string Describe() const override { return store_->Describe(); }

 private:
  const std::shared_ptr<MemoryStore> store_;
};

StoreOpener InMemory(const std::string&) {
  return [store = std::make_shared<MemoryStore>()] { return std::make_unique<MemoryHandle>(store); };
}

StoreOpener InSqlite(const std::string& folder) {
  return [uri = absl::StrCat("sqlite:", folder, "/state.db")] { return OpenStore(uri); };
}

StoreOpener InPostgres(const std::string&) {
  return [uri = test::TestPostgres().NewDatabase()] { return OpenStore(uri); };
}

const CoordinatorStoreUnderTest kMemory("memory", InMemory);
const CoordinatorStoreUnderTest kSqlite("sqlite", InSqlite);
const CoordinatorStoreUnderTest kPostgres("postgres", InPostgres);

}  // namespace
}  // namespace lwq::coordinator::testing
