// SPDX-License-Identifier: Apache-2.0
// RunService: from messages to events and reads, and back. Contract: run_service.proto.
// Thread-safety: gRPC calls from any thread. What it is made of must outlive this, and this every call.
#pragma once

#include <string>

#include "coordinator/loop/background.h"
#include "coordinator/service/bytes_streams.h"
#include "coordinator/service/desk.h"
#include "coordinator/service/submissions.h"
#include "coordinator/service/watch_messages.h"
#include "lwqat/v1/run_service.grpc.pb.h"

namespace lwq::coordinator {

class RunServiceImpl final : public BytesStreams<lwqat::v1::RunService> {
 public:
  RunServiceImpl(const Desk* desk, Submissions* submissions, Background* previews, WatchMessages* watch_messages,
                 std::string objects_uri, std::string version);

  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context,
                                          const lwqat::v1::GetServerInfoRequest* request,
                                          lwqat::v1::GetServerInfoResponse* response) override;
  grpc::ServerUnaryReactor* PlanRun(grpc::CallbackServerContext* context, const lwqat::v1::PlanRunRequest* request,
                                    lwqat::v1::PlanRunResponse* response) override;
  grpc::ServerUnaryReactor* SubmitRun(grpc::CallbackServerContext* context, const lwqat::v1::SubmitRunRequest* request,
                                      lwqat::v1::SubmitRunResponse* response) override;
  grpc::ServerUnaryReactor* SubmitRuns(grpc::CallbackServerContext* context,
                                       const lwqat::v1::SubmitRunsRequest* request,
                                       lwqat::v1::SubmitRunsResponse* response) override;
  grpc::ServerUnaryReactor* GetRun(grpc::CallbackServerContext* context, const lwqat::v1::GetRunRequest* request,
                                   lwqat::v1::GetRunResponse* response) override;
  grpc::ServerUnaryReactor* ListRuns(grpc::CallbackServerContext* context, const lwqat::v1::ListRunsRequest* request,
                                     lwqat::v1::ListRunsResponse* response) override;
  grpc::ServerUnaryReactor* CancelRun(grpc::CallbackServerContext* context, const lwqat::v1::CancelRunRequest* request,
                                      lwqat::v1::CancelRunResponse* response) override;
  grpc::ServerUnaryReactor* PauseRun(grpc::CallbackServerContext* context, const lwqat::v1::PauseRunRequest* request,
                                     lwqat::v1::PauseRunResponse* response) override;
  grpc::ServerUnaryReactor* ResumeRun(grpc::CallbackServerContext* context, const lwqat::v1::ResumeRunRequest* request,
                                      lwqat::v1::ResumeRunResponse* response) override;
  grpc::ServerUnaryReactor* DeleteRun(grpc::CallbackServerContext* context, const lwqat::v1::DeleteRunRequest* request,
                                      lwqat::v1::DeleteRunResponse* response) override;
  grpc::ServerUnaryReactor* RemakeArtifact(grpc::CallbackServerContext* context,
                                           const lwqat::v1::RemakeArtifactRequest* request,
                                           lwqat::v1::RemakeArtifactResponse* response) override;
  grpc::ServerUnaryReactor* ExplainRuns(grpc::CallbackServerContext* context,
                                        const lwqat::v1::ExplainRunsRequest* request,
                                        lwqat::v1::ExplainRunsResponse* response) override;
  grpc::ServerUnaryReactor* WhyTask(grpc::CallbackServerContext* context, const lwqat::v1::WhyTaskRequest* request,
                                    lwqat::v1::WhyTaskResponse* response) override;
  grpc::ServerUnaryReactor* GetRunLogs(grpc::CallbackServerContext* context,
                                       const lwqat::v1::GetRunLogsRequest* request,
                                       lwqat::v1::GetRunLogsResponse* response) override;
  grpc::ServerUnaryReactor* ScheduleRun(grpc::CallbackServerContext* context,
                                        const lwqat::v1::ScheduleRunRequest* request,
                                        lwqat::v1::ScheduleRunResponse* response) override;
  grpc::ServerUnaryReactor* ListWorkers(grpc::CallbackServerContext* context,
                                        const lwqat::v1::ListWorkersRequest* request,
                                        lwqat::v1::ListWorkersResponse* response) override;
  grpc::ServerUnaryReactor* ReleaseWorker(grpc::CallbackServerContext* context,
                                          const lwqat::v1::ReleaseWorkerRequest* request,
                                          lwqat::v1::ReleaseWorkerResponse* response) override;

 private:
  grpc::ServerWriteReactor<grpc::ByteBuffer>* BeginWatchRun(grpc::CallbackServerContext* context,
                                                            const lwqat::v1::WatchRunRequest* request);
  grpc::ServerWriteReactor<grpc::ByteBuffer>* BeginWatchRuns(grpc::CallbackServerContext* context,
                                                             const lwqat::v1::WatchRunsRequest* request);
  // Posts event(id), whose reply names a run, and answers with the run as it is then.
  template <typename MakeEvent>
  grpc::ServerUnaryReactor* Change(grpc::CallbackServerContext* context, Rpc rpc, const std::string& run_id,
                                   MakeEvent event, lwqat::v1::Run* run);

  const Desk* const desk_;
  Submissions* const submissions_;
  Background* const previews_;
  WatchMessages* const watch_messages_;
  const std::string objects_uri_;
  const std::string version_;
};

}  // namespace lwq::coordinator
