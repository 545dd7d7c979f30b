// SPDX-License-Identifier: Apache-2.0
// WorkerService: from messages to events and back; every decision is the scheduler's. Contract: worker_service.proto.
// Thread-safety: gRPC calls from any thread. The desk must outlive the server.
#pragma once

#include <cstdint>
#include <string>

#include "coordinator/metrics/coordinator_metrics.h"
#include "coordinator/service/desk.h"
#include "coordinator/service/tracing.h"
#include "coordinator/service/worker_owners.h"
#include "lwqat/v1/worker_service.grpc.pb.h"

namespace lwq::coordinator {

class WorkerServiceImpl final : public lwqat::v1::WorkerService::CallbackService {
 public:
  // `tracing` and `metrics`, where there are any, must outlive this.
  WorkerServiceImpl(const Desk* desk, CoordinatorMetrics* metrics, const Tracing* tracing, std::string objects_uri,
                    int64_t heartbeat_ms)
      : desk_(desk),
        owners_(desk->runtime()),
        metrics_(metrics),
        tracing_(tracing),
        objects_uri_(std::move(objects_uri)),
        heartbeat_ms_(heartbeat_ms) {}

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
  // Answers with the lease.
  void Give(const coordinator::Lease& lease, lwqat::v1::Lease* message) const;
  // Lets the caller in, and calls `post` once the worker is known to be its own.
  grpc::ServerUnaryReactor* ForOwn(grpc::CallbackServerContext* context, Rpc rpc, const std::string& worker_id,
                                   std::function<void(grpc::ServerUnaryReactor* reactor)> post);

  const Desk* const desk_;
  WorkerOwners owners_;
  CoordinatorMetrics* const metrics_;  // may be null
  const Tracing* const tracing_;
  const std::string objects_uri_;
  const int64_t heartbeat_ms_;
};

}  // namespace lwq::coordinator
