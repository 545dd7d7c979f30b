// SPDX-License-Identifier: Apache-2.0
// The stream of a call that ends before it begins; belongs to itself.
#pragma once

#include "common/rpc/grpc_status.h"
#include "common/status/status.h"
#include "grpcpp/grpcpp.h"

namespace lwq::coordinator {

template <typename Response>
class RefusedStream final : public grpc::ServerWriteReactor<Response> {
 public:
  explicit RefusedStream(const Status& status) { this->Finish(ToGrpc(status)); }
  void OnDone() override { delete this; }
};

}  // namespace lwq::coordinator
