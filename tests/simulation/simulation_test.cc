// SPDX-License-Identifier: Apache-2.0
// Hundreds of seeded worlds in which everything that can go wrong does, and planted bugs that must be found.
//
// LWQ_SIMULATION_SEEDS sets how many worlds (default 300), LWQ_SIMULATION_FIRST_SEED where they start: a failure prints
// the seed, and that seed alone reproduces it.
#include <cstdlib>

#include "gtest/gtest.h"
#include "tests/simulation/world.h"

namespace lwq::coordinator::simulation {
namespace {

int64_t FromEnvironment(const char* name, int64_t default_value) {
  const char* text = std::getenv(name);
  return text == nullptr ? default_value : std::atoll(text);
}

TEST(SimulationTest, EveryPromiseHoldsInEveryWorld) {
  const int64_t first = FromEnvironment("LWQ_SIMULATION_FIRST_SEED", 1);
  const int64_t count = FromEnvironment("LWQ_SIMULATION_SEEDS", 300);
  WorldReport sum;
  for (int64_t seed = first; seed < first + count; ++seed) {
    const WorldReport report = SimulateWorld(static_cast<uint64_t>(seed), Mutant::kNone);
    ASSERT_EQ(report.violation, "") << "seed " << seed;
    sum.steps += report.steps;
    sum.executions += report.executions;
    sum.runs += report.runs;
    sum.runs_succeeded += report.runs_succeeded;
    sum.restarts += report.restarts;
    sum.kills += report.kills;
    sum.discards += report.discards;
    sum.remakes += report.remakes;
    sum.duplicates += report.duplicates;
    sum.quarantines += report.quarantines;
    sum.runs_stopped += report.runs_stopped;
    sum.deletions += report.deletions;
    sum.restored += report.restored;
    sum.checkpoints += report.checkpoints;
    sum.gone_on += report.gone_on;
    sum.checkpoints_refused += report.checkpoints_refused;
  }
  std::printf(
      "%lld worlds: %lld steps, %lld executions, %d coordinator restarts, %d workers killed, %d artifacts discarded, "
      "%d of them made again, %d duplicates, %d quarantines, %d of %d runs succeeded, %d stopped by halving, %d "
      "deleted, %d exports made again, %d checkpoints, %d gone on from, %d refused\n",
      static_cast<long long>(count), static_cast<long long>(sum.steps), static_cast<long long>(sum.executions),
      sum.restarts, sum.kills, sum.discards, sum.remakes, sum.duplicates, sum.quarantines, sum.runs_succeeded, sum.runs,
      sum.runs_stopped, sum.deletions, sum.restored, sum.checkpoints, sum.gone_on, sum.checkpoints_refused);
  // The worlds must be wild, and yet mostly end well: otherwise the checks above see nothing.
  if (count >= 100) {
    EXPECT_GT(sum.restarts, count / 4);
    EXPECT_GT(sum.kills, count / 2);
    EXPECT_GT(sum.discards, count);
    EXPECT_GT(sum.remakes, count / 20);  // they come in clusters: 0.08 to 0.17 a world
    EXPECT_GT(sum.duplicates, count / 10);
    EXPECT_GT(sum.quarantines, count / 10);
    EXPECT_GT(sum.runs_succeeded, sum.runs / 2);
    EXPECT_GT(sum.runs_stopped, count / 4);
    EXPECT_GT(sum.deletions, count / 4);
    EXPECT_GT(sum.restored, count / 4);
    EXPECT_GT(sum.checkpoints, count);
    EXPECT_GT(sum.gone_on, count / 20);
    EXPECT_GT(sum.checkpoints_refused, 0);
  }
}

TEST(SimulationTest, OneSeedIsOneHistory) {
  for (uint64_t seed = 1000; seed < 1010; ++seed) {
    EXPECT_EQ(SimulateWorld(seed, Mutant::kNone).log_digest, SimulateWorld(seed, Mutant::kNone).log_digest) << seed;
  }
  EXPECT_NE(SimulateWorld(1000, Mutant::kNone).log_digest, SimulateWorld(1001, Mutant::kNone).log_digest);
}

struct MutantCase {
  const char* name;
  Mutant mutant;
};
class MutantTest : public ::testing::TestWithParam<MutantCase> {};

TEST_P(MutantTest, IsCaught) {
  constexpr uint64_t kSeeds = 200;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const WorldReport report = SimulateWorld(seed, GetParam().mutant);
    if (report.violation.empty()) continue;
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), report.violation.c_str());
    return;
  }
  ADD_FAILURE() << "not caught in " << kSeeds << " worlds";
}

INSTANTIATE_TEST_SUITE_P(Each, MutantTest,
                         ::testing::Values(MutantCase{"SkipTokenCheck", Mutant::kSkipTokenCheck},
                                           MutantCase{"ReplyBeforeCommit", Mutant::kReplyBeforeCommit},
                                           MutantCase{"LoseTaskChange", Mutant::kLoseTaskChange},
                                           MutantCase{"ForgetDroppedResult", Mutant::kForgetDroppedResult},
                                           MutantCase{"GrantTwice", Mutant::kGrantTwice},
                                           MutantCase{"ReadyBeforeInputs", Mutant::kReadyBeforeInputs},
                                           MutantCase{"ReviveRun", Mutant::kReviveRun},
                                           MutantCase{"ForgetReadyTask", Mutant::kForgetReadyTask},
                                           MutantCase{"ForgetSubmission", Mutant::kForgetSubmission},
                                           MutantCase{"DiscardWhatIsRead", Mutant::kDiscardWhatIsRead},
                                           MutantCase{"LoseDiscard", Mutant::kLoseDiscard},
                                           MutantCase{"OfferDeleted", Mutant::kOfferDeleted},
                                           MutantCase{"ForgetRungResult", Mutant::kForgetRungResult},
                                           MutantCase{"KeepOrphans", Mutant::kKeepOrphans},
                                           MutantCase{"ReuseTokens", Mutant::kReuseTokens},
                                           MutantCase{"DiscardCheckpoint", Mutant::kDiscardCheckpoint},
                                           MutantCase{"ForgetCheckpoint", Mutant::kForgetCheckpoint},
                                           MutantCase{"TakeAnyCheckpoint", Mutant::kTakeAnyCheckpoint}),
                         [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace lwq::coordinator::simulation
