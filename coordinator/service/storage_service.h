// SPDX-License-Identifier: Apache-2.0
// StorageService: the roots of a collection. Contract: storage_service.proto.
// Thread-safety: gRPC calls from any thread. The runtime must outlive this, and this every call.
#pragma once

#include "coordinator/loop/runtime.h"
#include "lwqat/v1/storage_service.grpc.pb.h"

namespace lwq::coordinator {

class StorageServiceImpl final : public lwqat::v1::StorageService::CallbackService {
 public:
  explicit StorageServiceImpl(Runtime* runtime) : runtime_(runtime) {}

  grpc::ServerWriteReactor<lwqat::v1::ListRootsResponse>* ListRoots(
      grpc::CallbackServerContext* context, const lwqat::v1::ListRootsRequest* request) override;

 private:
  Runtime* const runtime_;
};

}  // namespace lwq::coordinator
