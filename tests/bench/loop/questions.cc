// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/loop/questions.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <thread>

#include "common/status/status.h"
#include "tests/bench/loop/bench_coordinator.h"

namespace lwq::bench {
namespace {

constexpr int kWatchers = 50;
// On other machines the clients would take nothing of the coordinator's processors.
constexpr int kNice = 10;

struct Asked {
  std::string address;
  std::string finished;
  std::vector<std::string> watched;
  std::atomic<int64_t> messages = 0, plans = 0, schedules = 0;

  void Watch(const std::string& run) {
    const auto stub = wire::RunService::NewStub(ConnectTo(address));
    wire::WatchRunRequest request;
    request.set_run_id(run);
    request.set_changes_only(true);
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    const auto stream = stub->WatchRun(&context, request);
    wire::WatchRunResponse response;
    while (stream->Read(&response)) ++messages;
    stream->Finish();
  }

  void Plan() {
    const auto stub = wire::RunService::NewStub(ConnectTo(address));
    wire::PlanRunRequest request;
    *request.mutable_spec() = QuantizingRun(1);
    request.mutable_spec()->mutable_recipe()->set_handoff("relay");
    while (true) {
      wire::PlanRunResponse response;
      grpc::ClientContext context;
      context.set_wait_for_ready(true);  // All connect at once, which a busy coordinator may refuse at first.
      Must(stub->PlanRun(&context, request, &response), "PlanRun");
      ++plans;
    }
  }

  void Schedule() {
    const auto stub = wire::RunService::NewStub(ConnectTo(address));
    wire::ScheduleRunRequest request;
    request.set_run_id(finished);
    for (int workers = 1; workers <= 16; ++workers) request.add_workers(workers);
    while (true) {
      wire::ScheduleRunResponse response;
      grpc::ClientContext context;
      context.set_wait_for_ready(true);
      Must(stub->ScheduleRun(&context, request, &response), "ScheduleRun");
      ++schedules;
    }
  }
};

}  // namespace

Questions::Questions(const std::string& program, const std::string& address, const std::vector<std::string>& watched,
                     const std::string& finished)
    : counts_path_(directory_.path() + "/counts") {
  std::vector<std::string> argv = {program, "--ask", counts_path_, address, finished};
  argv.insert(argv.end(), watched.begin(), watched.end());
  process_ = test::Process(argv, directory_.path() + "/log");
}

double Questions::CpuSeconds() const {
  return bench::CpuSeconds(process_.pid());
}

Answered Questions::StopAndCount() {
  process_.Signal(SIGTERM);
  LWQ_CHECK(process_.Wait() == 0, "asking failed: ", test::ReadFileOrEmpty(directory_.path() + "/log"));
  Answered answered;
  std::ifstream(counts_path_) >> answered.messages >> answered.plans >> answered.schedules;
  return answered;
}

int AskUntilTold(const std::vector<std::string>& arguments) {
  if (arguments.size() < 3) return 2;
  [[maybe_unused]] const int priority = nice(kNice);  // Threads started from here on inherit it.
  sigset_t told;
  sigemptyset(&told);
  sigaddset(&told, SIGTERM);
  sigprocmask(SIG_BLOCK, &told, nullptr);
  Asked asked;
  asked.address = arguments[1];
  asked.finished = arguments[2];
  asked.watched.assign(arguments.begin() + 3, arguments.end());
  std::vector<std::thread> threads;
  for (int i = 0; i < kWatchers; ++i) {
    threads.emplace_back([&] {
      for (const std::string& run : asked.watched) asked.Watch(run);
    });
  }
  threads.emplace_back([&] { asked.Plan(); });
  threads.emplace_back([&] { asked.Schedule(); });
  int signal = 0;
  sigwait(&told, &signal);
  std::ofstream(arguments[0]) << asked.messages << " " << asked.plans << " " << asked.schedules << std::endl;
  // Calls in flight end with the process: a watcher of a run that stands still would wait for ever.
  std::_Exit(0);
}

}  // namespace lwq::bench
