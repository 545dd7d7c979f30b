// SPDX-License-Identifier: Apache-2.0
// What the machinery costs when the tasks cost nothing: lease, execute a no-op, report and lease the next, over real
// gRPC on the loopback interface, every change durable (SQLite, synchronous=FULL) before its answer leaves.
//
// Each thread is one worker with a connection of its own. items_per_second counts finished tasks of all workers; p50_us
// and p99_us are of a round trip, the mean over workers. scripts/compare_dispatch has Dask and Ray beside it.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "common/metrics/metrics_server.h"
#include "common/rpc/address.h"
#include "common/rpc/channel.h"
#include "coordinator/service/call_metrics.h"
#include "grpcpp/grpcpp.h"
#include "lwqat/v1/worker_service.grpc.pb.h"
#include "tests/bench/leases/bench_cluster.h"

namespace lwq::coordinator {
namespace {

namespace wire = ::lwqat::v1;

constexpr int kTasksPerWorker = 3000;

// The whole answer of a server on this machine that closes the connection after it.
std::string HttpGet(int port, const std::string& path) {
  const int connection = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  LWQ_CHECK(::connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0, "no connection");
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  LWQ_CHECK(::send(connection, request.data(), request.size(), 0) == static_cast<ssize_t>(request.size()), "not sent");
  std::string answer;
  char buffer[65536];
  for (ssize_t read = 0; (read = ::recv(connection, buffer, sizeof(buffer), 0)) > 0;) {
    answer.append(buffer, static_cast<size_t>(read));
  }
  ::close(connection);
  return answer;
}

std::unique_ptr<BenchCluster> cluster;

void StartCluster(const benchmark::State& state) {
  cluster = std::make_unique<BenchCluster>(static_cast<Doors>(state.range(0)));
  // One more for each worker: the lease that the last report brings.
  cluster->Submit((kTasksPerWorker + 1) * state.threads());
}
void StopCluster(const benchmark::State&) {
  cluster.reset();
}

// One worker's connection and the task it holds.
class BenchWorker {
 public:
  explicit BenchWorker(const BenchCluster& of) {
    // As workers in processes of their own.
    stub_ = wire::WorkerService::NewStub(
        OpenChannel(of.address(), {.own_connection = true, .security = of.Security(/*admin=*/false)}));
    wire::RegisterWorkerRequest registration;
    registration.set_numerics_class("bench|none|none");
    registration.set_memory_bytes(1 << 30);
    registration.set_max_threads(1);
    wire::RegisterWorkerResponse registered;
    grpc::ClientContext register_context;
    register_context.set_wait_for_ready(true);
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
  BenchWorker worker(*cluster);
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
    ->Arg(static_cast<int>(Doors::kPlain))
    ->Setup(StartCluster)
    ->Teardown(StopCluster)
    ->Iterations(kTasksPerWorker)
    ->Threads(1)
    ->Threads(2)
    ->Threads(8)
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);
// What encryption costs, and all of docs/security.md. In pairs: --benchmark_filter=threads:8
// --benchmark_repetitions=9 --benchmark_enable_random_interleaving=true
BENCHMARK(LeaseExecuteCommit)
    ->Name("lease_execute_commit_secured")
    ->Arg(static_cast<int>(Doors::kTls))
    ->Arg(static_cast<int>(Doors::kSecured))
    ->Setup(StartCluster)
    ->Teardown(StopCluster)
    ->Iterations(kTasksPerWorker)
    ->Threads(8)
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

// A page of metrics over HTTP, with 100,000 tasks that wait in a run and 100 workers.
void Scrape(benchmark::State& state) {
  constexpr int kTasks = 100'000;
  constexpr int kWorkers = 100;
  BenchCluster scraped(Doors::kPlain);
  scraped.Submit(kTasks);
  std::vector<std::unique_ptr<BenchWorker>> workers;
  for (int i = 0; i < kWorkers; ++i) workers.push_back(std::make_unique<BenchWorker>(scraped));
  auto server = MetricsServer::Start("127.0.0.1:0", {scraped.metrics().registry(), CollectState(scraped.runtime())});
  LWQ_CHECK(server.ok(), server.status().ToString());
  const int port = ParseHostPort((*server)->address())->port;
  size_t bytes = 0;
  const std::string expected = absl::StrCat("\nlwq_tasks ", kTasks, "\n");
  for (auto _ : state) {
    const std::string page = HttpGet(port, "/metrics");
    LWQ_CHECK(page.find(expected) != std::string::npos, page.substr(0, 2000));
    bytes = page.size();
  }
  state.counters["page_bytes"] = static_cast<double>(bytes);
}
BENCHMARK(Scrape)->Name("scrape_100000_tasks")->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace lwq::coordinator

BENCHMARK_MAIN();
