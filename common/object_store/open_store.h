// SPDX-License-Identifier: Apache-2.0
// Which object stores there are: one table, from the scheme of a URI to how such a store is checked, made and opened.
//
// Whoever names a store goes through it. The coordinator checks the URI that it tells others and makes the place it
// names; workers and clients open it. A new store is a row of the table in open_store.cc and a line in
// tests/conformance/object_store_test.cc.
//
//   file:///absolute/folder   shared by all processes that see the folder. "?fsync=off" behind it gives up durability
//                             against power loss, for tests and scratch data. Transient errors of a network file
//                             system are repeated as retry_store.h says.
//   s3://bucket/prefix?…      an S3 bucket, Amazon's or any other server's; s3_location.h lists the options,
//                             aws_credentials.h where credentials come from, retrier.h what is repeated. The bucket
//                             must be there.
//   memory:                   a new empty store of this process alone, for tests.
//
// Thread-safety: any thread. Errors: INVALID_ARGUMENT in one line for a URI that is none of these, naming those that
// are; and what the functions say.
#pragma once

#include <sys/socket.h>

#include <functional>
#include <memory>
#include <string_view>

#include "common/object_store/object_store.h"
#include "common/object_store/retry_store.h"
#include "common/s3/s3_location.h"
#include "common/status/status.h"

namespace lwq {

// What a store is given by whoever opens it, beside its URI.
struct StoreContext {
  RetryOptions retry = {};
  // How time passes between two attempts, and how a caller that must stop gives them up. Several threads may call it at
  // once.
  RetryWait wait = WaitBySleeping;
  // Makes the store's place (the folder of file://) where it is absent. If false, that is NOT_FOUND and nothing is
  // made.
  bool create_if_absent = true;
  // Where credentials and defaults of s3:// come from; null: the process's environment.
  Environment environment = nullptr;
  // May refuse the address of a server of s3:// before it is connected to (UriPolicy::CheckSocketAddress); null: every
  // address is taken.
  std::function<Status(const sockaddr* address)> check_address = nullptr;
};

// FAILED_PRECONDITION, RESOURCE_EXHAUSTED or UNAVAILABLE where the place cannot be made or used.
StatusOr<std::unique_ptr<ObjectStore>> OpenObjectStore(std::string_view uri, const StoreContext& context = {});

// INVALID_ARGUMENT unless the URI names a store that several processes can share. Touches nothing.
Status CheckSharedStoreUri(std::string_view uri);

// Makes the place of a shared store where it is absent, and opens nothing: it needs no right to read or write objects.
Status MakeSharedStore(std::string_view uri);

}  // namespace lwq
