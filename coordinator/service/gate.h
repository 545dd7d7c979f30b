// SPDX-License-Identifier: Apache-2.0
// Where every call is let in: who calls, and whether the table (coordinator/access/methods.inc) lets it call this.
// What depends on the run or the sweep that is meant is checked by whoever looks it up (visible.h).
//
// Errors: UNAUTHENTICATED, PERMISSION_DENIED. Thread-safety: any thread. The book must outlive this.
#pragma once

#include "common/status/status.h"
#include "coordinator/access/caller.h"
#include "coordinator/service/token_book.h"
#include "grpcpp/grpcpp.h"

namespace lwq::coordinator {

class Gate {
 public:
  // Without a book nobody is asked for a token, and everything is allowed.
  explicit Gate(TokenBook* tokens) : tokens_(tokens) {}

  StatusOr<Caller> Enter(const grpc::ServerContextBase& context, Rpc rpc) const;
  // Who calls, whatever it may do.
  StatusOr<Caller> Identify(const grpc::ServerContextBase& context) const;
  // Whether a caller that was let in still would be: for calls that last.
  Status StillLets(const Caller& caller) const;

 private:
  TokenBook* const tokens_;  // may be null
};

}  // namespace lwq::coordinator
