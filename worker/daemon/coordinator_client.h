// SPDX-License-Identifier: Apache-2.0
// gRPC towards the coordinator: typed calls with deadlines, wire messages in, wire messages out. Nothing is decided
// here, but which of several coordinators is called: where one does not answer, the next call goes to another.
//
// Thread-safety: any thread. Errors: gRPC's codes as absl codes, with the call's name in front.
#pragma once

#include <memory>
#include <string>

#include "common/rpc/caller_security.h"
#include "common/rpc/coordinator_addresses.h"
#include "common/status/status.h"
#include "common/sync/mutex.h"
#include "lwqat/v1/worker_service.grpc.pb.h"

namespace lwq::worker {

class CoordinatorClient {
 public:
  // `security`: what is shown to the coordinator and demanded of it; null: plaintext, and no token.
  CoordinatorClient(CoordinatorAddresses addresses, std::shared_ptr<const CallerSecurity> security);

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
  // HOST:PORT of the one that is called now.
  std::string address() const;

 private:
  using Stub = lwqat::v1::WorkerService::Stub;

  template <typename Method, typename Request, typename Response>
  Status Call(Method method, std::string_view name, grpc::ClientContext* context, const Request& request,
              Response* response);
  std::shared_ptr<Stub> MakeStub(const std::string& address) const;

  const std::shared_ptr<const CallerSecurity> security_;
  mutable Mutex mutex_;
  CoordinatorAddresses addresses_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Stub> stub_ ABSL_GUARDED_BY(mutex_);
  struct Waiting;
  std::shared_ptr<Waiting> waiting_;
};

}  // namespace lwq::worker
