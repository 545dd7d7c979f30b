// SPDX-License-Identifier: Apache-2.0
// A coordinator for client tests: serves RunService in this process on a port of the system's choice and answers from
// what the test put into it.
//
// Thread-safety: fill the public fields before the first call, or through With().
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "grpcpp/grpcpp.h"
#include "lwqat/v1/run_service.grpc.pb.h"
#include "lwqat/v1/sweep_service.grpc.pb.h"

namespace lwq::test {

class FakeRunService final : public lwqat::v1::RunService::Service {
 public:
  std::string objects_uri;
  std::vector<lwqat::v1::Run> runs;  // newest first
  lwqat::v1::Plan plan;
  std::vector<lwqat::v1::WorkerInfo> workers;
  std::vector<lwqat::v1::LogLine> log_lines;
  size_t page_lines = 2;  // log lines and runs of a page, to make clients turn pages
  // What the n-th WatchRun call sends; a call whose last state is not terminal then breaks as a lost server does. After
  // a terminal state that is not the last one more is promised.
  std::vector<std::vector<lwqat::v1::Run>> watch_calls;
  // Called in every WatchRun before it ends.
  std::function<void()> on_watch = [] {};
  // Asked first by every ListRuns, which fails with what it says.
  std::function<grpc::Status()> on_list = [] { return grpc::Status::OK; };
  // So many submits fail with UNAVAILABLE before one is answered.
  int unavailable_submits = 0;
  grpc::Status submit_error = grpc::Status::OK;
  std::string refused_name;  // only of runs of this name, where one is given

  // What clients sent.
  std::vector<lwqat::v1::SubmitRunRequest> submitted;
  std::vector<lwqat::v1::RunSpec> planned;             // by PlanRun, and by SubmitRuns with validate_only
  std::vector<lwqat::v1::SubmitRunsRequest> together;  // by SubmitRuns; each of its runs is in one of the above, too
  std::vector<std::string> cancelled;
  std::vector<lwqat::v1::RemakeArtifactRequest> remade;
  // What becomes of the run at a RemakeArtifact, and at each GetRun after it; null: NOT_FOUND.
  std::function<void(lwqat::v1::Run*, int asked)> on_remake;

  template <typename F>
  auto With(F&& f) {
    std::lock_guard lock(mutex_);
    return f(*this);
  }

  grpc::Status GetServerInfo(grpc::ServerContext*, const lwqat::v1::GetServerInfoRequest*,
                             lwqat::v1::GetServerInfoResponse* response) override;
  grpc::Status PlanRun(grpc::ServerContext*, const lwqat::v1::PlanRunRequest* request,
                       lwqat::v1::PlanRunResponse* response) override;
  grpc::Status SubmitRun(grpc::ServerContext*, const lwqat::v1::SubmitRunRequest* request,
                         lwqat::v1::SubmitRunResponse* response) override;
  // One after another as SubmitRun; none where one is refused.
  grpc::Status SubmitRuns(grpc::ServerContext*, const lwqat::v1::SubmitRunsRequest* request,
                          lwqat::v1::SubmitRunsResponse* response) override;
  grpc::Status GetRun(grpc::ServerContext*, const lwqat::v1::GetRunRequest* request,
                      lwqat::v1::GetRunResponse* response) override;
  grpc::Status ListRuns(grpc::ServerContext*, const lwqat::v1::ListRunsRequest* request,
                        lwqat::v1::ListRunsResponse* response) override;
  grpc::Status WatchRun(grpc::ServerContext*, const lwqat::v1::WatchRunRequest* request,
                        grpc::ServerWriter<lwqat::v1::WatchRunResponse>* writer) override;
  // Sends all runs once, and then nothing until the client hangs up.
  grpc::Status WatchRuns(grpc::ServerContext* context, const lwqat::v1::WatchRunsRequest* request,
                         grpc::ServerWriter<lwqat::v1::WatchRunsResponse>* writer) override;
  grpc::Status CancelRun(grpc::ServerContext*, const lwqat::v1::CancelRunRequest* request,
                         lwqat::v1::CancelRunResponse* response) override;
  grpc::Status RemakeArtifact(grpc::ServerContext*, const lwqat::v1::RemakeArtifactRequest* request,
                              lwqat::v1::RemakeArtifactResponse* response) override;
  grpc::Status GetRunLogs(grpc::ServerContext*, const lwqat::v1::GetRunLogsRequest* request,
                          lwqat::v1::GetRunLogsResponse* response) override;
  grpc::Status ListWorkers(grpc::ServerContext*, const lwqat::v1::ListWorkersRequest*,
                           lwqat::v1::ListWorkersResponse* response) override;
  grpc::Status ReleaseWorker(grpc::ServerContext*, const lwqat::v1::ReleaseWorkerRequest*,
                             lwqat::v1::ReleaseWorkerResponse* response) override;

 private:
  lwqat::v1::Run* Find(const std::string& prefix);
  bool Refuses(const lwqat::v1::RunSpec& spec) const {
    return !submit_error.ok() && (refused_name.empty() || spec.name() == refused_name);
  }

  std::mutex mutex_;
  size_t watch_calls_made_ = 0;
  int asked_since_remake_ = 0;
};

// Sweeps of the runs of a FakeRunService, which submits and refuses them.
class FakeSweepService final : public lwqat::v1::SweepService::Service {
 public:
  explicit FakeSweepService(FakeRunService* runs) : runs_(runs) {}

  // What PlanSweep answers, with the plan of `runs` for each run.
  lwqat::v1::SweepPlan plan;
  // What becomes of every run of `runs` before the n-th WatchSweep call sends them all; a call before the last then
  // breaks as a lost server does.
  std::vector<std::function<void(lwqat::v1::Run& run)>> watch_calls;
  // What SubmitSweep answers before anything else, unless it is OK.
  grpc::Status refused = grpc::Status::OK;
  // What becomes of a sweep that was just accepted; its runs are the newest of the run service.
  std::function<void(const lwqat::v1::SweepSpec& spec, lwqat::v1::Sweep* sweep)> on_submit =
      [](const lwqat::v1::SweepSpec&, lwqat::v1::Sweep*) {};
  std::vector<lwqat::v1::Sweep> sweeps;  // in the order they were accepted

  // What clients sent.
  std::vector<lwqat::v1::SubmitSweepRequest> submitted;  // to be stored, each request id once
  std::vector<std::string> request_ids;                  // of every submission, those that were there already included
  std::vector<lwqat::v1::SweepSpec> planned;
  std::vector<std::string> resume_tokens;

  grpc::Status PlanSweep(grpc::ServerContext*, const lwqat::v1::PlanSweepRequest* request,
                         lwqat::v1::PlanSweepResponse* response) override;
  grpc::Status SubmitSweep(grpc::ServerContext*, const lwqat::v1::SubmitSweepRequest* request,
                           lwqat::v1::SubmitSweepResponse* response) override;
  grpc::Status WatchSweep(grpc::ServerContext*, const lwqat::v1::WatchSweepRequest* request,
                          grpc::ServerWriter<lwqat::v1::WatchSweepResponse>* writer) override;
  grpc::Status GetSweep(grpc::ServerContext*, const lwqat::v1::GetSweepRequest* request,
                        lwqat::v1::GetSweepResponse* response) override;
  // All of them, on one page.
  grpc::Status ListSweeps(grpc::ServerContext*, const lwqat::v1::ListSweepsRequest*,
                          lwqat::v1::ListSweepsResponse* response) override;
  // NOT_FOUND.
  grpc::Status CancelSweep(grpc::ServerContext*, const lwqat::v1::CancelSweepRequest*,
                           lwqat::v1::CancelSweepResponse*) override;

 private:
  FakeRunService* runs_;
  std::map<std::string, std::pair<std::string, size_t>> requests_;  // request id → spec, place among `sweeps`
};

class FakeServer {
 public:
  explicit FakeServer(grpc::Service* service, grpc::Service* other = nullptr);
  ~FakeServer();
  const std::string& address() const { return address_; }

 private:
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

}  // namespace lwq::test
