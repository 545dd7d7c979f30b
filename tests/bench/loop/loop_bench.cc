// SPDX-License-Identifier: Apache-2.0
// How a coordinator answers its workers while everybody asks, and how fast it accepts runs.
//
//   lwq_bench_loop load COORDINATOR…     8 workers that lease no-ops and one more that only sends heartbeats, first
//                                        alone, then while 50 watch a run of 5,000 tasks, plan and schedule; a row each
//   lwq_bench_loop dashboards COORDINATOR…   those workers with 1,000 runs there, in turns alone and while 100 pages of
//   the
//                                        dashboard show one of the runs
//   lwq_bench_loop submit COORDINATOR…   500 runs of about 100 tasks (submit_bench.h)
//
// Programs of other versions can be compared: what they do not know of the wire they ignore. Not a Google Benchmark, as
// what counts is a percentile under load. Clients share the processors with the coordinator: those that ask run with
// nice 10, and the rows say what each took.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/status/status.h"
#include "tests/bench/loop/bench_coordinator.h"
#include "tests/bench/loop/dashboards.h"
#include "tests/bench/loop/questions.h"
#include "tests/bench/loop/submit_bench.h"

namespace lwq::bench {
namespace {

using std::chrono::steady_clock;

constexpr int kWatchedTasks = 5000;
constexpr int kScheduledTasks = 2000;
constexpr int kWorkers = 8;
constexpr int kRuns = 15;
constexpr int kListedRuns = 1000;
constexpr int kListedTasks = 32;
constexpr int kPages = 100;
constexpr int kTurns = 5;
constexpr auto kDuration = std::chrono::seconds(10);
constexpr auto kHeartbeatEvery = std::chrono::milliseconds(20);

struct Measured {
  double tasks_per_second = 0;
  double p50_ms = 0, p99_ms = 0, longest_ms = 0;
  double coordinator_cpu = 0, workers_cpu = 0, asking_cpu = 0;  // processors
};

double OwnCpuSeconds() {
  return CpuSeconds(getpid());
}

Measured Measure(const Coordinator& coordinator, const Questions* questions) {
  std::atomic<bool> stop = false;
  std::atomic<int64_t> done = 0;
  std::vector<std::thread> workers;
  for (int i = 0; i < kWorkers; ++i) {
    workers.emplace_back([&] { done += Worker(coordinator).Work(stop, std::numeric_limits<int64_t>::max()); });
  }
  Worker heart(coordinator);
  std::vector<double> beats;
  const double coordinator_cpu = coordinator.CpuSeconds();
  const double own_cpu = OwnCpuSeconds();
  const double asking_cpu = questions == nullptr ? 0 : questions->CpuSeconds();
  const auto start = steady_clock::now();
  for (auto next = start; next < start + kDuration; next += kHeartbeatEvery) {
    std::this_thread::sleep_until(next);
    beats.push_back(heart.HeartbeatMs());
  }
  const double seconds = std::chrono::duration<double>(steady_clock::now() - start).count();
  Measured measured;
  measured.coordinator_cpu = (coordinator.CpuSeconds() - coordinator_cpu) / seconds;
  measured.workers_cpu = (OwnCpuSeconds() - own_cpu) / seconds;
  if (questions != nullptr) measured.asking_cpu = (questions->CpuSeconds() - asking_cpu) / seconds;
  stop = true;
  for (std::thread& worker : workers) worker.join();
  std::sort(beats.begin(), beats.end());
  const auto at = [&](double share) {
    return beats[static_cast<size_t>(share * static_cast<double>(beats.size() - 1))];
  };
  measured.tasks_per_second = static_cast<double>(done) / seconds;
  measured.p50_ms = at(0.5);
  measured.p99_ms = at(0.99);
  measured.longest_ms = beats.back();
  return measured;
}

void Row(const std::string& program, const char* load, const Measured& measured, const std::string& answered) {
  std::printf("| %s | %s | %.0f | %.2f | %.2f | %.1f | %.2f / %.2f / %.2f | %s |\n", program.c_str(), load,
              measured.tasks_per_second, measured.p50_ms, measured.p99_ms, measured.longest_ms,
              measured.coordinator_cpu, measured.workers_cpu, measured.asking_cpu, answered.c_str());
  std::fflush(stdout);
}

void Load(const std::string& self, const std::string& program) {
  const Coordinator coordinator(program);
  const auto runs = wire::RunService::NewStub(coordinator.Connect());
  int seed = 0;
  const std::string finished = Submit(*runs, NoopRun(kScheduledTasks, ++seed));
  const std::atomic<bool> never = false;
  Worker(coordinator).Work(never, kScheduledTasks);
  // More than can be done in the time.
  for (int i = 0; i < kRuns; ++i) Submit(*runs, NoopRun(kWatchedTasks, ++seed));
  Row(program, "none", Measure(coordinator, nullptr), "");
  std::vector<std::string> watched;
  for (int i = 0; i < kRuns; ++i) {
    wire::RunSpec spec = NoopRun(kWatchedTasks, ++seed);
    spec.set_priority(1);  // these are worked on first
    watched.push_back(Submit(*runs, spec));
  }
  Questions questions(self, coordinator.address(), watched, finished);
  const Measured measured = Measure(coordinator, &questions);
  const Answered answered = questions.StopAndCount();
  Row(program, "questions", measured,
      absl::StrCat(answered.messages, " messages, ", answered.plans, " plans, ", answered.schedules, " schedules"));
}

void WithDashboards(const std::string& program) {
  const Coordinator coordinator(program, {"--web-listen", "127.0.0.1:0"});
  const auto runs = wire::RunService::NewStub(coordinator.Connect());
  int seed = 0;
  for (int i = 0; i < kListedRuns; ++i) Submit(*runs, NoopRun(kListedTasks, ++seed));
  std::vector<double> ratios;
  for (int turn = 0; turn < kTurns; ++turn) {
    for (int i = 0; i < kRuns; ++i) Submit(*runs, NoopRun(kWatchedTasks, ++seed));
    const Measured alone = Measure(coordinator, nullptr);
    Row(program, "none", alone, "");
    wire::RunSpec shown = NoopRun(kWatchedTasks, ++seed);
    shown.set_priority(1);  // this is worked on first
    const Dashboards pages(coordinator.web(), Submit(*runs, shown), kPages);
    pages.AwaitLoaded();
    const int64_t loaded = pages.bytes();
    const Measured shared = Measure(coordinator, nullptr);
    Row(program, "dashboards", shared,
        absl::StrCat(loaded / 1000, " kB to load, then ", (pages.bytes() - loaded) / 1000, " kB"));
    ratios.push_back(shared.tasks_per_second / alone.tasks_per_second);
  }
  std::sort(ratios.begin(), ratios.end());
  std::printf("with %d dashboards %.3f of the tasks a second, the median of %d turns (%.3f to %.3f)\n", kPages,
              ratios[ratios.size() / 2], kTurns, ratios.front(), ratios.back());
}

int Main(int argc, char** argv) {
  const std::string part = argc > 1 ? argv[1] : "";
  const std::vector<std::string> arguments(argv + std::min(argc, 2), argv + argc);
  if (part == "--ask") return AskUntilTold(arguments);
  if ((part != "load" && part != "submit" && part != "dashboards") || arguments.empty()) {
    std::fprintf(stderr, "usage: lwq_bench_loop load|submit|dashboards COORDINATOR…\n");
    return 2;
  }
  if (part == "submit") {
    CompareSubmissions(arguments);
    return 0;
  }
  std::printf(
      "| coordinator | load | tasks/s | heartbeat p50, ms | p99 | longest | CPUs: coordinator / workers / "
      "asking | answered |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n");
  for (const std::string& program : arguments) {
    part == "load" ? Load("/proc/self/exe", program) : WithDashboards(program);
  }
  return 0;
}

}  // namespace
}  // namespace lwq::bench

int main(int argc, char** argv) {
  return lwq::bench::Main(argc, argv);
}
