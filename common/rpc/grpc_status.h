// SPDX-License-Identifier: Apache-2.0
// Statuses on the wire: absl's codes and gRPC's are the same numbers, and messages pass unchanged.
#pragma once

#include "common/status/status.h"
#include "grpcpp/support/status.h"

namespace lwq {

inline grpc::Status ToGrpc(const Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(MessageOf(status)));
}

inline Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

}  // namespace lwq
