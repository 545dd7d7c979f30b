// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/sweep_service.h"

#include <functional>
#include <utility>

#include "common/text/name_pattern.h"
#include "coordinator/service/answers.h"
#include "coordinator/service/convert_sweep.h"
#include "coordinator/service/refused_stream.h"
#include "coordinator/service/watch_stream.h"

namespace lwq::coordinator {

SweepServiceImpl::SweepServiceImpl(const Desk* desk, Submissions* submissions, Background* previews,
                                   WatchMessages* watch_messages)
    : desk_(desk), submissions_(submissions), previews_(previews), watch_messages_(watch_messages) {
  AnswerInBytes<wire::WatchSweepRequest>("WatchSweep", std::bind_front(&SweepServiceImpl::BeginWatchSweep, this));
}

grpc::ServerUnaryReactor* SweepServiceImpl::PlanSweep(grpc::CallbackServerContext* context,
                                                      const wire::PlanSweepRequest* request,
                                                      wire::PlanSweepResponse* response) {
  return desk_->Compute(
      context, Rpc::kPlanSweep, *previews_, [request, response](StateReader& reader, const Caller& caller) -> Status {
        LWQ_ASSIGN_OR_RETURN(std::vector<coordinator::SubmitRun> runs, FromWire(request->spec()));
        LWQ_RETURN_IF_ERROR(CheckProjects(caller, runs));
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
  return desk_->Read(context, Rpc::kGetSweep,
                     [request, response](const State& state, Instant, const Caller& caller) -> Status {
                       LWQ_ASSIGN_OR_RETURN(const SweepId id, VisibleSweep(state, caller, request->sweep_id()));
                       SweepToWire(state, id, response->mutable_sweep());
                       return absl::OkStatus();
                     });
}

grpc::ServerUnaryReactor* SweepServiceImpl::ListSweeps(grpc::CallbackServerContext* context,
                                                       const wire::ListSweepsRequest* request,
                                                       wire::ListSweepsResponse* response) {
  return desk_->Read(
      context, Rpc::kListSweeps, [request, response](const State& state, Instant, const Caller& caller) -> Status {
        const auto add = [&](const SweepId& id) {
          const SweepRecord& sweep = state.sweeps.at(id);
          if (!MatchesPattern(sweep.name, request->name()) || !MaySee(state, caller, sweep)) return false;
          SweepSummaryToWire(sweep, response->add_sweeps());
          return true;
        };
        LWQ_ASSIGN_OR_RETURN(*response->mutable_next_page_token(),
                             FillPage(state.sweeps_by_sequence, request->page_size(), request->page_token(), add));
        return absl::OkStatus();
      });
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* SweepServiceImpl::BeginWatchSweep(grpc::CallbackServerContext* context,
                                                                              const wire::WatchSweepRequest* request) {
  StatusOr<Caller> caller = desk_->Enter(context, Rpc::kWatchSweep);
  if (!caller.ok()) return new RefusedStream<grpc::ByteBuffer>(caller.status());
  return SweepWatchStream::Start(*desk_, watch_messages_, *std::move(caller), *request);
}

grpc::ServerUnaryReactor* SweepServiceImpl::CancelSweep(grpc::CallbackServerContext* context,
                                                        const wire::CancelSweepRequest* request,
                                                        wire::CancelSweepResponse* response) {
  return Change(
      context, Rpc::kCancelSweep, request->sweep_id(),
      [](const std::string& id) { return coordinator::CancelSweep{id}; }, response->mutable_sweep());
}

grpc::ServerUnaryReactor* SweepServiceImpl::PauseSweep(grpc::CallbackServerContext* context,
                                                       const wire::PauseSweepRequest* request,
                                                       wire::PauseSweepResponse* response) {
  return Change(
      context, Rpc::kPauseSweep, request->sweep_id(),
      [](const std::string& id) {
        return coordinator::PauseSweep{id, true};
      },
      response->mutable_sweep());
}

grpc::ServerUnaryReactor* SweepServiceImpl::ResumeSweep(grpc::CallbackServerContext* context,
                                                        const wire::ResumeSweepRequest* request,
                                                        wire::ResumeSweepResponse* response) {
  return Change(
      context, Rpc::kResumeSweep, request->sweep_id(),
      [](const std::string& id) {
        return coordinator::PauseSweep{id, false};
      },
      response->mutable_sweep());
}

grpc::ServerUnaryReactor* SweepServiceImpl::DeleteSweep(grpc::CallbackServerContext* context,
                                                        const wire::DeleteSweepRequest* request,
                                                        wire::DeleteSweepResponse* response) {
  return desk_->ChangeSweep(
      context, Rpc::kDeleteSweep, request->sweep_id(),
      [request](const std::string& id) {
        return coordinator::DeleteSweep{id, request->force()};
      },
      [response](const Reply& reply, const State& /*state*/) {
        const auto& deleted = std::get<DeleteReply>(reply);
        response->set_sweep_id(deleted.id);
        response->set_runs(deleted.runs);
        response->set_tasks(deleted.tasks);
        response->set_released_bytes(deleted.released_bytes);
        return absl::OkStatus();
      });
}

template <typename MakeEvent>
grpc::ServerUnaryReactor* SweepServiceImpl::Change(grpc::CallbackServerContext* context, Rpc rpc,
                                                   const std::string& sweep_id, MakeEvent event, wire::Sweep* sweep) {
  return desk_->ChangeSweep(context, rpc, sweep_id, std::move(event), [sweep](const Reply& reply, const State& state) {
    return AnswerSweep(state, std::get<SweepReply>(reply).sweep, sweep);
  });
}

}  // namespace lwq::coordinator
