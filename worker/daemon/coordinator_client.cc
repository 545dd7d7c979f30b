// SPDX-License-Identifier: Apache-2.0
#include "worker/daemon/coordinator_client.h"

#include <chrono>

#include "common/rpc/channel.h"
#include "common/rpc/grpc_status.h"
#include "common/sync/mutex.h"

namespace lwq::worker {
namespace {

constexpr auto kCallTimeout = std::chrono::seconds(10);

Status ToStatus(const grpc::Status& status, std::string_view call) {
  return Annotate(FromGrpc(status), call);
}

}  // namespace

struct CoordinatorClient::Waiting {
  Mutex mutex;
  grpc::ClientContext* context = nullptr;
  bool stopped = false;
};

CoordinatorClient::CoordinatorClient(const std::string& address, std::shared_ptr<const CallerSecurity> security)
    : waiting_(std::make_shared<Waiting>()) {
  // A coordinator that restarts is back within a second or two: the channel's own back-off stays below that.
  const ChannelOptions options{.max_backoff_ms = 1000, .keepalive_ms = 30'000, .security = std::move(security)};
  stub_ = lwqat::v1::WorkerService::NewStub(OpenChannel(address, options));
}

StatusOr<lwqat::v1::RegisterWorkerResponse> CoordinatorClient::Register(
    const lwqat::v1::RegisterWorkerRequest& request) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  lwqat::v1::RegisterWorkerResponse response;
  LWQ_RETURN_IF_ERROR(ToStatus(stub_->RegisterWorker(&context, request, &response), "register worker"));
  return response;
}

StatusOr<lwqat::v1::LeaseTaskResponse> CoordinatorClient::Lease(const lwqat::v1::LeaseTaskRequest& request) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(request.max_wait().seconds()) +
                       kCallTimeout);
  {
    const MutexLock lock(&waiting_->mutex);
    if (waiting_->stopped) return absl::CancelledError("lease task: draining");
    waiting_->context = &context;
  }
  lwqat::v1::LeaseTaskResponse response;
  const grpc::Status status = stub_->LeaseTask(&context, request, &response);
  {
    const MutexLock lock(&waiting_->mutex);
    waiting_->context = nullptr;
  }
  LWQ_RETURN_IF_ERROR(ToStatus(status, "lease task"));
  return response;
}

StatusOr<lwqat::v1::HeartbeatResponse> CoordinatorClient::Heartbeat(const lwqat::v1::HeartbeatRequest& request,
                                                                    const std::string& traceparent) {
  grpc::ClientContext context;
  if (!traceparent.empty()) context.AddMetadata("traceparent", traceparent);
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  lwqat::v1::HeartbeatResponse response;
  LWQ_RETURN_IF_ERROR(ToStatus(stub_->Heartbeat(&context, request, &response), "heartbeat"));
  return response;
}

StatusOr<lwqat::v1::ReportTaskResponse> CoordinatorClient::Report(const lwqat::v1::ReportTaskRequest& request,
                                                                  const std::string& traceparent) {
  grpc::ClientContext context;
  if (!traceparent.empty()) context.AddMetadata("traceparent", traceparent);
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  lwqat::v1::ReportTaskResponse response;
  LWQ_RETURN_IF_ERROR(ToStatus(stub_->ReportTask(&context, request, &response), "report task"));
  return response;
}

void CoordinatorClient::StopWaiting() {
  const MutexLock lock(&waiting_->mutex);
  waiting_->stopped = true;
  if (waiting_->context != nullptr) waiting_->context->TryCancel();
}

}  // namespace lwq::worker
