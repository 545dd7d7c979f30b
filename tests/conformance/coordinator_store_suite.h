// SPDX-License-Identifier: Apache-2.0
// What every store of the coordinator must do, as a library: a program links it and names its stores, one line each.
//
//   const CoordinatorStoreUnderTest kPostgres("postgres", [](const std::string& folder) { return OpenerOf(…); });
//
// Each test gets an opener of its own, over records that are empty at first, and opens it as a coordinator would that
// starts: again and again, each time after the store before is gone.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "common/status/status.h"
#include "coordinator/store/store.h"

namespace lwq::coordinator::testing {

using StoreOpener = std::function<StatusOr<std::unique_ptr<Store>>()>;

struct CoordinatorStoreKind {
  std::string name;  // letters, digits and '_'
  // `folder` is an empty folder that outlives the opener; all stores of an opener are on the same records.
  std::function<StoreOpener(const std::string& folder)> make;
  friend void PrintTo(const CoordinatorStoreKind& kind, std::ostream* out) { *out << kind.name; }
};

// Runs the suite on this kind of store. Define it at namespace scope: tests are chosen before main() begins.
class CoordinatorStoreUnderTest {
 public:
  CoordinatorStoreUnderTest(std::string name, std::function<StoreOpener(const std::string& folder)> make);
};

}  // namespace lwq::coordinator::testing
