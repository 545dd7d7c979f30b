// SPDX-License-Identifier: Apache-2.0
#include "worker/daemon/coordinator_client.h"

#include <chrono>

#include "common/rpc/channel.h"
#include "common/rpc/grpc_status.h"

namespace lwq::worker {
namespace {

constexpr auto kCallTimeout = std::chrono::seconds(10);

}  // namespace

struct CoordinatorClient::Waiting {
  Mutex mutex;
  grpc::ClientContext* context = nullptr;
  bool stopped = false;
};

CoordinatorClient::CoordinatorClient(CoordinatorAddresses addresses, std::shared_ptr<const CallerSecurity> security)
    : security_(std::move(security)),
      addresses_(std::move(addresses)),
      stub_(MakeStub(addresses_.current())),
      waiting_(std::make_shared<Waiting>()) {}

std::shared_ptr<CoordinatorClient::Stub> CoordinatorClient::MakeStub(const std::string& address) const {
  // A coordinator that restarts is back within a second or two: the channel's own back-off stays below that.
  return lwqat::v1::WorkerService::NewStub(
      OpenChannel(address, {.max_backoff_ms = 1000, .keepalive_ms = 30'000, .security = security_}));
}

std::string CoordinatorClient::address() const {
  const MutexLock lock(&mutex_);
  return addresses_.current();
}

template <typename Method, typename Request, typename Response>
Status CoordinatorClient::Call(Method method, std::string_view name, grpc::ClientContext* context,
                               const Request& request, Response* response) {
  std::shared_ptr<Stub> stub;
  {
    const MutexLock lock(&mutex_);
    stub = stub_;
  }
  const grpc::Status status = (stub.get()->*method)(context, request, response);
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE ||
      status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    const MutexLock lock(&mutex_);
    // Unless another thread's call has moved on meanwhile.
    if (addresses_.all().size() > 1 && stub == stub_) {
      addresses_.MoveOn(LeaderOf(context->GetServerTrailingMetadata()));
      stub_ = MakeStub(addresses_.current());
    }
  }
  return Annotate(FromGrpc(status), name);
}

StatusOr<lwqat::v1::RegisterWorkerResponse> CoordinatorClient::Register(
    const lwqat::v1::RegisterWorkerRequest& request) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  lwqat::v1::RegisterWorkerResponse response;
  LWQ_RETURN_IF_ERROR(Call(&Stub::RegisterWorker, "register worker", &context, request, &response));
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
  const Status status = Call(&Stub::LeaseTask, "lease task", &context, request, &response);
  {
    const MutexLock lock(&waiting_->mutex);
    waiting_->context = nullptr;
  }
  LWQ_RETURN_IF_ERROR(status);
  return response;
}

StatusOr<lwqat::v1::HeartbeatResponse> CoordinatorClient::Heartbeat(const lwqat::v1::HeartbeatRequest& request,
                                                                    const std::string& traceparent) {
  grpc::ClientContext context;
  if (!traceparent.empty()) context.AddMetadata("traceparent", traceparent);
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  lwqat::v1::HeartbeatResponse response;
  LWQ_RETURN_IF_ERROR(Call(&Stub::Heartbeat, "heartbeat", &context, request, &response));
  return response;
}

StatusOr<lwqat::v1::ReportTaskResponse> CoordinatorClient::Report(const lwqat::v1::ReportTaskRequest& request,
                                                                  const std::string& traceparent) {
  grpc::ClientContext context;
  if (!traceparent.empty()) context.AddMetadata("traceparent", traceparent);
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  lwqat::v1::ReportTaskResponse response;
  LWQ_RETURN_IF_ERROR(Call(&Stub::ReportTask, "report task", &context, request, &response));
  return response;
}

void CoordinatorClient::StopWaiting() {
  const MutexLock lock(&waiting_->mutex);
  waiting_->stopped = true;
  if (waiting_->context != nullptr) waiting_->context->TryCancel();
}

}  // namespace lwq::worker
