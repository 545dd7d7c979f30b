// SPDX-License-Identifier: Apache-2.0
#include "client/rpc/run_api.h"

#include <algorithm>
#include <iterator>
#include <random>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/base/exit_code.h"
#include "client/base/format.h"
#include "client/rpc/take_changes.h"
#include "common/rpc/channel.h"
#include "common/rpc/grpc_status.h"
#include "grpcpp/grpcpp.h"
#include "lwqat/v1/run_service.grpc.pb.h"
#include "lwqat/v1/storage_service.grpc.pb.h"
#include "lwqat/v1/sweep_service.grpc.pb.h"
#include "reporting/run_facts.h"

namespace lwq::client {
namespace {

using lwqat::v1::Run;
using lwqat::v1::RunService;
using lwqat::v1::StorageService;
using lwqat::v1::SweepService;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kWatchAllEveryMs = 500;
constexpr milliseconds kPartsTimeout{600'000};
constexpr int kMaxWireMessageBytes = 64 << 20;
constexpr int kRunsPerPage = 200;
// Between two tries, in milliseconds; shorter where another coordinator is about to take over.
constexpr int kLongestPause = 2000;
constexpr int kLongestPauseOfSeveral = 400;
constexpr size_t kLostPerCall = 10'000;

milliseconds TimeoutOf(int runs) {
  return RunApi::kCallTimeout + runs * RunApi::kTimePerRun;
}

// A peer's words in one line.
Status FromPeer(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return FromGrpc(grpc::Status(status.error_code(), OneLine(status.error_message())));
}

// Where another coordinator could take over from one that has gone without a word, it is asked whether it is there.
std::shared_ptr<grpc::Channel> Connect(const std::string& address, bool has_others,
                                       std::shared_ptr<const CallerSecurity> security) {
  return OpenChannel(address, {.max_receive_bytes = kMaxWireMessageBytes,
                               .max_backoff_ms = 2000,
                               .keepalive_ms = has_others ? 10'000 : 0,
                               .keepalive_timeout_ms = 5'000,
                               .security = std::move(security)});
}

// Why a handshake failed, in the words of one who can mend it; "" where none did.
std::string HandshakeHint(const Status& failure, bool tls) {
  const std::string_view message = MessageOf(failure);
  if (message.find("certificate verify failed") != std::string_view::npos) {
    return "; its certificate is not of the CA of --tls-ca, or has expired";
  }
  if (message.find("Hostname Verification Check failed") != std::string_view::npos) {
    return "; its certificate is not for this address";
  }
  // Connected, and no word was understood. gRPC says the latter of an attempt that the end of the patience cuts short.
  const bool was_shut = message.find("Socket closed") != std::string_view::npos ||
                        message.find("handshaker shutdown") != std::string_view::npos;
  if (!was_shut) return "";
  return tls ? "; if it asks for a certificate, give --tls-cert and --tls-key" : "; if it serves TLS, give --tls-ca";
}

// The coordinator did not answer, as opposed to: answered with an error.
bool IsSilence(const Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

// A stream that ended so is opened again: the server went away, or is stopping.
bool IsBrokenStream(const Status& status) {
  return IsSilence(status) || absl::IsCancelled(status) || absl::IsInternal(status) || absl::IsUnknown(status) ||
         absl::IsAborted(status);
}

// What answers speaks no gRPC, or not ours.
bool IsStranger(const Status& status) {
  return absl::IsUnimplemented(status) ||
         (!IsSilence(status) && status.message().find("http2 header with status") != std::string_view::npos);
}

}  // namespace

struct RunApi::Stub {
  std::unique_ptr<RunService::Stub> service;
  std::unique_ptr<SweepService::Stub> sweeps;
  std::unique_ptr<StorageService::Stub> storage;

  // The one that a method is of.
  template <typename Result>
  RunService::Stub* Serving(Result RunService::Stub::*) const {
    return service.get();
  }
  template <typename Result>
  SweepService::Stub* Serving(Result SweepService::Stub::*) const {
    return sweeps.get();
  }
  template <typename Result>
  StorageService::Stub* Serving(Result StorageService::Stub::*) const {
    return storage.get();
  }
};

std::shared_ptr<RunApi::Stub> RunApi::MakeStub(const std::string& address) const {
  const auto channel = Connect(address, HasOthers(), options_.security);
  return std::shared_ptr<Stub>(
      new Stub{RunService::NewStub(channel), SweepService::NewStub(channel), StorageService::NewStub(channel)});
}

RunApi::RunApi(const Options& options, Interrupt* interrupt)
    : options_(options),
      interrupt_(interrupt),
      relocate_until_(steady_clock::now() + options.patience),
      addresses_(*ValidateAddress(options.address)),
      stub_(MakeStub(addresses_.current())) {}

RunApi::~RunApi() = default;

std::string RunApi::address() const {
  const MutexLock lock(&mutex_);
  return addresses_.current();
}

std::shared_ptr<RunApi::Stub> RunApi::CurrentStub() const {
  const MutexLock lock(&mutex_);
  return stub_;
}

Status RunApi::Relocate(const std::string& leader, const Stub* called) {
  const MutexLock lock(&mutex_);
  if (stub_.get() != called) return absl::OkStatus();
  const std::string before = addresses_.current();
  addresses_.MoveOn(leader);
  if (options_.locate && steady_clock::now() < relocate_until_) {
    const auto address = options_.locate();
    if (absl::IsFailedPrecondition(address.status())) return absl::OkStatus();
    LWQ_RETURN_IF_ERROR(address);
    LWQ_ASSIGN_OR_RETURN(addresses_, ValidateAddress(*address));
  }
  if (addresses_.current() != before) stub_ = MakeStub(addresses_.current());
  return absl::OkStatus();
}

bool RunApi::HasOthers() const {
  return options_.address.find(',') != std::string::npos;
}

std::string RunApi::Everywhere() const {
  const MutexLock lock(&mutex_);
  return absl::StrJoin(addresses_.all(), ", ");
}

Status RunApi::Unreachable(const Status& failure) const {
  const bool tls = options_.security != nullptr && options_.security->tls();
  return WithExit(
      absl::UnavailableError(absl::StrCat("no coordinator answers at ", Everywhere(), " (", failure.message(),
                                          "); start it or check --coordinator", HandshakeHint(failure, tls))),
      ExitCode::kUnreachable);
}

Status RunApi::NoCoordinator(const Status& failure) const {
  return WithExit(
      absl::UnavailableError(absl::StrCat("what answers at ", address(), " is no coordinator of this version (",
                                          failure.message(), "); check --coordinator")),
      ExitCode::kUnreachable);
}

Status RunApi::BackOff(const Status& failure, const std::string& leader, steady_clock::time_point give_up, int attempt,
                       const Stub* called) {
  if (interrupt_->raised()) return interrupt_->reason();
  const auto now = steady_clock::now();
  if (now >= give_up) return Unreachable(failure);
  const milliseconds pause(std::min(HasOthers() ? kLongestPauseOfSeveral : kLongestPause, 50 << std::min(attempt, 6)));
  const auto left = std::chrono::duration_cast<milliseconds>(give_up - now) + milliseconds(1);
  if (interrupt_->WaitFor(std::min(pause, left))) return interrupt_->reason();
  return Relocate(leader, called);
}

template <typename Method, typename Request, typename Response>
Status RunApi::Call(Method method, const Request& request, Response* response, milliseconds timeout) {
  const auto give_up = steady_clock::now() + options_.patience;
  for (int attempt = 0;; ++attempt) {
    const std::shared_ptr<Stub> stub = CurrentStub();
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + timeout);
    Status status;
    {
      const Interrupt::Hook hook(interrupt_, [&context] { context.TryCancel(); });
      status = FromPeer((stub->Serving(method)->*method)(&context, request, response));
    }
    if (status.ok()) return status;
    if (interrupt_->raised()) return interrupt_->reason();
    if (IsStranger(status)) return NoCoordinator(status);
    if (!IsSilence(status)) return status;
    LWQ_RETURN_IF_ERROR(BackOff(status, LeaderOf(context.GetServerTrailingMetadata()), give_up, attempt, stub.get()));
  }
}

StatusOr<lwqat::v1::GetServerInfoResponse> RunApi::GetServerInfo() {
  lwqat::v1::GetServerInfoResponse response;
  LWQ_RETURN_IF_ERROR(Call(&RunService::Stub::GetServerInfo, lwqat::v1::GetServerInfoRequest(), &response));
  return response;
}

StatusOr<lwqat::v1::Plan> RunApi::PlanRun(const lwqat::v1::RunSpec& spec) {
  lwqat::v1::PlanRunRequest request;
  *request.mutable_spec() = spec;
  lwqat::v1::PlanRunResponse response;
  LWQ_RETURN_IF_ERROR(Call(&RunService::Stub::PlanRun, request, &response));
  return std::move(*response.mutable_plan());
}

StatusOr<std::vector<Run>> RunApi::SubmitRuns(const std::vector<lwqat::v1::SubmitRunRequest>& runs) {
  lwqat::v1::SubmitRunsRequest request;
  request.mutable_runs()->Assign(runs.begin(), runs.end());
  lwqat::v1::SubmitRunsResponse response;
  LWQ_RETURN_IF_ERROR(Call(&RunService::Stub::SubmitRuns, request, &response, TimeoutOf(request.runs_size())));
  if (response.runs_size() != request.runs_size()) {
    return absl::InternalError(absl::StrCat("the coordinator answered ", response.runs_size(), " of ",
                                            request.runs_size(), " submitted runs; lwq list shows which there are"));
  }
  return std::vector<Run>(std::make_move_iterator(response.mutable_runs()->begin()),
                          std::make_move_iterator(response.mutable_runs()->end()));
}

StatusOr<std::vector<lwqat::v1::Plan>> RunApi::ValidateRuns(const std::vector<lwqat::v1::RunSpec>& specs) {
  lwqat::v1::SubmitRunsRequest request;
  request.set_validate_only(true);
  for (const lwqat::v1::RunSpec& spec : specs) *request.add_runs()->mutable_spec() = spec;
  lwqat::v1::SubmitRunsResponse response;
  LWQ_RETURN_IF_ERROR(Call(&RunService::Stub::SubmitRuns, request, &response, TimeoutOf(request.runs_size())));
  return std::vector<lwqat::v1::Plan>(std::make_move_iterator(response.mutable_plans()->begin()),
                                      std::make_move_iterator(response.mutable_plans()->end()));
}

StatusOr<lwqat::v1::Sweep> RunApi::SubmitSweep(const lwqat::v1::SweepSpec& spec, const std::string& request_id) {
  lwqat::v1::SubmitSweepRequest request;
  *request.mutable_spec() = spec;
  request.set_request_id(request_id);
  lwqat::v1::SubmitSweepResponse response;
  LWQ_RETURN_IF_ERROR(Call(&SweepService::Stub::SubmitSweep, request, &response, TimeoutOf(spec.runs_size())));
  if (response.sweep().members_size() != spec.runs_size()) {
    return absl::InternalError(absl::StrCat("the coordinator answered ", response.sweep().members_size(), " of ",
                                            spec.runs_size(), " runs of a sweep; lwq list shows which there are"));
  }
  return std::move(*response.mutable_sweep());
}

Status RunApi::ValidateSweep(const lwqat::v1::SweepSpec& spec) {
  lwqat::v1::SubmitSweepRequest request;
  *request.mutable_spec() = spec;
  request.set_validate_only(true);
  lwqat::v1::SubmitSweepResponse response;
  return Call(&SweepService::Stub::SubmitSweep, request, &response, TimeoutOf(spec.runs_size()));
}

StatusOr<lwqat::v1::SweepPlan> RunApi::PlanSweep(const lwqat::v1::SweepSpec& spec) {
  lwqat::v1::PlanSweepRequest request;
  *request.mutable_spec() = spec;
  lwqat::v1::PlanSweepResponse response;
  LWQ_RETURN_IF_ERROR(Call(&SweepService::Stub::PlanSweep, request, &response, TimeoutOf(spec.runs_size())));
  if (response.plan().plans_size() != spec.runs_size()) {
    return absl::InternalError(absl::StrCat("the coordinator planned ", response.plan().plans_size(), " of ",
                                            spec.runs_size(), " runs of a sweep; try again"));
  }
  return std::move(*response.mutable_plan());
}

template <typename Request, typename Response, typename Method>
StatusOr<Run> RunApi::AskForRun(Method method, const std::string& run_id) {
  Request request;
  request.set_run_id(run_id);
  Response response;
  LWQ_RETURN_IF_ERROR(Call(method, request, &response));
  return std::move(*response.mutable_run());
}

template <typename Request, typename Response, typename Method>
StatusOr<lwqat::v1::Sweep> RunApi::AskForSweep(Method method, const std::string& sweep_id) {
  Request request;
  request.set_sweep_id(sweep_id);
  Response response;
  LWQ_RETURN_IF_ERROR(Call(method, request, &response));
  return std::move(*response.mutable_sweep());
}

StatusOr<Run> RunApi::GetRun(const std::string& run_id) {
  return AskForRun<lwqat::v1::GetRunRequest, lwqat::v1::GetRunResponse>(&RunService::Stub::GetRun, run_id);
}

StatusOr<std::vector<Run>> RunApi::ListRuns(int limit, const lwqat::v1::ListRunsRequest& filter) {
  std::vector<Run> runs;
  lwqat::v1::ListRunsRequest request = filter;
  while (static_cast<int>(runs.size()) < limit) {
    request.set_page_size(std::min(kRunsPerPage, limit - static_cast<int>(runs.size())));
    lwqat::v1::ListRunsResponse page;
    LWQ_RETURN_IF_ERROR(Call(&RunService::Stub::ListRuns, request, &page));
    for (Run& run : *page.mutable_runs()) runs.push_back(std::move(run));
    request.set_page_token(page.next_page_token());
    if (page.next_page_token().empty()) break;
  }
  return runs;
}

StatusOr<lwqat::v1::ScheduleRunResponse> RunApi::ScheduleRun(const std::string& run_id,
                                                             const std::vector<int>& workers) {
  lwqat::v1::ScheduleRunRequest request;
  request.set_run_id(run_id);
  request.mutable_workers()->Assign(workers.begin(), workers.end());
  lwqat::v1::ScheduleRunResponse response;
  LWQ_RETURN_IF_ERROR(Call(&RunService::Stub::ScheduleRun, request, &response));
  return response;
}

StatusOr<Run> RunApi::CancelRun(const std::string& run_id) {
  return AskForRun<lwqat::v1::CancelRunRequest, lwqat::v1::CancelRunResponse>(&RunService::Stub::CancelRun, run_id);
}

StatusOr<Run> RunApi::PauseRun(const std::string& run_id) {
  return AskForRun<lwqat::v1::PauseRunRequest, lwqat::v1::PauseRunResponse>(&RunService::Stub::PauseRun, run_id);
}

StatusOr<Run> RunApi::ResumeRun(const std::string& run_id) {
  return AskForRun<lwqat::v1::ResumeRunRequest, lwqat::v1::ResumeRunResponse>(&RunService::Stub::ResumeRun, run_id);
}

StatusOr<lwqat::v1::DeleteRunResponse> RunApi::DeleteRun(const std::string& run_id, bool force) {
  lwqat::v1::DeleteRunRequest request;
  request.set_run_id(run_id);
  request.set_force(force);
  lwqat::v1::DeleteRunResponse response;
  LWQ_RETURN_IF_ERROR(Call(&RunService::Stub::DeleteRun, request, &response));
  return response;
}

StatusOr<lwqat::v1::DeleteSweepResponse> RunApi::DeleteSweep(const std::string& sweep_id, bool force) {
  lwqat::v1::DeleteSweepRequest request;
  request.set_sweep_id(sweep_id);
  request.set_force(force);
  lwqat::v1::DeleteSweepResponse response;
  LWQ_RETURN_IF_ERROR(Call(&SweepService::Stub::DeleteSweep, request, &response));
  return response;
}

StatusOr<Run> RunApi::RemakeArtifact(const std::string& run_id, const std::string& artifact) {
  lwqat::v1::RemakeArtifactRequest request;
  request.set_run_id(run_id);
  request.set_artifact(artifact);
  lwqat::v1::RemakeArtifactResponse response;
  LWQ_RETURN_IF_ERROR(Call(&RunService::Stub::RemakeArtifact, request, &response));
  return std::move(*response.mutable_run());
}

namespace {

Status TakeRoots(const lwqat::v1::ListRootsResponse& part, bool is_first, CollectionRoots* roots) {
  if (is_first) {
    roots->now_unix_ms = part.now_unix_ms();
    roots->working_since_unix_ms = part.working_since_unix_ms();
  }
  for (const lwqat::v1::ArtifactRef& root : part.artifacts()) {
    LWQ_ASSIGN_OR_RETURN(const Digest digest, Digest::FromHex(root.digest()));
    roots->artifacts.push_back({digest, root.size_bytes()});
  }
  for (const std::string& key : part.results()) {
    LWQ_ASSIGN_OR_RETURN(const Digest action, Digest::FromHex(key));
    roots->results.push_back(action);
  }
  return absl::OkStatus();
}

}  // namespace

template <typename Request, typename Response, typename Method>
Status RunApi::ReadParts(Method method, const std::function<Status(Response& part, bool is_first)>& take) {
  const auto give_up = steady_clock::now() + options_.patience;
  for (int attempt = 0;; ++attempt) {
    const std::shared_ptr<Stub> stub = CurrentStub();
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kPartsTimeout);
    const Interrupt::Hook hook(interrupt_, [&context] { context.TryCancel(); });
    const auto stream = (stub->Serving(method)->*method)(&context, Request());
    Response part;
    Status taken;
    for (bool is_first = true; taken.ok() && stream->Read(&part); is_first = false) taken = take(part, is_first);
    if (!taken.ok()) context.TryCancel();
    const Status status = FromPeer(stream->Finish());
    LWQ_RETURN_IF_ERROR(taken);
    if (status.ok()) return status;
    if (interrupt_->raised()) return interrupt_->reason();
    if (IsStranger(status)) return NoCoordinator(status);
    if (!IsSilence(status)) return status;
    LWQ_RETURN_IF_ERROR(BackOff(status, LeaderOf(context.GetServerTrailingMetadata()), give_up, attempt, stub.get()));
  }
}

StatusOr<CollectionRoots> RunApi::ListRoots() {
  CollectionRoots roots;
  LWQ_RETURN_IF_ERROR((ReadParts<lwqat::v1::ListRootsRequest, lwqat::v1::ListRootsResponse>(
      &StorageService::Stub::ListRoots, [&](const lwqat::v1::ListRootsResponse& part, bool is_first) {
        if (is_first) roots = {};
        return TakeRoots(part, is_first, &roots);
      })));
  return roots;
}

StatusOr<std::vector<lwqat::v1::StoredArtifact>> RunApi::ListArtifacts() {
  std::vector<lwqat::v1::StoredArtifact> artifacts;
  LWQ_RETURN_IF_ERROR((ReadParts<lwqat::v1::ListArtifactsRequest, lwqat::v1::ListArtifactsResponse>(
      &StorageService::Stub::ListArtifacts, [&](lwqat::v1::ListArtifactsResponse& part, bool is_first) {
        if (is_first) artifacts.clear();
        std::move(part.mutable_artifacts()->begin(), part.mutable_artifacts()->end(), std::back_inserter(artifacts));
        return absl::OkStatus();
      })));
  return artifacts;
}

StatusOr<lwqat::v1::ReportLostArtifactsResponse> RunApi::ReportLostArtifacts(const std::vector<std::string>& digests) {
  lwqat::v1::ReportLostArtifactsResponse all;
  for (size_t begin = 0; begin < digests.size(); begin += kLostPerCall) {
    const size_t end = std::min(digests.size(), begin + kLostPerCall);
    lwqat::v1::ReportLostArtifactsRequest request;
    for (size_t i = begin; i < end; ++i) request.add_artifacts(digests[i]);
    lwqat::v1::ReportLostArtifactsResponse response;
    LWQ_RETURN_IF_ERROR(Call(&StorageService::Stub::ReportLostArtifacts, request, &response));
    all.set_made_again(all.made_again() + response.made_again());
    all.set_given_up(all.given_up() + response.given_up());
  }
  return all;
}

StatusOr<lwqat::v1::Sweep> RunApi::GetSweep(const std::string& sweep_id) {
  return AskForSweep<lwqat::v1::GetSweepRequest, lwqat::v1::GetSweepResponse>(&SweepService::Stub::GetSweep, sweep_id);
}

StatusOr<lwqat::v1::Sweep> RunApi::CancelSweep(const std::string& sweep_id) {
  return AskForSweep<lwqat::v1::CancelSweepRequest, lwqat::v1::CancelSweepResponse>(&SweepService::Stub::CancelSweep,
                                                                                    sweep_id);
}

StatusOr<lwqat::v1::Sweep> RunApi::PauseSweep(const std::string& sweep_id) {
  return AskForSweep<lwqat::v1::PauseSweepRequest, lwqat::v1::PauseSweepResponse>(&SweepService::Stub::PauseSweep,
                                                                                  sweep_id);
}

StatusOr<lwqat::v1::Sweep> RunApi::ResumeSweep(const std::string& sweep_id) {
  return AskForSweep<lwqat::v1::ResumeSweepRequest, lwqat::v1::ResumeSweepResponse>(&SweepService::Stub::ResumeSweep,
                                                                                    sweep_id);
}

StatusOr<std::vector<lwqat::v1::Sweep>> RunApi::ListSweeps(int limit, const std::string& name) {
  std::vector<lwqat::v1::Sweep> sweeps;
  lwqat::v1::ListSweepsRequest request;
  request.set_name(name);
  while (static_cast<int>(sweeps.size()) < limit) {
    request.set_page_size(std::min(kRunsPerPage, limit - static_cast<int>(sweeps.size())));
    lwqat::v1::ListSweepsResponse page;
    LWQ_RETURN_IF_ERROR(Call(&SweepService::Stub::ListSweeps, request, &page));
    for (lwqat::v1::Sweep& sweep : *page.mutable_sweeps()) sweeps.push_back(std::move(sweep));
    if (page.next_page_token().empty()) break;
    request.set_page_token(page.next_page_token());
  }
  return sweeps;
}

StatusOr<lwqat::v1::ExplainRunsResponse> RunApi::ExplainRuns(const std::string& run_a, const std::string& run_b) {
  lwqat::v1::ExplainRunsRequest request;
  request.set_run_a(run_a);
  request.set_run_b(run_b);
  lwqat::v1::ExplainRunsResponse response;
  LWQ_RETURN_IF_ERROR(Call(&RunService::Stub::ExplainRuns, request, &response));
  return response;
}

StatusOr<lwqat::v1::WhyTaskResponse> RunApi::WhyTask(const std::string& run_id, const std::string& task) {
  lwqat::v1::WhyTaskRequest request;
  request.set_run_id(run_id);
  request.set_task(task);
  lwqat::v1::WhyTaskResponse response;
  LWQ_RETURN_IF_ERROR(Call(&RunService::Stub::WhyTask, request, &response));
  return response;
}

StatusOr<lwqat::v1::GetRunLogsResponse> RunApi::GetRunLogs(const std::string& run_id, const std::string& task,
                                                           int64_t after, int page_size) {
  lwqat::v1::GetRunLogsRequest request;
  request.set_run_id(run_id);
  request.set_task(task);
  request.set_after(after);
  request.set_page_size(page_size);
  lwqat::v1::GetRunLogsResponse response;
  LWQ_RETURN_IF_ERROR(Call(&RunService::Stub::GetRunLogs, request, &response));
  return response;
}

StatusOr<lwqat::v1::ListWorkersResponse> RunApi::ListWorkers() {
  lwqat::v1::ListWorkersResponse response;
  LWQ_RETURN_IF_ERROR(Call(&RunService::Stub::ListWorkers, lwqat::v1::ListWorkersRequest(), &response));
  return response;
}

StatusOr<lwqat::v1::WorkerInfo> RunApi::ReleaseWorker(const std::string& worker) {
  lwqat::v1::ReleaseWorkerRequest request;
  request.set_worker(worker);
  lwqat::v1::ReleaseWorkerResponse response;
  LWQ_RETURN_IF_ERROR(Call(&RunService::Stub::ReleaseWorker, request, &response));
  return std::move(*response.mutable_worker());
}

template <typename Request, typename Response, typename Method>
Status RunApi::Follow(Method method, Request request, const std::function<bool(Response& response)>& on_response,
                      const std::function<void(bool)>& on_connection) {
  bool connected = true;
  bool ever_connected = false;
  int failures = 0;
  auto silent_since = steady_clock::now();  // of the last answer
  while (true) {
    const std::shared_ptr<Stub> stub = CurrentStub();
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + options_.stream_lifetime);
    const Interrupt::Hook hook(interrupt_, [&context] { context.TryCancel(); });
    const auto stream = (stub->Serving(method)->*method)(&context, request);
    Response response;
    bool answered = false;
    while (stream->Read(&response)) {
      if (!connected) on_connection(true);
      connected = answered = ever_connected = true;
      request.set_resume_token(response.resume_token());
      if (on_response(response)) {
        context.TryCancel();
        stream->Finish();
        return absl::OkStatus();
      }
    }
    const Status status = FromPeer(stream->Finish());
    if (interrupt_->raised()) return interrupt_->reason();
    if (IsStranger(status)) return NoCoordinator(status);
    if (!status.ok() && !IsBrokenStream(status)) return status;
    if (answered) {
      failures = 0;
      silent_since = steady_clock::now();
      if (absl::IsDeadlineExceeded(status)) continue;  // the stream's planned end
    }
    if (connected && ever_connected && !status.ok()) {
      connected = false;
      on_connection(false);
    }
    const milliseconds patience = ever_connected ? options_.watch_patience : options_.patience;
    const Status cause = status.ok() ? absl::UnavailableError("the stream ended before the run did") : status;
    const std::string leader = LeaderOf(context.GetServerTrailingMetadata());
    LWQ_RETURN_IF_ERROR(BackOff(cause, leader, silent_since + patience, failures++, stub.get()));
  }
}

StatusOr<Run> RunApi::WatchRun(const std::string& run_id, const std::function<void(const Run&)>& on_run,
                               const std::function<void(bool)>& on_connection) {
  lwqat::v1::WatchRunRequest request;
  request.set_run_id(run_id);
  request.set_changes_only(true);
  Run run;
  const auto take = [&](lwqat::v1::WatchRunResponse& response) {
    TakeChanges(response, &run);
    // It has ended for whoever looks on once its last tasks are known.
    if (response.more() && reporting::HasEnded(run)) return false;
    on_run(run);
    return reporting::HasEnded(run);
  };
  LWQ_RETURN_IF_ERROR((Follow<lwqat::v1::WatchRunRequest, lwqat::v1::WatchRunResponse>(&RunService::Stub::WatchRun,
                                                                                       request, take, on_connection)));
  return run;
}

Status RunApi::WatchRuns(const std::function<void(const lwqat::v1::WatchRunsResponse&)>& on_runs,
                         const std::function<void(bool)>& on_connection) {
  lwqat::v1::WatchRunsRequest request;
  request.set_interval_ms(kWatchAllEveryMs);
  const auto take = [&](lwqat::v1::WatchRunsResponse& response) {
    on_runs(response);
    return false;
  };
  return Follow<lwqat::v1::WatchRunsRequest, lwqat::v1::WatchRunsResponse>(&RunService::Stub::WatchRuns, request, take,
                                                                           on_connection);
}

Status RunApi::WatchSweep(const std::string& sweep_id,
                          const std::function<void(const lwqat::v1::WatchSweepResponse&)>& on_runs,
                          const std::function<void(bool)>& on_connection) {
  lwqat::v1::WatchSweepRequest request;
  request.set_sweep_id(sweep_id);
  const auto take = [&](lwqat::v1::WatchSweepResponse& response) {
    on_runs(response);
    return response.all_ended();
  };
  return Follow<lwqat::v1::WatchSweepRequest, lwqat::v1::WatchSweepResponse>(&SweepService::Stub::WatchSweep, request,
                                                                             take, on_connection);
}

StatusOr<CoordinatorAddresses> ValidateAddress(const std::string& address) {
  StatusOr<CoordinatorAddresses> addresses = CoordinatorAddresses::Parse(address);
  if (!addresses.ok()) return Annotate(addresses.status(), "coordinator");
  return addresses;
}

std::string NewRequestId() {
  std::random_device entropy;
  uint32_t words[4];
  for (uint32_t& word : words) word = entropy();
  return absl::StrFormat("%08x-%04x-4%03x-%04x-%04x%08x", words[0], words[1] >> 16, words[1] & 0xFFF,
                         0x8000 | (words[2] >> 16 & 0x3FFF), words[2] & 0xFFFF, words[3]);
}

}  // namespace lwq::client
