// SPDX-License-Identifier: Apache-2.0
// Submissions on their way to the loop: converted, planned and prepared by threads of their own, several at a time; the
// loop then accepts what is ready (docs/adr/0015-answers-beside-the-loop.md).
//
// Thread-safety: gRPC calls from any thread. Desk and tracing must outlive this, and this every call.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "coordinator/loop/background.h"
#include "coordinator/service/desk.h"
#include "coordinator/service/tracing.h"
#include "grpcpp/grpcpp.h"
#include "lwqat/v1/run_service.pb.h"
#include "lwqat/v1/sweep_service.pb.h"

namespace lwq::coordinator {

class Submissions {
 public:
  Submissions(const Desk* desk, const Tracing* tracing);

  // Each answers the call once, whatever comes. UNAVAILABLE: too many submissions are being prepared.
  grpc::ServerUnaryReactor* SubmitRun(grpc::CallbackServerContext* context, const lwqat::v1::SubmitRunRequest* request,
                                      lwqat::v1::SubmitRunResponse* response);
  grpc::ServerUnaryReactor* SubmitRuns(grpc::CallbackServerContext* context,
                                       const lwqat::v1::SubmitRunsRequest* request,
                                       lwqat::v1::SubmitRunsResponse* response);
  grpc::ServerUnaryReactor* SubmitSweep(grpc::CallbackServerContext* context,
                                        const lwqat::v1::SubmitSweepRequest* request,
                                        lwqat::v1::SubmitSweepResponse* response);

 private:
  struct Together;
  // Prepares the runs in parts, by whichever thread is free, and calls `post` once all are ready.
  void PrepareAndPost(std::vector<coordinator::SubmitRun> runs,
                      std::function<void(std::vector<coordinator::SubmitRun> runs)> post);
  void PreparePart(StateReader& reader, const std::shared_ptr<Together>& together, size_t first);

  const Desk* const desk_;
  const Tracing* const tracing_;
  Runtime* const runtime_;
  Background background_;
};

}  // namespace lwq::coordinator
