// SPDX-License-Identifier: Apache-2.0
// The coordinator's RunService, SweepService and StorageService as calls that return a value or an error a user can act
// on.
//
// A coordinator that does not answer is tried again with growing pauses until `patience` has passed, and of several the
// next, so that a restart or a change of the one that leads is not noticed; then the error ends lwq with exit code 3.
// Retrying is safe: every call is idempotent (SubmitRuns and SubmitSweep by their request ids). Thread-safety: any
// thread; calls in flight end at once when `interrupt` is raised.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/base/interrupt.h"
#include "common/artifact/collector.h"
#include "common/rpc/caller_security.h"
#include "common/rpc/coordinator_addresses.h"
#include "common/status/status.h"
#include "common/sync/mutex.h"
#include "lwqat/v1/run_service.pb.h"
#include "lwqat/v1/storage_service.pb.h"
#include "lwqat/v1/sweep.pb.h"
#include "lwqat/v1/sweep_service.pb.h"

namespace lwq::client {

class RunApi {
 public:
  struct Options {
    std::string address;  // HOST:PORT, or several (coordinator_addresses.h)
    std::chrono::milliseconds patience{10'000};
    std::chrono::milliseconds watch_patience{600'000};  // while a stream is to be resumed
    // A watch stream is opened anew this often, so that a peer that vanished without a word is noticed.
    std::chrono::milliseconds stream_lifetime{60'000};
    // What is shown to it and demanded of it; null: plaintext, and no token.
    std::shared_ptr<const CallerSecurity> security;
    // Says where the coordinator is now, for the first `patience` while it does not answer; null: it does not move.
    // FAILED_PRECONDITION: that is not known yet.
    std::function<StatusOr<std::string>()> locate;
  };

  // For an answer to a call. What plans or accepts many runs may take longer by so much for each.
  static constexpr std::chrono::milliseconds kCallTimeout{30'000};
  static constexpr std::chrono::milliseconds kTimePerRun{500};

  // Requires an address that ValidateAddress accepts. `interrupt` must outlive this.
  RunApi(const Options& options, Interrupt* interrupt);
  ~RunApi();

  StatusOr<lwqat::v1::GetServerInfoResponse> GetServerInfo();
  StatusOr<lwqat::v1::Plan> PlanRun(const lwqat::v1::RunSpec& spec);
  // All are accepted or none is; the runs in the order given. Errors name the run ("run 3 of 5 (its name): …").
  StatusOr<std::vector<lwqat::v1::Run>> SubmitRuns(const std::vector<lwqat::v1::SubmitRunRequest>& runs);
  // What SubmitRuns would say, and the plans; nothing is stored, and artifacts need not exist.
  StatusOr<std::vector<lwqat::v1::Plan>> ValidateRuns(const std::vector<lwqat::v1::RunSpec>& specs);
  // All runs of the sweep are accepted or none is.
  StatusOr<lwqat::v1::Sweep> SubmitSweep(const lwqat::v1::SweepSpec& spec, const std::string& request_id);
  // What SubmitSweep would say; nothing is stored, and artifacts need not exist.
  Status ValidateSweep(const lwqat::v1::SweepSpec& spec);
  // What it would cost, and the runs' plans; nothing is stored, and artifacts need not exist.
  StatusOr<lwqat::v1::SweepPlan> PlanSweep(const lwqat::v1::SweepSpec& spec);
  StatusOr<lwqat::v1::Run> GetRun(const std::string& run_id);
  // Newest first, at most `limit`, of those that the filter (its page is not looked at) lets through.
  StatusOr<std::vector<lwqat::v1::Run>> ListRuns(int limit, const lwqat::v1::ListRunsRequest& filter = {});
  StatusOr<lwqat::v1::Run> CancelRun(const std::string& run_id);
  StatusOr<lwqat::v1::Run> PauseRun(const std::string& run_id);
  StatusOr<lwqat::v1::Run> ResumeRun(const std::string& run_id);
  // NOT_FOUND; FAILED_PRECONDITION where it has not ended, without `force`. A deletion whose answer was lost is told as
  // NOT_FOUND.
  StatusOr<lwqat::v1::DeleteRunResponse> DeleteRun(const std::string& run_id, bool force);
  StatusOr<lwqat::v1::DeleteSweepResponse> DeleteSweep(const std::string& sweep_id, bool force);
  // A result of the run is gone from the object store ("": the export); the run, whose `remaking` says whether it is
  // being made again.
  StatusOr<lwqat::v1::Run> RemakeArtifact(const std::string& run_id, const std::string& artifact);
  // What the coordinator needs in the object store.
  StatusOr<CollectionRoots> ListRoots();
  // What should be whole there, and what it is.
  StatusOr<std::vector<lwqat::v1::StoredArtifact>> ListArtifacts();
  // These artifacts, by digest, are not whole there, and what was damaged of them has been removed.
  StatusOr<lwqat::v1::ReportLostArtifactsResponse> ReportLostArtifacts(const std::vector<std::string>& digests);
  StatusOr<lwqat::v1::Sweep> GetSweep(const std::string& sweep_id);
  // Newest first, at most `limit`, without members; whose name matches the pattern, where there is one.
  StatusOr<std::vector<lwqat::v1::Sweep>> ListSweeps(int limit, const std::string& name = "");
  StatusOr<lwqat::v1::Sweep> CancelSweep(const std::string& sweep_id);
  StatusOr<lwqat::v1::Sweep> PauseSweep(const std::string& sweep_id);
  StatusOr<lwqat::v1::Sweep> ResumeSweep(const std::string& sweep_id);
  StatusOr<lwqat::v1::ExplainRunsResponse> ExplainRuns(const std::string& run_a, const std::string& run_b);
  StatusOr<lwqat::v1::WhyTaskResponse> WhyTask(const std::string& run_id, const std::string& task);
  // `task`: only its lines, as WhyTask names it; "": all.
  StatusOr<lwqat::v1::GetRunLogsResponse> GetRunLogs(const std::string& run_id, const std::string& task, int64_t after,
                                                     int page_size);
  StatusOr<lwqat::v1::ListWorkersResponse> ListWorkers();
  StatusOr<lwqat::v1::WorkerInfo> ReleaseWorker(const std::string& worker);
  StatusOr<lwqat::v1::ScheduleRunResponse> ScheduleRun(const std::string& run_id, const std::vector<int>& workers);

  // Calls `on_run` with every state the coordinator sends until the run has ended, which it returns. `on_connection` is
  // told when the coordinator stops answering (false) and answers again (true).
  StatusOr<lwqat::v1::Run> WatchRun(const std::string& run_id, const std::function<void(const lwqat::v1::Run&)>& on_run,
                                    const std::function<void(bool)>& on_connection);

  // Calls `on_runs` with every message about the newest runs, two a second at most, until the interrupt, whose reason
  // it returns. As WatchRun in the rest.
  Status WatchRuns(const std::function<void(const lwqat::v1::WatchRunsResponse&)>& on_runs,
                   const std::function<void(bool)>& on_connection);

  // Calls `on_runs` with every message until all runs of the sweep have ended. As WatchRun in the rest.
  Status WatchSweep(const std::string& sweep_id,
                    const std::function<void(const lwqat::v1::WatchSweepResponse&)>& on_runs,
                    const std::function<void(bool)>& on_connection);

  std::string address() const;
  Interrupt* interrupt() const { return interrupt_; }

 private:
  struct Stub;  // keeps gRPC's headers out of every verb

  template <typename Method, typename Request, typename Response>
  Status Call(Method method, const Request& request, Response* response,
              std::chrono::milliseconds timeout = kCallTimeout);
  // Waits before the next try; an error when patience is over or the program is to stop.
  // `leader`: where the next try should go, as the one that stands by has said; "": it has not. `called`: who did not
  // answer.
  Status BackOff(const Status& failure, const std::string& leader, std::chrono::steady_clock::time_point give_up,
                 int attempt, const Stub* called);
  Status Unreachable(const Status& failure) const;
  // Whether several addresses were given.
  bool HasOthers() const;
  // All addresses, for messages.
  std::string Everywhere() const;
  Status NoCoordinator(const Status& failure) const;

  // Reads a stream until `on_response` says that this was the last message; one that breaks is opened again where it
  // was.
  template <typename Request, typename Response, typename Method>
  Status Follow(Method method, Request request, const std::function<bool(Response& response)>& on_response,
                const std::function<void(bool)>& on_connection);

  // Reads an answer that comes in parts, from its first part again where it broke off.
  template <typename Request, typename Response, typename Method>
  Status ReadParts(Method method, const std::function<Status(Response& part, bool is_first)>& take);

  template <typename Request, typename Response, typename Method>
  StatusOr<lwqat::v1::Run> AskForRun(Method method, const std::string& run_id);
  template <typename Request, typename Response, typename Method>
  StatusOr<lwqat::v1::Sweep> AskForSweep(Method method, const std::string& sweep_id);

  std::shared_ptr<Stub> MakeStub(const std::string& address) const;
  std::shared_ptr<Stub> CurrentStub() const;
  // Follows a coordinator that moved, or goes to another one, unless another thread has gone on from `called`.
  Status Relocate(const std::string& leader, const Stub* called);

  const Options options_;
  Interrupt* interrupt_;
  const std::chrono::steady_clock::time_point relocate_until_;
  mutable Mutex mutex_;  // held while `locate` looks
  CoordinatorAddresses addresses_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Stub> stub_ ABSL_GUARDED_BY(mutex_);
};

// INVALID_ARGUMENT unless `address` is HOST:PORT (or [IPv6]:PORT) with a port from 1 to 65535, or several with commas
// between.
StatusOr<CoordinatorAddresses> ValidateAddress(const std::string& address);

// A random (version 4) UUID.
std::string NewRequestId();

}  // namespace lwq::client
