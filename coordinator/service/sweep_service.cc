// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/sweep_service.h"

#include <utility>

#include "common/text/name_pattern.h"
#include "coordinator/service/answers.h"
#include "coordinator/service/convert_sweep.h"
#include "coordinator/service/watch_stream.h"

namespace lwq::coordinator {

grpc::ServerUnaryReactor* SweepServiceImpl::PlanSweep(grpc::CallbackServerContext* context,
                                                      const wire::PlanSweepRequest* request,
                                                      wire::PlanSweepResponse* response) {
  return ComputeAnswer(*previews_, context, [request, response](StateReader& reader) -> Status {
    LWQ_ASSIGN_OR_RETURN(std::vector<coordinator::SubmitRun> runs, FromWire(request->spec()));
    LWQ_ASSIGN_OR_RETURN(const std::optional<SweepHalving> halving, HalvingFromWire(request->spec()));
    const StatusOr<SweepPreview> preview =
        halving.has_value() ? PreviewHalvedSweep(reader, std::move(runs), *halving) : PreviewSweep(reader, runs);
    LWQ_RETURN_IF_ERROR(preview.status());
    ToWire(*preview, response->mutable_plan());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* SweepServiceImpl::SubmitSweep(grpc::CallbackServerContext* context,
                                                        const wire::SubmitSweepRequest* request,
                                                        wire::SubmitSweepResponse* response) {
  return submissions_->SubmitSweep(context, request, response);
}

grpc::ServerUnaryReactor* SweepServiceImpl::GetSweep(grpc::CallbackServerContext* context,
                                                     const wire::GetSweepRequest* request,
                                                     wire::GetSweepResponse* response) {
  return ReadAnswer(runtime_, context, [request, response](const State& state, Instant) -> Status {
    LWQ_ASSIGN_OR_RETURN(const SweepId id, FindSweep(state, request->sweep_id()));
    SweepToWire(state, id, response->mutable_sweep());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* SweepServiceImpl::ListSweeps(grpc::CallbackServerContext* context,
                                                       const wire::ListSweepsRequest* request,
                                                       wire::ListSweepsResponse* response) {
  return ReadAnswer(runtime_, context, [request, response](const State& state, Instant) -> Status {
    const auto add = [&](const SweepId& id) {
      const SweepRecord& sweep = state.sweeps.at(id);
      if (!MatchesPattern(sweep.name, request->name())) return false;
      SweepSummaryToWire(sweep, response->add_sweeps());
      return true;
    };
    LWQ_ASSIGN_OR_RETURN(*response->mutable_next_page_token(),
                         FillPage(state.sweeps_by_sequence, request->page_size(), request->page_token(), add));
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<wire::WatchSweepResponse>* SweepServiceImpl::WatchSweep(
    grpc::CallbackServerContext* /*context*/, const wire::WatchSweepRequest* request) {
  return SweepWatchStream::Start(runtime_, watch_messages_, *request);
}

grpc::ServerUnaryReactor* SweepServiceImpl::CancelSweep(grpc::CallbackServerContext* context,
                                                        const wire::CancelSweepRequest* request,
                                                        wire::CancelSweepResponse* response) {
  return Change(context, coordinator::CancelSweep{request->sweep_id()}, response->mutable_sweep());
}

grpc::ServerUnaryReactor* SweepServiceImpl::PauseSweep(grpc::CallbackServerContext* context,
                                                       const wire::PauseSweepRequest* request,
                                                       wire::PauseSweepResponse* response) {
  return Change(context, coordinator::PauseSweep{request->sweep_id(), true}, response->mutable_sweep());
}

grpc::ServerUnaryReactor* SweepServiceImpl::ResumeSweep(grpc::CallbackServerContext* context,
                                                        const wire::ResumeSweepRequest* request,
                                                        wire::ResumeSweepResponse* response) {
  return Change(context, coordinator::PauseSweep{request->sweep_id(), false}, response->mutable_sweep());
}

grpc::ServerUnaryReactor* SweepServiceImpl::DeleteSweep(grpc::CallbackServerContext* context,
                                                        const wire::DeleteSweepRequest* request,
                                                        wire::DeleteSweepResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  runtime_->Post(coordinator::DeleteSweep{request->sweep_id(), request->force()},
                 [reactor, response](const Status& status, const Reply& reply, const State* /*state*/) {
                   if (status.ok()) {
                     const auto& deleted = std::get<DeleteReply>(reply);
                     response->set_sweep_id(deleted.id);
                     response->set_runs(deleted.runs);
                     response->set_tasks(deleted.tasks);
                     response->set_released_bytes(deleted.released_bytes);
                   }
                   reactor->Finish(ToGrpc(status));
                 });
  return reactor;
}

grpc::ServerUnaryReactor* SweepServiceImpl::Change(grpc::CallbackServerContext* context, Event event,
                                                   wire::Sweep* sweep) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  runtime_->Post(std::move(event), [reactor, sweep](const Status& status, const Reply& reply, const State* state) {
    reactor->Finish(ToGrpc(status.ok() ? AnswerSweep(*state, std::get<SweepReply>(reply).sweep, sweep) : status));
  });
  return reactor;
}

}  // namespace lwq::coordinator
