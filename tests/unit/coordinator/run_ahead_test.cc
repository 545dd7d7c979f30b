// SPDX-License-Identifier: Apache-2.0
// How far chains get ahead of the trainings they feed, by the budget of activations.
#include "coordinator/scheduler/choose/run_ahead.h"

#include <algorithm>
#include <deque>

#include "coordinator/scheduler/choose/task_choice.h"
#include "coordinator/scheduler/foresee/why.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::ActivationBudget;
using testing::BlockApSpec;
using ::testing::Each;
using testing::SchedulerHarness;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;
using testing::WorkerNamed;

constexpr int64_t kUnlimited = int64_t{1} << 40;

RunSpec WithHandoff(int blocks, const std::string& handoff) {
  RunSpec spec = BlockApSpec(blocks);
  spec.recipe.handoff = handoff;
  spec.recipe.eval_ppl = false;  // nothing for an idle worker but the run itself
  return spec;
}

std::string TitleOf(const std::optional<Lease>& lease) {
  return lease.has_value() ? lease->title : "nothing";
}

// Bytes of one activation of the run.
int64_t ActivationBytes(const SchedulerHarness& harness, const RunId& run) {
  const Digest& action = harness.TaskTitled(run, "embed calibration tokens").action_key;
  return harness.state().actions.at(action).outputs.at("activations").size_bytes;
}

TEST(RunAheadTest, BeyondTheBudgetTheChainWaitsUntilATrainingWillNeedIt) {
  SchedulerHarness harness(ActivationBudget(0));
  const WorkerId a = harness.Register("a");
  const WorkerId b = harness.Register("b");
  harness.Submit(WithHandoff(4, "sequential"));
  const Lease train = harness.RunUntil(a, "train block 0");
  EXPECT_EQ(TitleOf(harness.LeaseTo(b)), "nothing") << "train block 1 waits for block 0's checkpoint, too";
  ASSERT_TRUE(harness.Succeed(a, train).ok());
  EXPECT_THAT((std::vector<std::string>{TitleOf(harness.LeaseTo(a)), TitleOf(harness.LeaseTo(b))}),
              UnorderedElementsAre("advance quantized block 0", "advance full-precision block 1"))
      << "both of which train block 1 waits for";
}

TEST(RunAheadTest, ASearchOfScalesAloneIsNothingThatAChainRunsAheadFor) {
  SchedulerHarness harness(ActivationBudget(0));
  const WorkerId a = harness.Register("a");
  const WorkerId b = harness.Register("b");
  RunSpec spec = WithHandoff(4, "sequential");
  spec.recipe.prepare = "awq";
  harness.Submit(spec);
  harness.RunUntil(a, "train block 0");
  const std::optional<Lease> search = harness.LeaseTo(b);
  EXPECT_EQ(TitleOf(search), "search scales of block 1") << "whose activations are block 0's target";
  ASSERT_TRUE(harness.Succeed(b, *search).ok());
  EXPECT_EQ(TitleOf(harness.LeaseTo(b)), "nothing") << "though a further step would let block 2's be searched";
}

TEST(RunAheadTest, WithinTheBudgetItGoesOnAndStopsAtTheBudget) {
  for (const int64_t room : {1, 2, 3}) {
    SchedulerHarness harness(ActivationBudget(kUnlimited));
    const WorkerId a = harness.Register("a");
    const WorkerId b = harness.Register("b");
    const RunId run = harness.Submit(WithHandoff(6, "sequential"));
    const Lease train = harness.RunUntil(a, "train block 0");
    // Block 0's input and target are stored, and train block 0 reads them.
    const int64_t bytes = ActivationBytes(harness, run);
    SchedulerHarness limited(ActivationBudget((2 + room) * bytes));
    const WorkerId c = limited.Register("a");
    const WorkerId d = limited.Register("b");
    limited.Submit(WithHandoff(6, "sequential"));
    limited.RunUntil(c, "train block 0");
    for (int64_t i = 1; i <= room; ++i) {
      const std::optional<Lease> ahead = limited.LeaseTo(d);
      ASSERT_EQ(TitleOf(ahead), absl::StrCat("advance full-precision block ", i)) << "room for " << room;
      ASSERT_TRUE(limited.Succeed(d, *ahead).ok());
    }
    EXPECT_EQ(TitleOf(limited.LeaseTo(d)), "nothing") << "room for " << room;
    EXPECT_THAT(harness.RunToEnd(b), Each(StartsWith("advance full-precision"))) << "with no limit";
  }
}

TEST(RunAheadTest, AChainThatFeedsTrainingsDirectlyIsNotHeldBackButGivesWayToThem) {
  SchedulerHarness harness(ActivationBudget(0));
  const WorkerId a = harness.Register("a");
  const WorkerId b = harness.Register("b");
  const WorkerId c = harness.Register("c");
  harness.Submit(WithHandoff(4, "independent"));
  const Lease first = harness.RunUntil(a, "advance full-precision block 0");
  ASSERT_TRUE(harness.Succeed(a, first).ok());
  EXPECT_EQ(TitleOf(harness.LeaseTo(a)), "train block 0") << "though more hangs on the chain";
  const std::optional<Lease> second = harness.LeaseTo(b);
  EXPECT_EQ(TitleOf(second), "advance full-precision block 1") << "an idle worker makes the next training's target";
  EXPECT_EQ(TitleOf(harness.LeaseTo(c)), "nothing");
  ASSERT_TRUE(harness.Succeed(b, *second).ok());
  EXPECT_EQ(TitleOf(harness.LeaseTo(c)), "train block 1");
}

TEST(RunAheadTest, ARunDoesNotGiveWayToALessUrgentOne) {
  SchedulerHarness harness(ActivationBudget(0));
  const WorkerId worker = harness.Register("a");
  harness.Register("b");
  harness.Submit(WithHandoff(2, "sequential"));
  const Lease patient = harness.RunUntil(worker, "train block 0");
  RunSpec urgent = WithHandoff(2, "independent");
  urgent.priority = 1;
  urgent.recipe.seed = 7;  // its own chain
  harness.Submit(urgent);
  ASSERT_TRUE(harness.Release(worker, patient).ok());
  for (const char* title :
       {"prepare calibration tokens", "embed calibration tokens", "advance full-precision block 0"}) {
    const std::optional<Lease> lease = harness.LeaseTo(worker);
    ASSERT_EQ(TitleOf(lease), title) << "the patient run's training is ready";
    ASSERT_TRUE(harness.Succeed(worker, *lease).ok());
  }
}

// Or everybody might wait for ever.
TEST(RunAheadTest, ARunNobodyWorksForGoesOn) {
  SchedulerHarness harness(ActivationBudget(0));
  WorkerRecord chains = WorkerNamed("chains");
  chains.kinds = {TaskKind::kTokenize, TaskKind::kEmbed, TaskKind::kAdvance};
  WorkerRecord trains = WorkerNamed("trains");
  trains.kinds = {TaskKind::kTrainBlock, TaskKind::kExport};
  const WorkerId a = harness.Register(chains);
  const WorkerId b = harness.Register(trains);
  harness.Submit(WithHandoff(3, "sequential"));
  const std::vector<std::string> titles = harness.RunToEnd(a);
  EXPECT_EQ(titles.back(), "advance full-precision block 2");
  EXPECT_TRUE(HasTaskFor(harness.state(), harness.state().workers.at(b)));
}

// The most activations that are needed at once while the workers execute the run, in sizes of one.
int64_t MostNeeded(const std::string& handoff, int workers, int64_t budget_bytes) {
  SchedulerHarness harness(ActivationBudget(budget_bytes));
  std::map<WorkerId, std::optional<Lease>> leases;
  for (int i = 0; i < workers; ++i) leases[harness.Register(absl::StrCat("worker ", i))];
  const RunId run = harness.Submit(WithHandoff(8, handoff));
  int64_t most = 0;
  for (bool progress = true; progress;) {
    progress = false;
    for (auto& [worker, lease] : leases) lease = harness.LeaseTo(worker);
    for (auto& [worker, lease] : leases) {
      if (!lease.has_value()) continue;
      LWQ_CHECK(harness.Succeed(worker, *lease).ok(), lease->title);
      progress = true;
      most = std::max(most, harness.state().activations.needed_bytes());
    }
  }
  EXPECT_EQ(harness.run(run).record.state, RunState::kSucceeded);
  return most / ActivationBytes(harness, run);
}

TEST(RunAheadTest, WhatIsStoredAtOnceDoesNotGrowWithTheNumberOfBlocks) {
  EXPECT_GE(MostNeeded("sequential", 3, kUnlimited), 5) << "or there is nothing to hold back";
  EXPECT_LE(MostNeeded("sequential", 3, 0), 3) << "a block's input and target, and one more while the next is made";
  EXPECT_GE(MostNeeded("independent", 1, kUnlimited), 8);
  EXPECT_LE(MostNeeded("independent", 1, 0), 2);
}

// The same of several runs that share nothing, and how often a worker that could have begun one stood idle.
struct OfSeveral {
  int64_t most_needed = 0;  // in sizes of one activation
  int64_t rounds = 0;
};
OfSeveral SeveralRuns(int runs, int workers, int64_t budget_bytes, bool projects = false) {
  SchedulerHarness harness(ActivationBudget(budget_bytes));
  std::map<WorkerId, std::optional<Lease>> leases;
  const WorkerId first = harness.Register("worker 0");
  std::vector<RunId> submitted;
  for (int i = 0; i < runs; ++i) {
    RunSpec spec = WithHandoff(4, "sequential");
    spec.recipe.seed = i;  // windows of its own, hence chains
    if (projects) spec.project = absl::StrCat("project ", i);
    submitted.push_back(harness.Submit(spec));
  }
  // The first run is on when the other workers come.
  leases[first] = harness.RunUntil(first, "train block 0");
  for (int i = 1; i < workers; ++i) leases[harness.Register(absl::StrCat("worker ", i))];
  OfSeveral result;
  for (bool progress = true; progress; ++result.rounds) {
    progress = false;
    for (auto& [worker, lease] : leases) lease = harness.LeaseTo(worker);
    for (auto& [worker, lease] : leases) {
      if (!lease.has_value()) continue;
      LWQ_CHECK(harness.Succeed(worker, *lease).ok(), lease->title);
      progress = true;
      result.most_needed = std::max(result.most_needed, harness.state().activations.needed_bytes());
    }
  }
  for (const RunId& run : submitted) EXPECT_EQ(harness.run(run).record.state, RunState::kSucceeded);
  result.most_needed /= ActivationBytes(harness, submitted.front());
  return result;
}

TEST(RunAheadTest, BeyondTheBudgetTheRunsThatAreOnAreFinishedBeforeOthersAreBegun) {
  const OfSeveral unlimited = SeveralRuns(8, 4, kUnlimited);
  const OfSeveral limited = SeveralRuns(8, 4, 0);
  std::printf(
      "8 runs, 4 workers: at most %lld activations needed at once in %lld rounds without a budget, %lld in %lld "
      "with none to spare\n",
      static_cast<long long>(unlimited.most_needed), static_cast<long long>(unlimited.rounds),
      static_cast<long long>(limited.most_needed), static_cast<long long>(limited.rounds));
  EXPECT_GE(unlimited.most_needed, 6) << "or there is nothing to hold back";
  EXPECT_LE(limited.most_needed, 4) << "about those of one run";
}

TEST(RunAheadTest, ARunOfAnotherProjectIsNotHeldBackByThisOnes) {
  EXPECT_GT(SeveralRuns(4, 4, 0, /*projects=*/true).most_needed, SeveralRuns(4, 4, 0).most_needed);
}

TEST(RunAheadTest, MeasurementsAreNotHeldBack) {
  for (const char* metric : {"fisher", "gradient"}) {
    std::vector<std::vector<std::string>> rounds[2];
    for (const int64_t budget : {int64_t{0}, kUnlimited}) {
      SchedulerHarness harness(ActivationBudget(budget));
      std::map<WorkerId, std::optional<Lease>> leases;
      for (const char* name : {"a", "b", "c"}) leases[harness.Register(name)];
      RunSpec spec = WithHandoff(3, "sequential");
      spec.recipe.method = "sensitivity";
      spec.recipe.export_format = "none";
      spec.recipe.sensitivity_metric = metric;
      spec.recipe.sensitivity_samples = 3;
      spec.recipe.sensitivity_shard_samples = 1;
      const RunId run = harness.Submit(spec);
      for (bool progress = true; progress;) {
        std::vector<std::string> round;
        for (auto& [worker, lease] : leases) {
          lease = harness.LeaseTo(worker);
          if (lease.has_value()) round.push_back(lease->title);
        }
        for (auto& [worker, lease] : leases) {
          if (!lease.has_value()) continue;
          ASSERT_TRUE(harness.Succeed(worker, *lease).ok());
        }
        progress = !round.empty();
        rounds[budget == 0 ? 0 : 1].push_back(std::move(round));
      }
      EXPECT_EQ(harness.run(run).record.state, RunState::kSucceeded) << metric;
    }
    EXPECT_EQ(rounds[0], rounds[1]) << metric;
  }
}

// Four workers on six runs of project "small", of six models, and one run of another.
class ProjectBudgetTest : public ::testing::Test {
 protected:
  static SchedulerOptions Options(int64_t max_stored_bytes) {
    SchedulerOptions options = ActivationBudget(kUnlimited);
    options.projects["small"].max_stored_bytes = max_stored_bytes;
    return options;
  }
  // Runs to the end; the most runs of the project that had activations to be read at once.
  static size_t MostBegunAtOnce(const std::string& handoff, int64_t max_stored_bytes, int workers) {
    SchedulerHarness harness(Options(max_stored_bytes));
    for (int i = 0; i < 7; ++i) {
      RunSpec spec = WithHandoff(3, handoff);
      spec.model->files = testing::NamedArtifact(absl::StrCat("model ", i));
      spec.project = i == 6 ? "other" : "small";
      harness.Submit(spec);
    }
    std::vector<WorkerId> ids;
    for (int i = 0; i < workers; ++i) ids.push_back(harness.Register(absl::StrCat("w", i)));
    std::deque<std::pair<WorkerId, Lease>> held;
    size_t most = 0;
    while (true) {
      for (const WorkerId& id : ids) {
        if (harness.state().workers.at(id).lease.has_value()) continue;
        const std::optional<Lease> lease = harness.LeaseTo(id);
        if (lease.has_value()) held.push_back({id, *lease});
      }
      if (held.empty()) break;
      const auto [worker, lease] = held.front();
      held.pop_front();
      LWQ_CHECK(harness.Succeed(worker, lease).ok(), "");
      most = std::max(most, BegunRuns(harness.state()));
      LWQ_CHECK(testing::CheckIndexes(harness.state()).empty(), testing::CheckIndexes(harness.state()));
    }
    for (const auto& [id, run] : harness.state().runs) EXPECT_EQ(run.record.state, RunState::kSucceeded) << handoff;
    EXPECT_EQ(harness.state().activations.needed_bytes_of("small"), 0);
    return most;
  }
  static size_t BegunRuns(const State& state) {
    size_t begun = 0;
    for (const auto& [id, run] : state.runs) {
      begun += run.record.spec->project == "small" && run.record.state == RunState::kRunning &&
               std::any_of(run.tasks.begin(), run.tasks.end(), [&](const RunTaskRecord& planned) {
                 const TaskEntry& task = state.tasks.at(planned.key);
                 return task.record.def->kind == TaskKind::kEmbed && task.record.state == TaskState::kSucceeded;
               });
    }
    return begun;
  }
};

TEST_F(ProjectBudgetTest, BeyondItRunsThatHaveActivationsGoOnBeforeOthersBeginAndAllEnd) {
  for (const char* handoff : {"sequential", "independent", "relay"}) {
    EXPECT_EQ(MostBegunAtOnce(handoff, 0, 8), 6u) << handoff;
    for (const int workers : {1, 2, 8}) {
      EXPECT_LE(MostBegunAtOnce(handoff, 1, workers), 3u) << handoff << " on " << workers;
    }
  }
}

TEST_F(ProjectBudgetTest, OtherProjectsGoOnAndWhyTellsWhatIsWaitedFor) {
  SchedulerHarness harness(Options(1));
  const WorkerId a = harness.Register("a");
  RunSpec spec = WithHandoff(3, "sequential");
  spec.project = "small";
  harness.Submit(spec);
  harness.RunUntil(a, "train block 0");
  spec.model->files = testing::NamedArtifact("another model");
  const RunId waiting = harness.Submit(spec);
  spec.project = "other";
  spec.model->files = testing::NamedArtifact("a third model");
  const RunId other = harness.Submit(spec);
  const WorkerId b = harness.Register("b");
  harness.RunToEnd(b);
  EXPECT_EQ(harness.run(other).record.state, RunState::kSucceeded);
  const TaskRecord& embed = harness.TaskTitled(waiting, "embed calibration tokens");
  EXPECT_EQ(embed.state, TaskState::kReady);
  const size_t position = harness.state().tasks.at(embed.key).wanted_by.begin()->second;
  EXPECT_THAT(Why(harness.state(), harness.run(waiting), position, harness.now()),
              ::testing::Contains(::testing::HasSubstr("it is held back: project 'small' has")));
}

}  // namespace
}  // namespace lwq::coordinator
