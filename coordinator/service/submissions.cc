// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/submissions.h"

#include <algorithm>
#include <atomic>
#include <span>
#include <thread>
#include <utility>

#include "common/rpc/grpc_status.h"
#include "coordinator/scheduler/step/halved_sweep.h"
#include "coordinator/scheduler/step/submission.h"
#include "coordinator/service/convert_run.h"
#include "coordinator/service/convert_sweep.h"

namespace lwq::coordinator {
namespace {

constexpr int kMaxThreads = 4;
// Behind the loop and the threads that speak to workers, before previews.
constexpr int kPreparingNice = 5;
// Runs that are prepared between two looks at the state.
constexpr size_t kPart = 16;

Status TooMany() {
  return absl::UnavailableError(absl::StrCat(Background::kMaxWaiting, " submissions are being prepared: try again"));
}

void NoteTrace(const std::optional<TraceContext>& trace, std::span<SubmitRun> runs) {
  for (SubmitRun& run : runs) run.trace = Tracing::NewRun(trace);
}

StatusOr<std::vector<SubmitRun>> SubmissionsFrom(const wire::SubmitRunsRequest& request) {
  std::vector<SubmitRun> submissions;
  const auto count = static_cast<size_t>(request.runs_size());
  submissions.reserve(count);
  for (const wire::SubmitRunRequest& run : request.runs()) {
    StatusOr<RunSpec> spec = FromWire(run.spec());
    if (!spec.ok()) return OfRun(spec.status(), submissions.size(), count, run.spec().name());
    submissions.push_back({*std::move(spec), run.request_id()});
  }
  LWQ_RETURN_IF_ERROR(CheckTogether(submissions));
  return submissions;
}

Status Validate(StateReader& reader, const std::vector<SubmitRun>& submissions, wire::SubmitRunsResponse* response) {
  LWQ_ASSIGN_OR_RETURN(const std::vector<PreparedRun> prepared, ValidateRuns(reader, submissions));
  for (const PreparedRun& run : prepared) ToWire(run.plan, run.resolved.recipe, response->add_plans());
  return absl::OkStatus();
}

Status Validate(StateReader& reader, const SubmitSweep& sweep) {
  LWQ_ASSIGN_OR_RETURN(const std::vector<PreparedRun> prepared, ValidateRuns(reader, sweep.runs));
  if (!sweep.halving.has_value()) return absl::OkStatus();
  std::vector<const ResolvedSpec*> compared;
  for (const PreparedRun& run : prepared) compared.push_back(&run.resolved);
  return CheckHalved(*sweep.halving, compared);
}

}  // namespace

// The runs of one call.
struct Submissions::Together {
  std::vector<coordinator::SubmitRun> runs;  // each part belongs to the thread that prepares it
  std::atomic<size_t> parts_left = 0;
  std::function<void(std::vector<coordinator::SubmitRun> runs)> post;
};

Submissions::Submissions(const Desk* desk, const Tracing* tracing)
    : desk_(desk),
      tracing_(tracing),
      runtime_(desk->runtime()),
      background_(desk->runtime(),
                  {.threads = std::clamp<int>(static_cast<int>(std::thread::hardware_concurrency()), 1, kMaxThreads),
                   .nice = kPreparingNice}) {}

grpc::ServerUnaryReactor* Submissions::SubmitRun(grpc::CallbackServerContext* context,
                                                 const wire::SubmitRunRequest* request,
                                                 wire::SubmitRunResponse* response) {
  const StatusOr<Caller> caller = desk_->Enter(context, Rpc::kSubmitRun);
  if (!caller.ok()) return Desk::Refuse(context, caller.status());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const bool taken = background_.Post([this, caller = *caller, trace = tracing_->TraceOfSubmission(*context), reactor,
                                       request, response](StateReader& reader) {
    StatusOr<RunSpec> spec = FromWire(request->spec());
    if (!spec.ok()) return reactor->Finish(ToGrpc(spec.status()));
    coordinator::SubmitRun run{*std::move(spec), request->request_id()};
    const Status allowed = CheckProjects(caller, std::span(&run, 1));
    if (!allowed.ok()) return reactor->Finish(ToGrpc(allowed));
    NoteTrace(trace, std::span(&run, 1));
    const Status prepared = PrepareRuns(reader, std::span(&run, 1));
    if (!prepared.ok()) return reactor->Finish(ToGrpc(prepared));
    runtime_->Post(std::move(run), [reactor, response](const Status& status, const Reply& reply, const State* state) {
      reactor->Finish(
          ToGrpc(status.ok() ? AnswerRun(*state, std::get<RunReply>(reply).run, response->mutable_run()) : status));
    });
  });
  if (!taken) reactor->Finish(ToGrpc(TooMany()));
  return reactor;
}

grpc::ServerUnaryReactor* Submissions::SubmitRuns(grpc::CallbackServerContext* context,
                                                  const wire::SubmitRunsRequest* request,
                                                  wire::SubmitRunsResponse* response) {
  const StatusOr<Caller> caller = desk_->Enter(context, Rpc::kSubmitRuns);
  if (!caller.ok()) return Desk::Refuse(context, caller.status());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const bool taken = background_.Post([this, caller = *caller, trace = tracing_->TraceOfSubmission(*context), reactor,
                                       request, response](StateReader& reader) {
    StatusOr<std::vector<coordinator::SubmitRun>> runs = SubmissionsFrom(*request);
    if (!runs.ok()) return reactor->Finish(ToGrpc(runs.status()));
    const Status allowed = CheckProjects(caller, *runs);
    if (!allowed.ok()) return reactor->Finish(ToGrpc(allowed));
    if (request->validate_only()) return reactor->Finish(ToGrpc(Validate(reader, *runs, response)));
    NoteTrace(trace, *runs);
    PrepareAndPost(*std::move(runs), [this, reactor, response](std::vector<coordinator::SubmitRun> prepared) {
      runtime_->Post(coordinator::SubmitRuns{std::move(prepared)},
                     [reactor, response](const Status& status, const Reply& reply, const State* state) {
                       Status answered = status;
                       if (status.ok()) {
                         for (const RunId& run : std::get<RunsReply>(reply).runs) {
                           if (answered.ok()) answered = AnswerRun(*state, run, response->add_runs());
                         }
                       }
                       reactor->Finish(ToGrpc(answered));
                     });
    });
  });
  if (!taken) reactor->Finish(ToGrpc(TooMany()));
  return reactor;
}

grpc::ServerUnaryReactor* Submissions::SubmitSweep(grpc::CallbackServerContext* context,
                                                   const wire::SubmitSweepRequest* request,
                                                   wire::SubmitSweepResponse* response) {
  const StatusOr<Caller> caller = desk_->Enter(context, Rpc::kSubmitSweep);
  if (!caller.ok()) return Desk::Refuse(context, caller.status());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const bool taken = background_.Post([this, caller = *caller, trace = tracing_->TraceOfSubmission(*context), reactor,
                                       request, response](StateReader& reader) {
    StatusOr<coordinator::SubmitSweep> sweep = FromWire(*request);
    if (!sweep.ok()) return reactor->Finish(ToGrpc(sweep.status()));
    const Status allowed = CheckProjects(caller, sweep->runs);
    if (!allowed.ok()) return reactor->Finish(ToGrpc(allowed));
    if (request->validate_only()) return reactor->Finish(ToGrpc(Validate(reader, *sweep)));
    std::vector<coordinator::SubmitRun> runs = std::move(sweep->runs);
    NoteTrace(trace, runs);
    PrepareAndPost(std::move(runs), [this, reactor, response,
                                     sweep = *std::move(sweep)](std::vector<coordinator::SubmitRun> prepared) mutable {
      sweep.runs = std::move(prepared);
      runtime_->Post(std::move(sweep), [reactor, response](const Status& status, const Reply& reply,
                                                           const State* state) {
        reactor->Finish(ToGrpc(
            status.ok() ? AnswerSweep(*state, std::get<SweepReply>(reply).sweep, response->mutable_sweep()) : status));
      });
    });
  });
  if (!taken) reactor->Finish(ToGrpc(TooMany()));
  return reactor;
}

void Submissions::PrepareAndPost(std::vector<coordinator::SubmitRun> runs,
                                 std::function<void(std::vector<coordinator::SubmitRun> runs)> post) {
  const auto together = std::make_shared<Together>();
  together->runs = std::move(runs);
  together->post = std::move(post);
  together->parts_left = (together->runs.size() + kPart - 1) / kPart;
  for (size_t first = 0; first < together->runs.size(); first += kPart) {
    background_.PostAnyway([this, together, first](StateReader& reader) { PreparePart(reader, together, first); });
  }
}

void Submissions::PreparePart(StateReader& reader, const std::shared_ptr<Together>& together, size_t first) {
  const std::span<coordinator::SubmitRun> all(together->runs);
  // Without the reader the loop has ended, which the post below is told.
  PrepareRuns(reader, all.subspan(first, std::min(kPart, all.size() - first))).IgnoreError();
  if (--together->parts_left == 0) together->post(std::move(together->runs));
}

}  // namespace lwq::coordinator
