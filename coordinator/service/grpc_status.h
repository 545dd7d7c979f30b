// absl's codes and gRPC's are the same numbers; messages pass unchanged.
#pragma once

#include "common/status/status.h"
#include "grpcpp/support/status.h"

namespace lwq::coordinator {

inline grpc::Status ToGrpc(const Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(MessageOf(status)));
}

}  // namespace lwq::coordinator
