// Where the coordinator's records outlive it.
//
// A store holds the records of one coordinator. Commit applies changes in order, all or none, and returns when they
// would survive a power cut; Load returns exactly what the commits so far make. Nothing else is read during operation:
// the state lives in memory.
//
// Thread-safety: one thread at a time. Ownership: the process that opened a store has it alone until it is closed.
// Errors: FAILED_PRECONDITION (a newer schema, another program's file, in use by another coordinator), DATA_LOSS
// (damaged), UNAVAILABLE and RESOURCE_EXHAUSTED (disk). Messages are one line and name the store. After a failed Commit
// nothing of it is stored, and the caller's state is ahead of the store: it must stop.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/status/status.h"
#include "coordinator/scheduler/records.h"

namespace lwq::coordinator {

class Store {
 public:
  virtual ~Store() = default;
  virtual StatusOr<Records> Load() = 0;
  virtual Status Commit(std::span<const Change> changes) = 0;
  // For messages.
  virtual std::string Describe() const = 0;
};

// "sqlite:PATH" (created if absent) or "memory:". INVALID_ARGUMENT for anything else.
StatusOr<std::unique_ptr<Store>> OpenStore(std::string_view uri);

}  // namespace lwq::coordinator
