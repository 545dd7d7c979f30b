// SPDX-License-Identifier: Apache-2.0
// WorkerService: from messages to events and back; every decision is the scheduler's. Contract: worker_service.proto.
// Thread-safety: gRPC calls from any thread. The runtime must outlive the server.
#pragma once

#include <cstdint>
#include <string>

#include "coordinator/loop/runtime.h"
#include "lwqat/v1/worker_service.grpc.pb.h"

namespace lwq::coordinator {

class WorkerServiceImpl final : public lwqat::v1::WorkerService::CallbackService {
 public:
  WorkerServiceImpl(Runtime* runtime, std::string objects_uri, int64_t heartbeat_ms)
      : runtime_(runtime), objects_uri_(std::move(objects_uri)), heartbeat_ms_(heartbeat_ms) {}

  grpc::ServerUnaryReactor* RegisterWorker(grpc::CallbackServerContext* context,
                                           const lwqat::v1::RegisterWorkerRequest* request,
                                           lwqat::v1::RegisterWorkerResponse* response) override;
  grpc::ServerUnaryReactor* LeaseTask(grpc::CallbackServerContext* context, const lwqat::v1::LeaseTaskRequest* request,
                                      lwqat::v1::LeaseTaskResponse* response) override;
  grpc::ServerUnaryReactor* Heartbeat(grpc::CallbackServerContext* context, const lwqat::v1::HeartbeatRequest* request,
                                      lwqat::v1::HeartbeatResponse* response) override;
  grpc::ServerUnaryReactor* ReportTask(grpc::CallbackServerContext* context,
                                       const lwqat::v1::ReportTaskRequest* request,
                                       lwqat::v1::ReportTaskResponse* response) override;

 private:
  Runtime* const runtime_;
  const std::string objects_uri_;
  const int64_t heartbeat_ms_;
};

}  // namespace lwq::coordinator
