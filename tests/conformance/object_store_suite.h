// SPDX-License-Identifier: Apache-2.0
// What every object store must do, as a library: a program links it and names its stores, one line each.
//
//   const ObjectStoreUnderTest kBucket("bucket", [](const std::string& folder) { return OpenBucket(…); });
//
// Each test gets a store of its own from the function, empty, and drops it at its end.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "common/object_store/object_store.h"

namespace lwq::test {

struct ObjectStoreKind {
  std::string name;  // letters, digits and '_'
  // `folder` is an empty folder that outlives the store.
  std::function<std::unique_ptr<ObjectStore>(const std::string& folder)> make;
  // Whether "a" and "a/b" can both be there. False for S3 servers that keep objects as files: there the second one is
  // FAILED_PRECONDITION, and the suite puts no such keys elsewhere.
  bool holds_nested_keys = true;
  friend void PrintTo(const ObjectStoreKind& kind, std::ostream* out) { *out << kind.name; }
};

// Runs the suite on this kind of store. Define it at namespace scope: tests are chosen before main() begins.
class ObjectStoreUnderTest {
 public:
  ObjectStoreUnderTest(std::string name, std::function<std::unique_ptr<ObjectStore>(const std::string& folder)> make,
                       bool holds_nested_keys = true);
};

}  // namespace lwq::test
