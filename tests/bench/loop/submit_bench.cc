// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/loop/submit_bench.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <thread>

#include "common/status/status.h"
#include "tests/bench/loop/bench_coordinator.h"

namespace lwq::bench {
namespace {

using std::chrono::steady_clock;

constexpr int kRuns = 500;
constexpr int kTasks = 100;
constexpr auto kHeartbeatEvery = std::chrono::milliseconds(20);

// Sends heartbeats until it goes; then tells how long the longest took.
class Heart {
 public:
  explicit Heart(const Coordinator& coordinator)
      : worker_(coordinator), thread_([this] {
          for (auto next = steady_clock::now(); !stop_; next += kHeartbeatEvery) {
            std::this_thread::sleep_until(next);
            longest_ms_ = std::max(longest_ms_, worker_.HeartbeatMs());
          }
        }) {}
  double StopAndLongestMs() {
    stop_ = true;
    thread_.join();
    return longest_ms_;
  }

 private:
  Worker worker_;
  std::atomic<bool> stop_ = false;
  double longest_ms_ = 0;
  std::thread thread_;
};

using SpecOf = std::function<wire::RunSpec(int seed)>;

void SubmitByClients(const Coordinator& coordinator, int clients, const SpecOf& spec_of) {
  std::atomic<int> next = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < clients; ++i) {
    threads.emplace_back([&] {
      const auto runs = wire::RunService::NewStub(coordinator.Connect());
      for (int run = next++; run < kRuns; run = next++) Submit(*runs, spec_of(run + 1));
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// False: this coordinator does not know the call.
bool SubmitTogether(const Coordinator& coordinator, const SpecOf& spec_of) {
  const auto runs = wire::RunService::NewStub(coordinator.Connect());
  wire::SubmitRunsRequest request;
  for (int run = 0; run < kRuns; ++run) *request.add_runs()->mutable_spec() = spec_of(run + 1);
  wire::SubmitRunsResponse response;
  grpc::ClientContext context;
  const grpc::Status status = runs->SubmitRuns(&context, request, &response);
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) return false;
  Must(status, "SubmitRuns");
  return true;
}

int64_t TasksOfAll(const Coordinator& coordinator) {
  const auto runs = wire::RunService::NewStub(coordinator.Connect());
  int64_t tasks = 0;
  wire::ListRunsRequest request;
  request.set_page_size(200);
  do {
    wire::ListRunsResponse page;
    grpc::ClientContext context;
    Must(runs->ListRuns(&context, request, &page), "ListRuns");
    for (const wire::Run& run : page.runs()) tasks += run.tasks_total();
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return tasks;
}

void Row(const std::string& program, const char* kind, int clients, const SpecOf& spec_of) {
  const Coordinator coordinator(program);
  Heart heart(coordinator);
  const double cpu = coordinator.CpuSeconds();
  const auto start = steady_clock::now();
  bool known = true;
  if (clients == 0) {
    known = SubmitTogether(coordinator, spec_of);
  } else {
    SubmitByClients(coordinator, clients, spec_of);
  }
  const double seconds = std::chrono::duration<double>(steady_clock::now() - start).count();
  const double used = coordinator.CpuSeconds() - cpu;
  const double longest_ms = heart.StopAndLongestMs();
  const std::string way = clients == 0 ? "SubmitRuns" : absl::StrCat("SubmitRun, ", clients, " clients");
  if (known) {
    std::printf("| %s | %s | %s | %.0f | %.0f | %.2f | %.0f |\n", program.c_str(), kind, way.c_str(), kRuns / seconds,
                static_cast<double>(TasksOfAll(coordinator)) / seconds, used, longest_ms);
  } else {
    std::printf("| %s | %s | %s | not known | | | |\n", program.c_str(), kind, way.c_str());
  }
  std::fflush(stdout);
}

}  // namespace

void CompareSubmissions(const std::vector<std::string>& programs) {
  std::printf("| coordinator | runs | by | runs/s | tasks/s | CPU, s | longest heartbeat, ms |\n");
  std::printf("| --- | --- | --- | --- | --- | --- | --- |\n");
  const std::pair<const char*, SpecOf> kinds[] = {{"no-ops", [](int seed) { return NoopRun(kTasks, seed); }},
                                                  {"Block-AP", [](int seed) { return QuantizingRun(seed); }}};
  for (const auto& [kind, spec_of] : kinds) {
    for (const int clients : {1, 8, 0}) {
      for (const std::string& program : programs) Row(program, kind, clients, spec_of);
    }
  }
}

}  // namespace lwq::bench
