// SPDX-License-Identifier: Apache-2.0
// gRPC towards the coordinator: typed calls with deadlines, wire messages in, wire messages out. Nothing is decided
// here.
//
// Thread-safety: any thread. Errors: gRPC's codes as absl codes, with the call's name in front.
#pragma once

#include <memory>
#include <string>

#include "common/rpc/caller_security.h"
#include "common/status/status.h"
#include "lwqat/v1/worker_service.grpc.pb.h"

namespace lwq::worker {

class CoordinatorClient {
 public:
  // `security`: what is shown to the coordinator and demanded of it; null: plaintext, and no token.
  CoordinatorClient(const std::string& address, std::shared_ptr<const CallerSecurity> security);

  StatusOr<lwqat::v1::RegisterWorkerResponse> Register(const lwqat::v1::RegisterWorkerRequest& request);
  // Waits up to request.max_wait at the coordinator; the deadline is a little later.
  StatusOr<lwqat::v1::LeaseTaskResponse> Lease(const lwqat::v1::LeaseTaskRequest& request);
  // `traceparent`: of the attempt that the call is about; "" = none.
  StatusOr<lwqat::v1::HeartbeatResponse> Heartbeat(const lwqat::v1::HeartbeatRequest& request,
                                                   const std::string& traceparent);
  StatusOr<lwqat::v1::ReportTaskResponse> Report(const lwqat::v1::ReportTaskRequest& request,
                                                 const std::string& traceparent);
  // Ends a waiting Lease call at once (drain); later Lease calls end at once too.
  void StopWaiting();

 private:
  std::unique_ptr<lwqat::v1::WorkerService::Stub> stub_;
  struct Waiting;
  std::shared_ptr<Waiting> waiting_;
};

}  // namespace lwq::worker
