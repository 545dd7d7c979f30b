// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/worker_service.h"

#include <algorithm>
#include <chrono>

#include "common/rpc/grpc_status.h"
#include "coordinator/service/convert_worker.h"

namespace lwq::coordinator {
namespace {

constexpr int64_t kMaxWaitMs = 60'000;
// A wait ends this long before the caller's own deadline, so that the answer arrives.
constexpr int64_t kDeadlineMarginMs = 50;

int64_t MsUntil(std::chrono::system_clock::time_point deadline) {
  using std::chrono::milliseconds;
  // A call without a deadline has one in the far future, which must not overflow the difference.
  const auto now = std::chrono::system_clock::now();
  if (deadline > now + milliseconds(kMaxWaitMs) * 2) return kMaxWaitMs * 2;
  return std::chrono::duration_cast<milliseconds>(deadline - now).count();
}

}  // namespace

grpc::ServerUnaryReactor* WorkerServiceImpl::RegisterWorker(grpc::CallbackServerContext* context,
                                                            const wire::RegisterWorkerRequest* request,
                                                            wire::RegisterWorkerResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  StatusOr<coordinator::RegisterWorker> event = FromWire(*request);
  if (!event.ok()) {
    reactor->Finish(ToGrpc(event.status()));
    return reactor;
  }
  runtime_->Post(*std::move(event), [this, reactor, response](const Status& status, const Reply& reply, const State*) {
    if (status.ok()) {
      response->set_worker_id(std::get<RegisterReply>(reply).worker.value);
      response->set_objects_uri(objects_uri_);
      SetDuration(heartbeat_ms_, response->mutable_heartbeat_interval());
    }
    reactor->Finish(ToGrpc(status));
  });
  return reactor;
}

grpc::ServerUnaryReactor* WorkerServiceImpl::LeaseTask(grpc::CallbackServerContext* context,
                                                       const wire::LeaseTaskRequest* request,
                                                       wire::LeaseTaskResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const int64_t wait_ms =
      std::min(ClampedMs(request->max_wait(), kMaxWaitMs), MsUntil(context->deadline()) - kDeadlineMarginMs);
  runtime_->PostLease(
      coordinator::LeaseTask{WorkerId{request->worker_id()}}, wait_ms, [context] { return context->IsCancelled(); },
      [reactor, response](const Status& status, const Reply& reply, const State*) {
        if (status.ok()) {
          const auto& lease = std::get<LeaseReply>(reply).lease;
          if (lease.has_value()) ToWire(*lease, response->mutable_lease());
        }
        reactor->Finish(ToGrpc(status));
      });
  return reactor;
}

grpc::ServerUnaryReactor* WorkerServiceImpl::Heartbeat(grpc::CallbackServerContext* context,
                                                       const wire::HeartbeatRequest* request,
                                                       wire::HeartbeatResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  StatusOr<coordinator::Heartbeat> event = FromWire(*request);
  if (!event.ok()) {
    reactor->Finish(ToGrpc(event.status()));
    return reactor;
  }
  runtime_->Post(*std::move(event), [reactor, response](const Status& status, const Reply& reply, const State*) {
    if (status.ok()) ToWire(std::get<HeartbeatReply>(reply), response);
    reactor->Finish(ToGrpc(status));
  });
  return reactor;
}

grpc::ServerUnaryReactor* WorkerServiceImpl::ReportTask(grpc::CallbackServerContext* context,
                                                        const wire::ReportTaskRequest* request,
                                                        wire::ReportTaskResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  StatusOr<coordinator::ReportTask> event = FromWire(*request);
  if (!event.ok()) {
    reactor->Finish(ToGrpc(event.status()));
    return reactor;
  }
  runtime_->Post(*std::move(event), [reactor, response](const Status& status, const Reply& reply, const State*) {
    if (status.ok()) {
      const auto& lease = std::get<LeaseReply>(reply).lease;
      if (lease.has_value()) ToWire(*lease, response->mutable_next());
    }
    reactor->Finish(ToGrpc(status));
  });
  return reactor;
}

}  // namespace lwq::coordinator
