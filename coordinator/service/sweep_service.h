// SPDX-License-Identifier: Apache-2.0
// SweepService over the loop: converts, posts events, reads the state.
//
// Thread-safety: gRPC calls from any thread. What it is made of must outlive this, and this every call.
#pragma once

#include "coordinator/loop/background.h"
#include "coordinator/service/bytes_streams.h"
#include "coordinator/service/desk.h"
#include "coordinator/service/submissions.h"
#include "coordinator/service/watch_messages.h"
#include "lwqat/v1/sweep_service.grpc.pb.h"

namespace lwq::coordinator {

class SweepServiceImpl final : public BytesStreams<lwqat::v1::SweepService> {
 public:
  SweepServiceImpl(const Desk* desk, Submissions* submissions, Background* previews, WatchMessages* watch_messages);

  grpc::ServerUnaryReactor* PlanSweep(grpc::CallbackServerContext* context, const lwqat::v1::PlanSweepRequest* request,
                                      lwqat::v1::PlanSweepResponse* response) override;
  grpc::ServerUnaryReactor* SubmitSweep(grpc::CallbackServerContext* context,
                                        const lwqat::v1::SubmitSweepRequest* request,
                                        lwqat::v1::SubmitSweepResponse* response) override;
  grpc::ServerUnaryReactor* GetSweep(grpc::CallbackServerContext* context, const lwqat::v1::GetSweepRequest* request,
                                     lwqat::v1::GetSweepResponse* response) override;
  grpc::ServerUnaryReactor* ListSweeps(grpc::CallbackServerContext* context,
                                       const lwqat::v1::ListSweepsRequest* request,
                                       lwqat::v1::ListSweepsResponse* response) override;
  grpc::ServerUnaryReactor* CancelSweep(grpc::CallbackServerContext* context,
                                        const lwqat::v1::CancelSweepRequest* request,
                                        lwqat::v1::CancelSweepResponse* response) override;
  grpc::ServerUnaryReactor* PauseSweep(grpc::CallbackServerContext* context,
                                       const lwqat::v1::PauseSweepRequest* request,
                                       lwqat::v1::PauseSweepResponse* response) override;
  grpc::ServerUnaryReactor* ResumeSweep(grpc::CallbackServerContext* context,
                                        const lwqat::v1::ResumeSweepRequest* request,
                                        lwqat::v1::ResumeSweepResponse* response) override;
  grpc::ServerUnaryReactor* DeleteSweep(grpc::CallbackServerContext* context,
                                        const lwqat::v1::DeleteSweepRequest* request,
                                        lwqat::v1::DeleteSweepResponse* response) override;

 private:
  grpc::ServerWriteReactor<grpc::ByteBuffer>* BeginWatchSweep(grpc::CallbackServerContext* context,
                                                              const lwqat::v1::WatchSweepRequest* request);
  // Posts event(id), whose reply names a sweep, and answers with the sweep as it is then.
  template <typename MakeEvent>
  grpc::ServerUnaryReactor* Change(grpc::CallbackServerContext* context, Rpc rpc, const std::string& sweep_id,
                                   MakeEvent event, lwqat::v1::Sweep* sweep);

  const Desk* const desk_;
  Submissions* const submissions_;
  Background* const previews_;
  WatchMessages* const watch_messages_;
};

}  // namespace lwq::coordinator
