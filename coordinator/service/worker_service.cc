// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/worker_service.h"

#include <algorithm>
#include <chrono>

#include "common/rpc/grpc_status.h"
#include "coordinator/service/call_metrics.h"
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

grpc::ServerUnaryReactor* WorkerServiceImpl::ForOwn(grpc::CallbackServerContext* context, Rpc rpc,
                                                    const std::string& worker_id,
                                                    std::function<void(grpc::ServerUnaryReactor* reactor)> post) {
  const StatusOr<Caller> caller = desk_->Enter(context, rpc);
  if (!caller.ok()) return Desk::Refuse(context, caller.status());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  owners_.Check(*caller, worker_id, [reactor, post = std::move(post)](const Status& status) {
    if (!status.ok()) return reactor->Finish(ToGrpc(status));
    post(reactor);
  });
  return reactor;
}

grpc::ServerUnaryReactor* WorkerServiceImpl::RegisterWorker(grpc::CallbackServerContext* context,
                                                            const wire::RegisterWorkerRequest* request,
                                                            wire::RegisterWorkerResponse* response) {
  const StatusOr<Caller> caller = desk_->Enter(context, Rpc::kRegisterWorker);
  if (!caller.ok()) return Desk::Refuse(context, caller.status());
  StatusOr<coordinator::RegisterWorker> event = FromWire(*request);
  if (!event.ok()) return Desk::Refuse(context, event.status());
  event->worker.token_sha256 = caller->token_sha256();
  event->worker.projects = caller->projects();
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  auto done = [this, reactor, response, token = caller->token_sha256()](const Status& status, const Reply& reply,
                                                                        const State*) {
    if (status.ok()) {
      response->set_worker_id(std::get<RegisterReply>(reply).worker.value);
      response->set_objects_uri(objects_uri_);
      SetDuration(heartbeat_ms_, response->mutable_heartbeat_interval());
      owners_.Note(response->worker_id(), token);
    }
    reactor->Finish(ToGrpc(status));
  };
  desk_->runtime()->Read([runtime = desk_->runtime(), reactor, caller = *caller, event = *std::move(event),
                          done = std::move(done)](const State* state, Instant /*now*/) {
    const Status allowed = state == nullptr ? Stopping() : CheckWorkerName(*state, caller, event.worker.name);
    if (!allowed.ok()) return reactor->Finish(ToGrpc(allowed));
    runtime->Post(event, done);
  });
  return reactor;
}

void WorkerServiceImpl::Give(const coordinator::Lease& lease, wire::Lease* message) const {
  ToWire(lease, message);
  tracing_->Leased(lease);
}

grpc::ServerUnaryReactor* WorkerServiceImpl::LeaseTask(grpc::CallbackServerContext* context,
                                                       const wire::LeaseTaskRequest* request,
                                                       wire::LeaseTaskResponse* response) {
  return ForOwn(context, Rpc::kLeaseTask, request->worker_id(),
                [this, context, request, response](grpc::ServerUnaryReactor* reactor) {
                  const int64_t wait_ms = std::min(ClampedMs(request->max_wait(), kMaxWaitMs),
                                                   MsUntil(context->deadline()) - kDeadlineMarginMs);
                  desk_->runtime()->PostLease(
                      coordinator::LeaseTask{WorkerId{request->worker_id()}}, wait_ms,
                      [context] { return context->IsCancelled(); },
                      [this, reactor, response](const Status& status, const Reply& reply, const State*) {
                        if (status.ok()) {
                          const auto& lease = std::get<LeaseReply>(reply).lease;
                          if (lease.has_value()) Give(*lease, response->mutable_lease());
                        }
                        reactor->Finish(ToGrpc(status));
                      });
                });
}

grpc::ServerUnaryReactor* WorkerServiceImpl::Heartbeat(grpc::CallbackServerContext* context,
                                                       const wire::HeartbeatRequest* request,
                                                       wire::HeartbeatResponse* response) {
  return ForOwn(context, Rpc::kHeartbeat, request->worker_id(),
                [this, request, response](grpc::ServerUnaryReactor* reactor) {
                  StatusOr<coordinator::Heartbeat> event = FromWire(*request);
                  if (!event.ok()) return reactor->Finish(ToGrpc(event.status()));
                  desk_->runtime()->Post(*std::move(event),
                                         [reactor, response](const Status& status, const Reply& reply, const State*) {
                                           if (status.ok()) ToWire(std::get<HeartbeatReply>(reply), response);
                                           reactor->Finish(ToGrpc(status));
                                         });
                });
}

grpc::ServerUnaryReactor* WorkerServiceImpl::ReportTask(grpc::CallbackServerContext* context,
                                                        const wire::ReportTaskRequest* request,
                                                        wire::ReportTaskResponse* response) {
  return ForOwn(
      context, Rpc::kReportTask, request->worker_id(), [this, request, response](grpc::ServerUnaryReactor* reactor) {
        StatusOr<coordinator::ReportTask> event = FromWire(*request);
        if (!event.ok()) return reactor->Finish(ToGrpc(event.status()));
        std::shared_ptr<const coordinator::ReportTask> counted;
        if (metrics_ != nullptr) counted = std::make_shared<const coordinator::ReportTask>(*event);
        desk_->runtime()->Post(*std::move(event), [this, reactor, response, counted](
                                                      const Status& status, const Reply& reply, const State* state) {
          if (status.ok()) {
            const auto& lease = std::get<LeaseReply>(reply).lease;
            if (lease.has_value()) Give(*lease, response->mutable_next());
            if (counted != nullptr) CountReport(*state, *counted, *metrics_);
          }
          reactor->Finish(ToGrpc(status));
        });
      });
}

}  // namespace lwq::coordinator
