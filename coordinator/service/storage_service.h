// SPDX-License-Identifier: Apache-2.0
// StorageService: the roots of a collection, and what a verification asks and says. Contract: storage_service.proto.
// Thread-safety: gRPC calls from any thread. The desk must outlive this, and this every call.
#pragma once

#include "coordinator/service/desk.h"
#include "lwqat/v1/storage_service.grpc.pb.h"

namespace lwq::coordinator {

class StorageServiceImpl final : public lwqat::v1::StorageService::CallbackService {
 public:
  explicit StorageServiceImpl(const Desk* desk) : desk_(desk) {}

  grpc::ServerWriteReactor<lwqat::v1::ListRootsResponse>* ListRoots(
      grpc::CallbackServerContext* context, const lwqat::v1::ListRootsRequest* request) override;
  grpc::ServerWriteReactor<lwqat::v1::ListArtifactsResponse>* ListArtifacts(
      grpc::CallbackServerContext* context, const lwqat::v1::ListArtifactsRequest* request) override;
  grpc::ServerUnaryReactor* ReportLostArtifacts(grpc::CallbackServerContext* context,
                                                const lwqat::v1::ReportLostArtifactsRequest* request,
                                                lwqat::v1::ReportLostArtifactsResponse* response) override;

 private:
  const Desk* const desk_;
};

}  // namespace lwq::coordinator
