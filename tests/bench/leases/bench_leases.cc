// SPDX-License-Identifier: Apache-2.0
// What the machinery costs when the tasks cost nothing: lease, execute a no-op, report and lease the next, over real
// gRPC on the loopback interface, every change durable (SQLite, synchronous=FULL) before its answer leaves.
//
// Each thread is one worker with a connection of its own. items_per_second counts finished tasks of all workers; p50_us
// and p99_us are of a round trip, the mean over workers. scripts/compare_dispatch has Dask and Ray beside it.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "common/rpc/channel.h"
#include "coordinator/service/server.h"
#include "grpcpp/grpcpp.h"
#include "lwqat/v1/run_service.grpc.pb.h"
#include "lwqat/v1/worker_service.grpc.pb.h"

namespace lwq::coordinator {
namespace {

namespace wire = ::lwqat::v1;

constexpr int kTasksPerWorker = 3000;

// One coordinator with a store in a folder of its own.
class Cluster {
 public:
  Cluster() {
    directory_ = std::filesystem::temp_directory_path() / ("lwq-bench-leases-" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory_);
    StatusOr<std::unique_ptr<Store>> store = OpenStore("sqlite:" + (directory_ / "state.db").string());
    LWQ_CHECK(store.ok(), store.status().ToString());
    RuntimeOptions options;
    options.scheduler.lease_ms = 600'000;  // no heartbeats in the way
    StatusOr<std::unique_ptr<Runtime>> runtime = Runtime::Start(std::move(options), *std::move(store), &clock_);
    LWQ_CHECK(runtime.ok(), runtime.status().ToString());
    runtime_ = *std::move(runtime);
    ServerOptions server_options;
    server_options.objects_uri = "file:///unused";
    StatusOr<std::unique_ptr<Server>> server = Server::Start(server_options, runtime_.get());
    LWQ_CHECK(server.ok(), server.status().ToString());
    server_ = *std::move(server);
  }
  ~Cluster() {
    runtime_->Stop();
    server_->Shutdown(1000);
    server_.reset();
    runtime_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Submit(int tasks) {
    wire::SubmitRunRequest request;
    request.mutable_spec()->mutable_recipe()->set_method("noop");
    request.mutable_spec()->mutable_recipe()->set_train_size(tasks);
    wire::SubmitRunResponse response;
    grpc::ClientContext context;
    const auto channel = OpenChannel(server_->address(), {});
    const grpc::Status status = wire::RunService::NewStub(channel)->SubmitRun(&context, request, &response);
    LWQ_CHECK(status.ok(), status.error_message());
  }
  const std::string& address() const { return server_->address(); }

 private:
  std::filesystem::path directory_;
  SystemClock clock_;
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<Server> server_;
};

std::unique_ptr<Cluster> cluster;

void StartCluster(const benchmark::State& state) {
  cluster = std::make_unique<Cluster>();
  // One more for each worker: the lease that the last report brings.
  cluster->Submit((kTasksPerWorker + 1) * state.threads());
}
void StopCluster(const benchmark::State&) {
  cluster.reset();
}

// One worker's connection and the task it holds.
class BenchWorker {
 public:
  explicit BenchWorker(const std::string& address) {
    // As workers in processes of their own.
    stub_ = wire::WorkerService::NewStub(OpenChannel(address, {.own_connection = true}));
    wire::RegisterWorkerRequest registration;
    registration.set_numerics_class("bench|none|none");
    registration.set_memory_bytes(1 << 30);
    registration.set_max_threads(1);
    wire::RegisterWorkerResponse registered;
    grpc::ClientContext register_context;
    grpc::Status status = stub_->RegisterWorker(&register_context, registration, &registered);
    LWQ_CHECK(status.ok(), status.error_message());
    id_ = registered.worker_id();
    wire::LeaseTaskRequest request;
    request.set_worker_id(id_);
    wire::LeaseTaskResponse response;
    grpc::ClientContext lease_context;
    status = stub_->LeaseTask(&lease_context, request, &response);
    LWQ_CHECK(status.ok() && response.has_lease(), status.error_message());
    lease_ = response.lease();
  }

  // Reports the task in hand and takes the next from the same answer.
  void FinishAndTakeNext() {
    wire::ReportTaskRequest report;
    report.set_worker_id(id_);
    report.set_task_key(lease_.task_key());
    report.set_token(lease_.token());
    report.mutable_success();
    report.set_lease_next(true);
    wire::ReportTaskResponse response;
    grpc::ClientContext context;
    const grpc::Status status = stub_->ReportTask(&context, report, &response);
    LWQ_CHECK(status.ok() && response.has_next(), status.error_message());
    lease_ = response.next();
  }

 private:
  std::unique_ptr<wire::WorkerService::Stub> stub_;
  std::string id_;
  wire::Lease lease_;
};

void LeaseExecuteCommit(benchmark::State& state) {
  BenchWorker worker(cluster->address());
  std::vector<double> round_trips_us;
  round_trips_us.reserve(kTasksPerWorker);
  for (auto _ : state) {
    const auto begun = std::chrono::steady_clock::now();
    worker.FinishAndTakeNext();
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begun;
    round_trips_us.push_back(took.count());
  }
  state.SetItemsProcessed(state.iterations());
  std::sort(round_trips_us.begin(), round_trips_us.end());
  const auto at = [&](double share) {
    const double of_worker = round_trips_us[static_cast<size_t>(share * static_cast<double>(kTasksPerWorker - 1))];
    return benchmark::Counter(of_worker, benchmark::Counter::kAvgThreads);
  };
  state.counters["p50_us"] = at(0.5);
  state.counters["p99_us"] = at(0.99);
}
BENCHMARK(LeaseExecuteCommit)
    ->Name("lease_execute_commit")
    ->Setup(StartCluster)
    ->Teardown(StopCluster)
    ->Iterations(kTasksPerWorker)
    ->Threads(1)
    ->Threads(2)
    ->Threads(8)
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace lwq::coordinator

BENCHMARK_MAIN();
