// SPDX-License-Identifier: Apache-2.0
// The scheduler alone, at sizes that no test waits for.
//
//   lwq_bench_scheduler makespan    200 runs of 32 blocks on up to 1,000 workers of two classes, in virtual time: how
//                                   close the end comes to what the work and the longest chain allow
//   lwq_bench_scheduler shares      the same numbers of runs and workers, of three classes and four projects: how far
//                                   the projects are from their shares in any hour
//   lwq_bench_scheduler decisions   what a lease and its report cost with up to 10,000 workers and 1,000,000 queued
//                                   tasks
//
// Deterministic but for the times of `decisions`, which are this machine's.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <deque>

#include "coordinator/scheduler/state/restore.h"
#include "tests/unit/coordinator/devices.h"
#include "tests/unit/coordinator/fair_shares.h"
#include "tests/unit/coordinator/virtual_fleet.h"

namespace lwq::bench {
namespace {

using coordinator::Effects;
using coordinator::Instant;
using coordinator::Lease;
using coordinator::LeaseReply;
using coordinator::LeaseTask;
using coordinator::ReportTask;
using coordinator::RunSpec;
using coordinator::State;
using coordinator::WorkerId;
using coordinator::WorkerRecord;
namespace testing = coordinator::testing;
using std::chrono::steady_clock;

// Seconds of a task on an A100, by kind, in the proportions of a 7B model; an L4 takes 2.5 times as long.
double Seconds(const TaskDef& def, const WorkerRecord& worker) {
  const double slower = worker.numerics_class == testing::kL4.base ? 2.5 : 1;
  switch (def.kind) {
    case TaskKind::kTrainBlock:
      return 600 * slower;
    case TaskKind::kAdvance:
      return 20 * slower;
    case TaskKind::kEvaluatePpl:
      return 30 * slower;
    case TaskKind::kExport:
      return 60;
    default:
      return 10;
  }
}

RunSpec Arm(int model, int bits, int64_t group_size, int64_t seed) {
  RunSpec spec = testing::BlockApSpec(32);
  spec.model->files = testing::NamedArtifact(absl::StrCat("model ", model));
  spec.recipe.wbits = bits;
  spec.recipe.group_size = group_size;
  spec.recipe.seed = seed;
  return spec;
}

void Makespan() {
  std::printf(
      "| workers | runs | tasks | executed | makespan, h | longest chain, h | work / workers, h | makespan / bound |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- |\n");
  for (const int workers : {20, 50, 100, 200, 1000}) {
    testing::VirtualFleet fleet({}, Seconds);
    for (int i = 0; i < workers; ++i) {
      fleet.Add(testing::WorkerOn(i % 4 == 3 ? testing::kL4 : testing::kA10040, absl::StrCat("w", i)));
    }
    // One run on each class tells how fast it is.
    for (const testing::Device& device : {testing::kA10040, testing::kL4}) {
      RunSpec first = Arm(-1, 2, 32, 2);
      first.numerics_class = device.base;
      fleet.Submit(first);
    }
    const double before = fleet.RunToEnd();
    fleet.ForgetTimes();
    int64_t tasks = 0;
    for (int model = 0; model < 10; ++model) {
      for (const int bits : {2, 3, 4, 8, 2}) {
        for (const int64_t group_size : {32, 64}) {
          for (const int64_t seed : {2, 3}) {
            const auto id = fleet.Submit(Arm(model, bits, group_size, seed));
            tasks += static_cast<int64_t>(fleet.state().runs.at(id).tasks.size());
          }
        }
      }
    }
    const double makespan = fleet.RunToEnd() - before;
    const double chain = fleet.CriticalPathSeconds();
    const double share = fleet.busy_seconds() / workers;
    std::printf("| %d | 200 | %lld | %lld | %.2f | %.2f | %.2f | %.3f |\n", workers, static_cast<long long>(tasks),
                static_cast<long long>(fleet.executed()), makespan / 3600, chain / 3600, share / 3600,
                makespan / std::max(chain, share));
    std::fflush(stdout);
  }
}

void Shares() {
  std::printf(
      "| workers | runs of 32 blocks | hours | windows of an hour | furthest from a share |\n"
      "| --- | --- | --- | --- | --- |\n");
  constexpr int hours = 3;
  for (const int workers : {100, 300, 1000}) {
    // The more workers, the longer the tasks: so there is work for two hours on every class.
    testing::FairFleet fleet(workers, 200, 32, workers == 100 ? 150 : workers == 300 ? 300 : 1200);
    const testing::Fairness fairness = fleet.Measure(hours);
    std::printf("| %d | 200 | %d | %d | %.2f %% |\n", workers, hours, fairness.windows, 100 * fairness.largest_error);
    std::fflush(stdout);
  }
}

struct Cost {
  double p50_us = 0, p99_us = 0, mean_us = 0;
};

// Leases to workers in turn, each of which reports when it comes round again.
Cost Decide(coordinator::State& state, const std::vector<WorkerId>& workers, int decisions) {
  std::deque<std::pair<WorkerId, Lease>> held;
  std::vector<double> costs;
  int64_t now_ms = 1;
  const auto timed = [&](const coordinator::Event& event) {
    const auto start = steady_clock::now();
    Effects effects = Step(state, event, Instant{.steady_ms = now_ms++, .unix_ms = 0});
    const double us = std::chrono::duration<double, std::micro>(steady_clock::now() - start).count();
    LWQ_CHECK(effects.status.ok(), effects.status.ToString());
    return std::pair(us, std::move(effects));
  };
  for (int i = 0; i < decisions; ++i) {
    double us = 0;
    if (held.size() == workers.size()) {
      const auto [worker, lease] = held.front();
      held.pop_front();
      ReportTask report{.worker = worker,
                        .task = lease.task,
                        .token = lease.token,
                        .outcome = testing::HonestSuccess(lease),
                        .seconds = 1,
                        .log_lines = {},
                        .lease_next = true};
      auto [took, effects] = timed(report);
      us = took;
      held.push_back({worker, *std::get<LeaseReply>(effects.reply).lease});
    } else {
      const WorkerId& worker = workers[held.size()];
      auto [took, effects] = timed(LeaseTask{worker});
      us = took;
      held.push_back({worker, *std::get<LeaseReply>(effects.reply).lease});
    }
    costs.push_back(us);
  }
  std::sort(costs.begin(), costs.end());
  double sum = 0;
  for (const double cost : costs) sum += cost;
  const auto at = [&](double share) {
    return costs[static_cast<size_t>(share * static_cast<double>(costs.size() - 1))];
  };
  return {at(0.5), at(0.99), sum / static_cast<double>(costs.size())};
}

void Decisions() {
  constexpr int kTasksOfARun = 5000;
  constexpr int kDecisions = 30'000;
  std::printf(
      "| workers | queued tasks | runs | p50, µs | p99, µs | mean, µs |\n| --- | --- | --- | --- | --- | --- |\n");
  for (const int workers : {100, 1000, 10'000}) {
    for (const int queued : {100'000, 300'000, 1'000'000}) {
      coordinator::SchedulerOptions options;
      options.lease_ms = int64_t{1} << 50;
      options.log_lines = 10;
      State state = *coordinator::RestoreState(coordinator::Records(), options, Instant());
      std::vector<WorkerId> ids;
      for (int i = 0; i < workers; ++i) {
        const auto& device = i % 3 == 0 ? testing::kL4 : i % 3 == 1 ? testing::kA10040 : testing::kCpu;
        const Effects effects =
            Step(state, coordinator::RegisterWorker{testing::WorkerOn(device, absl::StrCat("w", i))}, Instant());
        ids.push_back(std::get<coordinator::RegisterReply>(effects.reply).worker);
      }
      const int runs = queued / kTasksOfARun;
      for (int run = 0; run < runs; ++run) {
        RunSpec spec = testing::NoopSpec(kTasksOfARun, run + 1);
        spec.project = absl::StrCat("project ", run % 7);
        spec.priority = run % 5;
        LWQ_CHECK(Step(state, coordinator::SubmitRun{spec, ""}, Instant()).status.ok(), "");
      }
      const Cost cost = Decide(state, ids, kDecisions);
      std::printf("| %d | %d | %d | %.1f | %.1f | %.1f |\n", workers, queued, runs, cost.p50_us, cost.p99_us,
                  cost.mean_us);
      std::fflush(stdout);
    }
  }
}

}  // namespace
}  // namespace lwq::bench

int main(int argc, char** argv) {
  const std::string part = argc == 2 ? argv[1] : "";
  if (part == "makespan") {
    lwq::bench::Makespan();
  } else if (part == "shares") {
    lwq::bench::Shares();
  } else if (part == "decisions") {
    lwq::bench::Decisions();
  } else {
    std::fprintf(stderr, "usage: lwq_bench_scheduler makespan|shares|decisions\n");
    return 2;
  }
  return 0;
}
