// SPDX-License-Identifier: Apache-2.0
// An object store that tells how each operation went: for metrics. Thread-safety and errors: those of the store in it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "common/object_store/object_store.h"
#include "common/status/status.h"

namespace lwq {

struct ObservedOperation {
  std::string_view operation;  // "put", "get", "get_range", "head", "list", "renew", "delete", "upload"
  absl::StatusCode code = absl::StatusCode::kOk;
  double seconds = 0;
  int64_t read_bytes = 0;
  int64_t written_bytes = 0;
};

// Called after each operation on the thread that made it; an upload is one operation, from its start to its commit or
// its end without one, which is CANCELLED.
using StoreObserver = std::function<void(const ObservedOperation& operation)>;

std::unique_ptr<ObjectStore> ObserveStore(std::unique_ptr<ObjectStore> store, StoreObserver observer);

}  // namespace lwq
