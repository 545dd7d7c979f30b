// How a coordinator answers its workers while everybody asks: 50 watchers on a run of 5,000 tasks, plans and schedules
// asked for without pause, 8 workers that lease no-ops, and one more that only sends heartbeats.
//
//   lwq_bench_loop COORDINATOR…     each program in turn, first without the questions, then with them; a row each
//
// Programs of other versions can be compared: what they do not know of the wire they ignore. Not a Google Benchmark, as
// what counts is a percentile under load.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/rpc/channel.h"
#include "common/status/status.h"
#include "grpcpp/grpcpp.h"
#include "lwqat/v1/run_service.grpc.pb.h"
#include "lwqat/v1/worker_service.grpc.pb.h"
#include "tests/testing/process.h"

namespace lwq {
namespace {

namespace wire = ::lwqat::v1;
using std::chrono::steady_clock;
using test::Process;

constexpr int kWatchers = 50;
constexpr int kWatchedTasks = 5000;
constexpr int kScheduledTasks = 2000;
constexpr int kWorkers = 8;
constexpr int kRuns = 15;
constexpr auto kDuration = std::chrono::seconds(10);
constexpr auto kHeartbeatEvery = std::chrono::milliseconds(20);
constexpr const char* kLlama7b =
    R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":4096,"intermediate_size":11008,)"
    R"("num_hidden_layers":32,"num_attention_heads":32,"num_key_value_heads":32,"vocab_size":32000,)"
    R"("max_position_embeddings":4096,"rms_norm_eps":1e-5,"hidden_act":"silu"})";

// The coordinator's process, and connections to it.
class Coordinator {
 public:
  explicit Coordinator(const std::string& program) {
    const std::string address_file = directory_.path() + "/address";
    process_ = Process({program, "--store", "sqlite:" + directory_.path() + "/state.db", "--objects",
                        "file://" + directory_.path() + "/objects", "--address-file", address_file, "--log-level", "off"},
                       directory_.path() + "/log");
    const StatusOr<std::string> address = test::WaitForFile(address_file, 60);
    LWQ_CHECK(address.ok(), address.status().message());
    address_ = *address;
  }
  ~Coordinator() {
    process_.Signal(SIGTERM);
    process_.Wait();
  }
  std::shared_ptr<grpc::Channel> Connect() const {
    return OpenChannel(address_, {.max_receive_bytes = 64 << 20, .own_connection = true});
  }

 private:
  test::TemporaryDirectory directory_;
  Process process_;
  std::string address_;
};

void Must(const grpc::Status& status, const char* call) {
  LWQ_CHECK(status.ok(), call, ": ", status.error_message());
}

// Runs of higher priority go first.
std::string Submit(wire::RunService::Stub& runs, int tasks, int seed, int priority) {
  wire::SubmitRunRequest request;
  request.mutable_spec()->set_priority(priority);
  request.mutable_spec()->mutable_recipe()->set_method("noop");
  request.mutable_spec()->mutable_recipe()->set_train_size(tasks);
  request.mutable_spec()->mutable_recipe()->set_seed(seed);
  wire::SubmitRunResponse response;
  grpc::ClientContext context;
  Must(runs.SubmitRun(&context, request, &response), "SubmitRun");
  return response.run().id();
}

class Worker {
 public:
  explicit Worker(const Coordinator& coordinator) : stub_(wire::WorkerService::NewStub(coordinator.Connect())) {
    wire::RegisterWorkerRequest request;
    request.set_numerics_class("bench|none|none");
    request.set_memory_bytes(int64_t{1} << 40);
    request.set_max_threads(1);
    wire::RegisterWorkerResponse response;
    grpc::ClientContext context;
    Must(stub_->RegisterWorker(&context, request, &response), "RegisterWorker");
    id_ = response.worker_id();
  }

  // Leases and finishes tasks until `stop`, or `most` are done; how many were.
  int64_t Work(const std::atomic<bool>& stop, int64_t most) {
    int64_t done = 0;
    std::optional<wire::Lease> lease;
    while (!stop && done < most) {
      if (!lease.has_value()) {
        wire::LeaseTaskRequest request;
        request.set_worker_id(id_);
        wire::LeaseTaskResponse response;
        grpc::ClientContext context;
        Must(stub_->LeaseTask(&context, request, &response), "LeaseTask");
        if (!response.has_lease()) break;
        lease = response.lease();
      }
      wire::ReportTaskRequest report;
      report.set_worker_id(id_);
      report.set_task_key(lease->task_key());
      report.set_token(lease->token());
      report.mutable_success();
      report.set_lease_next(!stop && done + 1 < most);
      wire::ReportTaskResponse response;
      grpc::ClientContext context;
      Must(stub_->ReportTask(&context, report, &response), "ReportTask: a lease was lost");
      ++done;
      lease = response.has_next() ? std::optional(response.next()) : std::nullopt;
    }
    return done;
  }

  double HeartbeatMs() {
    wire::HeartbeatRequest request;
    request.set_worker_id(id_);
    wire::HeartbeatResponse response;
    grpc::ClientContext context;
    const auto start = steady_clock::now();
    Must(stub_->Heartbeat(&context, request, &response), "Heartbeat");
    return std::chrono::duration<double, std::milli>(steady_clock::now() - start).count();
  }

 private:
  std::unique_ptr<wire::WorkerService::Stub> stub_;
  std::string id_;
};

// Threads that ask until they are stopped.
class Questions {
 public:
  // Watched one after another, as they end.
  Questions(const Coordinator& coordinator, const std::vector<std::string>& watched, const std::string& finished) {
    for (int i = 0; i < kWatchers; ++i) {
      threads_.emplace_back([&, watched] {
        for (const std::string& run : watched) Watch(coordinator, run);
      });
    }
    threads_.emplace_back([&] { Plan(coordinator); });
    threads_.emplace_back([&, finished] { Schedule(coordinator, finished); });
  }
  ~Questions() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
  }
  int64_t messages() const { return messages_; }
  int64_t plans() const { return plans_; }
  int64_t schedules() const { return schedules_; }

 private:
  void Watch(const Coordinator& coordinator, const std::string& run) {
    const auto stub = wire::RunService::NewStub(coordinator.Connect());
    wire::WatchRunRequest request;
    request.set_run_id(run);
    request.set_changes_only(true);
    grpc::ClientContext context;
    const auto stream = stub->WatchRun(&context, request);
    wire::WatchRunResponse response;
    while (!stop_ && stream->Read(&response)) ++messages_;
    context.TryCancel();
    stream->Finish();
  }
  void Plan(const Coordinator& coordinator) {
    const auto stub = wire::RunService::NewStub(coordinator.Connect());
    wire::PlanRunRequest request;
    wire::RunSpec& spec = *request.mutable_spec();
    spec.mutable_model()->set_config_json(kLlama7b);
    for (wire::ArtifactRef* ref : {spec.mutable_model()->mutable_files(), spec.mutable_model()->mutable_tokenizer(),
                                   spec.mutable_calibration()->mutable_files()}) {
      ref->set_digest(std::string(64, 'a'));
      ref->set_size_bytes(1);
    }
    spec.mutable_recipe()->set_handoff("relay");
    while (!stop_) {
      wire::PlanRunResponse response;
      grpc::ClientContext context;
      Must(stub->PlanRun(&context, request, &response), "PlanRun");
      ++plans_;
    }
  }
  void Schedule(const Coordinator& coordinator, const std::string& run) {
    const auto stub = wire::RunService::NewStub(coordinator.Connect());
    wire::ScheduleRunRequest request;
    request.set_run_id(run);
    for (int workers = 1; workers <= 16; ++workers) request.add_workers(workers);
    while (!stop_) {
      wire::ScheduleRunResponse response;
      grpc::ClientContext context;
      Must(stub->ScheduleRun(&context, request, &response), "ScheduleRun");
      ++schedules_;
    }
  }

  std::atomic<bool> stop_ = false;
  std::atomic<int64_t> messages_ = 0, plans_ = 0, schedules_ = 0;
  std::vector<std::thread> threads_;
};

struct Measured {
  double tasks_per_second = 0;
  double p50_ms = 0, p99_ms = 0, longest_ms = 0;
};

Measured Measure(const Coordinator& coordinator) {
  std::atomic<bool> stop = false;
  std::atomic<int64_t> done = 0;
  std::vector<std::thread> workers;
  for (int i = 0; i < kWorkers; ++i) {
    workers.emplace_back([&] { done += Worker(coordinator).Work(stop, std::numeric_limits<int64_t>::max()); });
  }
  Worker heart(coordinator);
  std::vector<double> beats;
  const auto start = steady_clock::now();
  for (auto next = start; next < start + kDuration; next += kHeartbeatEvery) {
    std::this_thread::sleep_until(next);
    beats.push_back(heart.HeartbeatMs());
  }
  const double seconds = std::chrono::duration<double>(steady_clock::now() - start).count();
  stop = true;
  for (std::thread& worker : workers) worker.join();
  std::sort(beats.begin(), beats.end());
  const auto at = [&](double share) { return beats[static_cast<size_t>(share * static_cast<double>(beats.size() - 1))]; };
  return {static_cast<double>(done) / seconds, at(0.5), at(0.99), beats.back()};
}

void Row(const std::string& program, const char* load, const Measured& measured, const std::string& asked) {
  std::printf("| %s | %s | %.0f | %.2f | %.2f | %.1f | %s |\n", program.c_str(), load, measured.tasks_per_second,
              measured.p50_ms, measured.p99_ms, measured.longest_ms, asked.c_str());
  std::fflush(stdout);
}

void Run(const std::string& program) {
  const Coordinator coordinator(program);
  const auto runs = wire::RunService::NewStub(coordinator.Connect());
  int seed = 0;
  const std::string finished = Submit(*runs, kScheduledTasks, ++seed, 0);
  const std::atomic<bool> never = false;
  Worker(coordinator).Work(never, kScheduledTasks);
  // More than can be done in the time.
  for (int i = 0; i < kRuns; ++i) Submit(*runs, kWatchedTasks, ++seed, 0);
  Row(program, "none", Measure(coordinator), "");
  std::vector<std::string> watched;
  for (int i = 0; i < kRuns; ++i) watched.push_back(Submit(*runs, kWatchedTasks, ++seed, 1));
  const Questions questions(coordinator, watched, finished);
  const Measured measured = Measure(coordinator);
  Row(program, "questions", measured,
      absl::StrCat(questions.messages(), " messages, ", questions.plans(), " plans, ", questions.schedules(), " schedules"));
}

}  // namespace
}  // namespace lwq

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: lwq_bench_loop COORDINATOR…\n");
    return 2;
  }
  std::printf("| coordinator | load | tasks/s | heartbeat p50, ms | p99 | longest | answered |\n");
  std::printf("| --- | --- | --- | --- | --- | --- | --- |\n");
  for (int i = 1; i < argc; ++i) lwq::Run(argv[i]);
  return 0;
}
