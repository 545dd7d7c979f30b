// SPDX-License-Identifier: Apache-2.0
// The coordinator's services over real gRPC on a port of the system's choice, in this process, with an empty store in
// memory and a clock that moves when told.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "common/rpc/channel.h"
#include "coordinator/service/convert_run.h"
#include "coordinator/service/convert_worker.h"
#include "coordinator/service/server.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/manual_clock.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {

// A deadline for calls that must end long before: a test that hits it has failed.
inline constexpr auto kFar = std::chrono::seconds(60);

class ServiceTest : public ::testing::Test {
 protected:
  ServiceTest() {
    auto runtime = Runtime::Start({}, std::make_unique<MemoryStore>(), &clock_);
    LWQ_CHECK(runtime.ok(), runtime.status().ToString());
    runtime_ = *std::move(runtime);
    ServerOptions options;
    options.objects_uri = "file:///objects";
    options.version = "1.2.3";
    auto server = Server::Start(options, runtime_.get());
    LWQ_CHECK(server.ok(), server.status().ToString());
    server_ = *std::move(server);
    channel_ = OpenChannel(server_->address(), {});
    runs_ = wire::RunService::NewStub(channel_);
    sweeps_ = wire::SweepService::NewStub(channel_);
    workers_ = wire::WorkerService::NewStub(channel_);
  }
  ~ServiceTest() override {
    runtime_->Stop();
    server_->Shutdown(1000);
  }

  // One call with a far deadline.
  template <typename Stub, typename Request, typename Response>
  grpc::Status Call(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kFar);
    return (stub.*method)(&context, request, response);
  }

  static wire::SubmitRunRequest Submission(const RunSpec& spec, const std::string& request_id = "") {
    wire::SubmitRunRequest request;
    ToWire(spec, request.mutable_spec());
    request.set_request_id(request_id);
    return request;
  }
  std::string Submit(const RunSpec& spec) {
    wire::SubmitRunResponse response;
    const grpc::Status status = Call(*runs_, &wire::RunService::Stub::SubmitRun, Submission(spec), &response);
    LWQ_CHECK(status.ok(), status.error_message());
    return response.run().id();
  }
  std::string Register(const std::string& name) {
    wire::RegisterWorkerRequest request;
    request.set_name(name);
    request.set_numerics_class("cpu|avx512|torch");
    request.set_memory_bytes(int64_t{1} << 34);
    request.set_max_threads(4);
    wire::RegisterWorkerResponse response;
    const grpc::Status status = Call(*workers_, &wire::WorkerService::Stub::RegisterWorker, request, &response);
    LWQ_CHECK(status.ok(), status.error_message());
    EXPECT_EQ(response.objects_uri(), "file:///objects");
    EXPECT_EQ(response.heartbeat_interval().seconds(), 2);
    return response.worker_id();
  }
  wire::LeaseTaskResponse LeaseTo(const std::string& worker) {
    wire::LeaseTaskRequest request;
    request.set_worker_id(worker);
    wire::LeaseTaskResponse response;
    const grpc::Status status = Call(*workers_, &wire::WorkerService::Stub::LeaseTask, request, &response);
    LWQ_CHECK(status.ok(), status.error_message());
    return response;
  }
  // What an honest worker reports.
  static wire::ReportTaskRequest Success(const std::string& worker, const wire::Lease& lease) {
    wire::ReportTaskRequest report;
    report.set_worker_id(worker);
    report.set_task_key(lease.task_key());
    report.set_token(lease.token());
    wire::TaskSuccess* success = report.mutable_success();
    for (const char* role : {"tokens", "activations", "block", "losses", "files"}) {
      ToWire(testing::NamedArtifact(lease.action_key() + role), &(*success->mutable_outputs())[role]);
    }
    success->set_metrics_json(R"({"measured":[{"metric":"perplexity","value":2.5,"count":100}]})");
    report.set_seconds(0.25);
    report.set_peak_memory_bytes(1000);
    return report;
  }
  void RunToEnd(const std::string& worker) {
    wire::LeaseTaskResponse lease = LeaseTo(worker);
    while (lease.has_lease()) {
      wire::ReportTaskRequest report = Success(worker, lease.lease());
      report.set_lease_next(true);
      wire::ReportTaskResponse response;
      const grpc::Status status = Call(*workers_, &wire::WorkerService::Stub::ReportTask, report, &response);
      LWQ_CHECK(status.ok(), status.error_message());
      lease.Clear();
      if (response.has_next()) *lease.mutable_lease() = response.next();
    }
  }
  wire::Run Get(const std::string& id) {
    wire::GetRunRequest request;
    request.set_run_id(id);
    wire::GetRunResponse response;
    const grpc::Status status = Call(*runs_, &wire::RunService::Stub::GetRun, request, &response);
    LWQ_CHECK(status.ok(), status.error_message());
    return response.run();
  }

  testing::ManualClock clock_;
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<wire::RunService::Stub> runs_;
  std::unique_ptr<wire::SweepService::Stub> sweeps_;
  std::unique_ptr<wire::WorkerService::Stub> workers_;
};

}  // namespace lwq::coordinator
