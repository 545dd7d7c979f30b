// SPDX-License-Identifier: Apache-2.0
// Sweeps with halving: who is trained on, what is begun for whom, and what pausing, resuming, cancelling and a restart
// do to runs that were stopped.
#include <algorithm>
#include <cmath>
#include <limits>

#include "coordinator/scheduler/state/run_rungs.h"
#include "coordinator/scheduler/step/step.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/halved_sweeps.h"

namespace lwq::coordinator {
namespace {

using testing::AcceptedSweep;
using testing::ArmSpec;
using testing::CheckIndexes;
using testing::DescribeDurable;
using ::testing::ElementsAre;
using testing::HalvedSweep;
using testing::HalvingBy;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::MembersOf;
using ::testing::Not;
using testing::RunArmsToEnd;
using testing::SchedulerHarness;
using testing::StatesOf;
using testing::SucceedByArm;

constexpr auto kStopped = RunState::kStopped;
constexpr auto kSucceeded = RunState::kSucceeded;
constexpr auto kRunning = RunState::kRunning;
constexpr auto kCancelled = RunState::kCancelled;

// The later arm is the better one.
double Falling(int64_t arm, int64_t) {
  return 10 - static_cast<double>(arm);
}
// The earlier arm is the better one.
double Rising(int64_t arm, int64_t) {
  return 1 + static_cast<double>(arm);
}

int64_t Count(const std::vector<std::string>& titles, std::string_view begin) {
  return std::count_if(titles.begin(), titles.end(),
                       [&](const std::string& title) { return title.starts_with(begin); });
}

const std::vector<RungResult>& JournalOf(const SchedulerHarness& harness, const SweepId& id) {
  return harness.state().sweeps.at(id).rung_results;
}

std::string RefusalOf(const SubmitSweep& sweep) {
  SchedulerHarness harness;
  const std::string before = DescribeDurable(harness.state());
  const Effects effects = harness.Do(sweep);
  EXPECT_EQ(effects.status.code(), absl::StatusCode::kInvalidArgument) << effects.status;
  EXPECT_THAT(effects.changes, IsEmpty());
  EXPECT_EQ(DescribeDurable(harness.state()), before);
  return std::string(MessageOf(effects.status));
}

TEST(HalvingStepTest, TheBestOfEachRungAreTrainedOnAndNoBlockMoreThanTheirRungsIsTrained) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const SweepId id = AcceptedSweep(harness, HalvedSweep(9, 9, HalvingBy(3)));
  const std::vector<std::string> titles = RunArmsToEnd(harness, worker, Falling);
  // Rungs of 1, 3 and 9 blocks for 9, 3 and 1 runs.
  EXPECT_EQ(Count(titles, "train block"), 9 * 1 + 3 * 2 + 1 * 6);
  EXPECT_EQ(Count(titles, "advance full-precision"), 9) << "once for all that need it";
  EXPECT_EQ(Count(titles, "export"), 1);
  EXPECT_THAT(StatesOf(harness, id),
              ElementsAre(kStopped, kStopped, kStopped, kStopped, kStopped, kStopped, kStopped, kStopped, kSucceeded));
  EXPECT_EQ(CheckIndexes(harness.state()), "");
  std::vector<int64_t> recorded(9, 0);
  for (const RungResult& result : JournalOf(harness, id)) ++recorded[static_cast<size_t>(result.run)];
  EXPECT_THAT(recorded, ElementsAre(1, 1, 1, 1, 1, 1, 2, 2, 3));
  EXPECT_TRUE(harness.state().halvings.at(id).ended());
}

TEST(HalvingStepTest, NothingBeyondARunsRungIsBegunForItAndARunOutsideBeginsTheSameTask) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const WorkerId other = harness.Register("b");
  const SweepId id = AcceptedSweep(harness, HalvedSweep(2, 3, HalvingBy(2)));
  const Lease last = [&] {
    // All of rung 0 but the training of the second arm.
    std::vector<Lease> trainings;
    while (const std::optional<Lease> lease = harness.LeaseTo(worker)) {
      if (lease->title == "train block 0" && !trainings.empty()) return *lease;
      if (lease->title == "train block 0") trainings.push_back(*lease);
      LWQ_CHECK(SucceedByArm(harness, worker, *lease, Rising).ok());
    }
    LWQ_CHECK(false, "the second arm is not trained");
    return Lease();
  }();
  EXPECT_THAT(RunArmsToEnd(harness, other, Rising), Not(::testing::Contains("train block 1")));
  EXPECT_EQ(harness.LeaseTo(other), std::nullopt) << "the first arm waits at its rung";
  const std::vector<RunId> runs = MembersOf(harness, id);
  EXPECT_TRUE(WaitsAtRung(harness.state(), harness.run(runs[0])));

  // The same spec, of no sweep: what the first arm may not begin yet is begun for it.
  RunSpec outside = ArmSpec(0, 3);
  outside.name = "outside";
  const RunId alone = harness.Submit(outside);
  const std::vector<std::string> titles = RunArmsToEnd(harness, other, Rising);
  EXPECT_EQ(Count(titles, "train block"), 2) << "blocks 1 and 2; block 0 was there";
  EXPECT_EQ(harness.run(alone).record.state, kSucceeded);
  EXPECT_EQ(harness.run(runs[0]).record.state, kSucceeded) << "nothing was left to be done for it";
  ASSERT_TRUE(SucceedByArm(harness, worker, last, Rising).ok());
  EXPECT_EQ(harness.run(runs[1]).record.state, kStopped);
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

TEST(HalvingStepTest, AtEveryMomentARestartGivesTheSamePromotions) {
  const auto played = [](int64_t restart_after) {
    SchedulerHarness harness;
    WorkerId worker = harness.Register("a");
    const SweepId id = AcceptedSweep(harness, HalvedSweep(5, 4, HalvingBy(2)));
    int64_t executed = 0;
    while (const std::optional<Lease> lease = harness.LeaseTo(worker)) {
      LWQ_CHECK(SucceedByArm(harness, worker, *lease, [](int64_t arm, int64_t block) {
                  return static_cast<double>((arm * 7 + block * 3) % 5);
                }).ok());
      if (++executed == restart_after) {
        const std::string before = DescribeDurable(harness.state());
        harness.Restart();
        EXPECT_EQ(DescribeDurable(harness.state()), before);
        EXPECT_EQ(CheckIndexes(harness.state()), "");
      }
    }
    EXPECT_TRUE(harness.state().halvings.at(id).ended());
    return std::pair(StatesOf(harness, id), JournalOf(harness, id));
  };
  const auto undisturbed = played(0);
  EXPECT_EQ(std::count(undisturbed.first.begin(), undisturbed.first.end(), kSucceeded), 1);
  for (int64_t moment = 1; moment <= 30; ++moment) EXPECT_EQ(played(moment), undisturbed) << moment;
}

TEST(HalvingStepTest, ARunThatFailsOrIsCancelledOrMeasuresNoNumberIsTheWorst) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const SweepId id = AcceptedSweep(harness, HalvedSweep(4, 2, HalvingBy(2)));
  const std::vector<RunId> runs = MembersOf(harness, id);
  ASSERT_TRUE(harness.Do(CancelRun{runs[0].value}).status.ok());
  const auto loss = [](int64_t arm, int64_t) { return arm == 3 ? std::nan("") : 1.0; };
  while (const std::optional<Lease> lease = harness.LeaseTo(worker)) {
    const bool of_second =
        harness.state().tasks.at(lease->task).wanted_by.size() == 1 &&
        harness.state().tasks.at(lease->task).wanted_by.contains(harness.run(runs[1]).record.sequence);
    if (of_second && lease->def->kind == TaskKind::kTrainBlock) {
      ASSERT_TRUE(harness.Fail(worker, *lease, FailureCause::kTask).ok());
    } else {
      ASSERT_TRUE(SucceedByArm(harness, worker, *lease, loss).ok());
    }
  }
  EXPECT_THAT(StatesOf(harness, id), ElementsAre(kCancelled, RunState::kFailed, kSucceeded, kStopped));
  EXPECT_TRUE(HasEnded(harness.state(), harness.run(runs[3])));
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

TEST(HalvingStepTest, WhereThePromotedOneFailsTheBestStoppedOneGoesOnWithWhatItHas) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const SweepId id = AcceptedSweep(harness, HalvedSweep(3, 2, HalvingBy(3)));
  const std::vector<RunId> runs = MembersOf(harness, id);
  std::vector<std::string> titles;
  while (const std::optional<Lease> lease = harness.LeaseTo(worker)) {
    titles.push_back(lease->title);
    if (lease->title == "train block 1" && harness.run(runs[0]).record.state == kRunning) {
      EXPECT_EQ(harness.run(runs[1]).record.state, kStopped);
      EXPECT_FALSE(HasEnded(harness.state(), harness.run(runs[1]))) << "it may be promoted after all";
      EXPECT_NE(harness.run(runs[1]).record.finished_unix_ms, 0);
      ASSERT_TRUE(harness.Fail(worker, *lease, FailureCause::kTask).ok());
      EXPECT_EQ(harness.run(runs[1]).record.state, kRunning);
      EXPECT_EQ(harness.run(runs[1]).record.finished_unix_ms, 0);
      continue;
    }
    ASSERT_TRUE(SucceedByArm(harness, worker, *lease, Rising).ok());
  }
  EXPECT_THAT(StatesOf(harness, id), ElementsAre(RunState::kFailed, kSucceeded, kStopped));
  EXPECT_EQ(Count(titles, "train block 0"), 3) << "what it had trained is not trained again";
  EXPECT_TRUE(HasEnded(harness.state(), harness.run(runs[2])));
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

TEST(HalvingStepTest, AsynchronouslyNoRunWaitsAndAStoppedOneMayBePromotedAfterAll) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  SweepHalving halving = HalvingBy(2);
  halving.rule.order = HalvingOrder::kAsynchronous;
  const SweepId id = AcceptedSweep(harness, HalvedSweep(4, 2, halving));
  const std::vector<RunId> runs = MembersOf(harness, id);
  bool was_stopped = false;
  while (const std::optional<Lease> lease = harness.LeaseTo(worker)) {
    // Of 3, 2, 4, 9: with the fourth result the second best goes on, which was stopped before.
    constexpr double kLoss[] = {3, 2, 4, 9};
    ASSERT_TRUE(SucceedByArm(harness, worker, *lease, [&](int64_t arm, int64_t) { return kLoss[arm]; }).ok());
    was_stopped = was_stopped || harness.run(runs[0]).record.state == kStopped;
  }
  EXPECT_TRUE(was_stopped);
  EXPECT_THAT(StatesOf(harness, id), ElementsAre(kSucceeded, kSucceeded, kStopped, kStopped));
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

TEST(HalvingStepTest, AStoppedRunThatIsResumedIsTrainedThroughAndTheDecisionsStand) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const SweepId id = AcceptedSweep(harness, HalvedSweep(2, 3, HalvingBy(2)));
  const std::vector<RunId> runs = MembersOf(harness, id);
  RunArmsToEnd(harness, worker, Rising);
  ASSERT_THAT(StatesOf(harness, id), ElementsAre(kSucceeded, kStopped));
  const std::vector<RungResult> journal = JournalOf(harness, id);
  ASSERT_TRUE(harness.Do(PauseRun{runs[1].value, false}).status.ok());
  EXPECT_EQ(harness.run(runs[1]).record.state, kRunning);
  harness.Restart();
  EXPECT_TRUE(harness.run(runs[1]).record.left_halving);
  const std::vector<std::string> titles = RunArmsToEnd(harness, worker, Rising);
  EXPECT_EQ(Count(titles, "train block"), 2) << "its first block is there";
  EXPECT_THAT(StatesOf(harness, id), ElementsAre(kSucceeded, kSucceeded));
  EXPECT_EQ(JournalOf(harness, id), journal);
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

TEST(HalvingStepTest, ARunThatAnotherVersionStoppedBeginsAgainWhenItIsResumed) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const SweepId id = AcceptedSweep(harness, HalvedSweep(2, 3, HalvingBy(2)));
  const std::vector<RunId> runs = MembersOf(harness, id);
  RunArmsToEnd(harness, worker, Rising);
  ASSERT_EQ(harness.run(runs[1]).record.state, kStopped);
  // Tasks that this version would not give it: those of the other arm.
  const std::vector<Change> changes = {PutRunTasks{runs[1], harness.run(runs[0]).tasks}};
  ASSERT_TRUE(harness.store().Commit(harness.term(), changes).ok());
  harness.Restart();
  ASSERT_TRUE(harness.Do(PauseRun{runs[1].value, false}).status.ok());
  EXPECT_EQ(harness.run(runs[1]).record.state, kRunning);
  const std::vector<std::string> titles = RunArmsToEnd(harness, worker, Rising);
  EXPECT_EQ(Count(titles, "train block"), 2) << "what is the same is not done again";
  EXPECT_EQ(harness.run(runs[1]).record.state, kSucceeded);
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

TEST(HalvingStepTest, WhatNobodyElseWantsIsTakenFromItsWorkerWhenItsRunIsStopped) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const WorkerId slow = harness.Register("b");
  SubmitSweep sweep = HalvedSweep(2, 2, HalvingBy(2));
  // Only the second arm evaluates another text at full precision, which no rung waits for.
  sweep.runs[1].spec.eval_texts.push_back({.name = "other", .files = testing::NamedArtifact("other")});
  const SweepId id = AcceptedSweep(harness, sweep);
  const Lease training = harness.RunUntil(worker, "train block 0");  // keeps the rung open
  const Lease held = harness.RunUntil(slow, "evaluate fp on other");
  ASSERT_TRUE(SucceedByArm(harness, worker, training, Falling).ok());
  RunArmsToEnd(harness, worker, Rising);
  EXPECT_THAT(StatesOf(harness, id), ElementsAre(kSucceeded, kStopped));
  const std::vector<LostLease> lost = harness.Beat(slow, {held});
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].reason, "no run wants it any more");
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

// --- Pause, resume, cancel -------------------------------------------------------------------------------------------

TEST(HalvingStepTest, PausingASweepAndTakingItBackChangesNoDecision) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const SweepId id = AcceptedSweep(harness, HalvedSweep(3, 2, HalvingBy(3)));
  const std::vector<RunId> runs = MembersOf(harness, id);
  std::optional<Lease> lease;
  while ((lease = harness.LeaseTo(worker)).has_value() && lease->title != "train block 1") {
    ASSERT_TRUE(SucceedByArm(harness, worker, *lease, Rising).ok());
  }
  ASSERT_THAT(StatesOf(harness, id), ElementsAre(kRunning, kStopped, kStopped));
  ASSERT_TRUE(harness.Do(PauseSweep{id.value, true}).status.ok());
  ASSERT_TRUE(harness.Fail(worker, *lease, FailureCause::kTask).ok());
  EXPECT_THAT(StatesOf(harness, id), ElementsAre(RunState::kFailed, kRunning, kStopped)) << "promoted after all";
  EXPECT_EQ(harness.LeaseTo(worker), std::nullopt) << "and paused with its sweep";
  ASSERT_TRUE(harness.Do(PauseSweep{id.value, false}).status.ok());
  EXPECT_THAT(StatesOf(harness, id), ElementsAre(RunState::kFailed, kRunning, kStopped)) << "what was stopped stays so";
  RunArmsToEnd(harness, worker, Rising);
  EXPECT_THAT(StatesOf(harness, id), ElementsAre(RunState::kFailed, kSucceeded, kStopped));
  EXPECT_FALSE(harness.run(runs[2]).record.paused);
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

TEST(HalvingStepTest, CancellingASweepPromotesNobodyInPlaceOfTheCancelled) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const SweepId id = AcceptedSweep(harness, HalvedSweep(3, 2, HalvingBy(3)));
  harness.RunUntil(worker, "train block 1");
  ASSERT_EQ(StatesOf(harness, id)[0] == kRunning || StatesOf(harness, id)[1] == kRunning ||
                StatesOf(harness, id)[2] == kRunning,
            true);
  ASSERT_TRUE(harness.Do(CancelSweep{id.value}).status.ok());
  EXPECT_THAT(StatesOf(harness, id), ElementsAre(kCancelled, kCancelled, kCancelled));
  EXPECT_TRUE(harness.state().halvings.at(id).ended());
  EXPECT_EQ(harness.LeaseTo(worker), std::nullopt);
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

struct StoppedCase {
  const char* what;
  Event event;
  RunState after;
  bool paused;
};

TEST(HalvingStepTest, WhatCanBeAskedOfARunThatIsStoppedForGood) {
  const auto cases = [](const SweepId& sweep, const RunId& run) {
    return std::vector<StoppedCase>{{"pause the run", PauseRun{run.value, true}, kStopped, true},
                                    {"resume the run", PauseRun{run.value, false}, kRunning, false},
                                    {"cancel the run", CancelRun{run.value}, kCancelled, false},
                                    {"pause the sweep", PauseSweep{sweep.value, true}, kStopped, true},
                                    {"resume the sweep", PauseSweep{sweep.value, false}, kStopped, false},
                                    {"cancel the sweep", CancelSweep{sweep.value}, kStopped, false}};
  };
  for (size_t i = 0; i < cases({}, {}).size(); ++i) {
    SchedulerHarness harness;
    const WorkerId worker = harness.Register("a");
    const SweepId id = AcceptedSweep(harness, HalvedSweep(2, 2, HalvingBy(2)));
    const RunId stopped = MembersOf(harness, id)[1];
    RunArmsToEnd(harness, worker, Rising);
    ASSERT_TRUE(HasEnded(harness.state(), harness.run(stopped)));
    const StoppedCase one = cases(id, stopped)[i];
    for (int times = 0; times < 2; ++times) {
      ASSERT_TRUE(harness.Do(one.event).status.ok()) << one.what;
      EXPECT_EQ(harness.run(stopped).record.state, one.after) << one.what;
      EXPECT_EQ(harness.run(stopped).record.paused, one.paused) << one.what;
      EXPECT_EQ(CheckIndexes(harness.state()), "") << one.what;
      const std::string before = DescribeDurable(harness.state());
      harness.Restart();
      EXPECT_EQ(DescribeDurable(harness.state()), before) << one.what;
    }
    EXPECT_EQ(StatesOf(harness, id)[0], kSucceeded) << one.what;
  }
}

// --- What is measured ------------------------------------------------------------------------------------------------

SweepHalving ByPerplexity(int64_t eta) {
  SweepHalving halving = HalvingBy(eta);
  halving.metric = HalvingMetric::kPerplexity;
  return halving;
}

TEST(HalvingStepTest, ByPerplexityTheModelWithTheBlocksTrainedSoFarIsEvaluatedAtEveryRungBelowTheLast) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const SweepId id = AcceptedSweep(harness, HalvedSweep(2, 4, ByPerplexity(2)));
  std::vector<std::string> titles;
  std::map<std::string, size_t> checkpoints;  // by title, of an evaluation
  while (const std::optional<Lease> lease = harness.LeaseTo(worker)) {
    titles.push_back(lease->title);
    if (lease->def->kind == TaskKind::kEvaluatePpl) {
      checkpoints[lease->title] =
          static_cast<size_t>(std::count_if(lease->inputs.begin(), lease->inputs.end(),
                                            [](const auto& input) { return input.first.starts_with("block."); }));
    }
    ReportTask report;
    report.worker = worker;
    report.task = lease->task;
    report.token = lease->token;
    report.outcome = testing::HonestSuccess(*lease);
    if (lease->title == "perplexity of 1 quantized block on held-out") {
      // The second that is measured is the better one.
      const double value = std::count(titles.begin(), titles.end(), lease->title) == 2 ? 3 : 4;
      std::get<ReportSuccess>(report.outcome).metrics_json =
          absl::StrCat(R"({"measured":[{"count":1,"metric":"perplexity","value":)", value, "}]}");
    }
    ASSERT_TRUE(harness.Do(report).status.ok());
  }
  EXPECT_EQ(checkpoints, (std::map<std::string, size_t>{{"evaluate 1 quantized block on held-out", 1},
                                                        {"evaluate 2 quantized blocks on held-out", 2},
                                                        {"evaluate block_ap on held-out", 4},
                                                        {"evaluate fp on held-out", 0}}));
  EXPECT_EQ(Count(titles, "evaluate 1 quantized"), 2);
  EXPECT_EQ(Count(titles, "evaluate 2 quantized"), 1);
  ASSERT_THAT(StatesOf(harness, id), ElementsAre(kStopped, kSucceeded));
  std::vector<double> values;
  for (const RungResult& result : JournalOf(harness, id)) values.push_back(result.value);
  EXPECT_THAT(values, ElementsAre(4, 3, 2.5, 2.5));
  const RunRecord& winner = harness.run(MembersOf(harness, id)[1]).record;
  ASSERT_EQ(winner.result.measured.size(), 2u) << "full precision and the whole model: what rungs measure is no result";

  // It is the result of the same run alone.
  SchedulerHarness alone;
  const WorkerId other = alone.Register("a");
  const RunId run = alone.Submit(ArmSpec(1, 4));
  alone.RunToEnd(other);
  EXPECT_EQ(alone.run(run).record.result, winner.result);
}

TEST(HalvingStepTest, ByPerplexityRoundingToNearestAndOtherOrdersTakePart) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  SubmitSweep sweep = HalvedSweep(5, 4, ByPerplexity(2));
  sweep.runs[0].spec.recipe.method = "rtn";
  sweep.runs[1].spec.recipe.layer_ordering = "random";
  sweep.runs[2].spec.recipe.handoff = "independent";
  sweep.runs[3].spec.recipe.handoff = "relay";
  sweep.runs[4].spec.recipe.layer_ordering = "sensitivity";
  sweep.runs[4].spec.recipe.sensitivity_metric = "fisher";
  sweep.runs[4].spec.recipe.sensitivity_samples = 4;
  sweep.runs[4].spec.recipe.reorder_every = 1;
  const SweepId id = AcceptedSweep(harness, sweep);
  harness.RunToEnd(worker);
  EXPECT_TRUE(harness.state().halvings.at(id).ended());
  const std::vector<RunState> states = StatesOf(harness, id);
  EXPECT_EQ(std::count(states.begin(), states.end(), kSucceeded), 1);
  EXPECT_EQ(std::count(states.begin(), states.end(), kStopped), 4);
  EXPECT_EQ(CheckIndexes(harness.state()), "");
  // Each of them can be the one that goes on.
  for (const RunId& run : MembersOf(harness, id)) {
    ASSERT_TRUE(harness.Do(PauseRun{run.value, false}).status.ok());
    harness.RunToEnd(worker);
    EXPECT_EQ(harness.run(run).record.state, kSucceeded) << harness.run(run).record.error;
    EXPECT_EQ(CheckIndexes(harness.state()), "");
  }
}

TEST(HalvingStepTest, ARunWhosePlanIsMeasuredFirstMeasuresBeforeRungZero) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  SubmitSweep sweep = HalvedSweep(2, 3, HalvingBy(2));
  for (SubmitRun& run : sweep.runs) {
    run.spec.recipe.use_mixed_precision = true;
    run.spec.recipe.target_avg_bits = 3;
    run.spec.recipe.sensitivity_metric = "fisher";
    run.spec.recipe.sensitivity_samples = 4;
    run.spec.recipe.export_format = "none";
  }
  const SweepId id = AcceptedSweep(harness, sweep);
  RunArmsToEnd(harness, worker, Rising);
  EXPECT_THAT(StatesOf(harness, id), ElementsAre(kSucceeded, kStopped));
  EXPECT_FALSE(harness.run(MembersOf(harness, id)[1]).record.measurements.empty());
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

// --- What is refused -------------------------------------------------------------------------------------------------

TEST(HalvingStepTest, RunsThatCannotBeComparedAtRungsAreRefusedByName) {
  const auto refusal = [](HalvingMetric metric, const std::function<void(RunSpec&)>& change) {
    SweepHalving halving = HalvingBy(2);
    halving.metric = metric;
    SubmitSweep sweep = HalvedSweep(3, 2, halving);
    change(sweep.runs[1].spec);
    return RefusalOf(sweep);
  };
  constexpr auto kLoss = HalvingMetric::kBlockLoss;
  constexpr auto kPerplexity = HalvingMetric::kPerplexity;
  const auto rtn = [](RunSpec& spec) { spec.recipe.method = "rtn"; };
  EXPECT_EQ(
      refusal(kLoss, rtn),
      "run 2 of 3 (arm 1): halving: method rtn trains no block, so it has no block_loss; leave the run out, or take "
      "metric perplexity");
  EXPECT_THAT(refusal(kLoss, [](RunSpec& spec) { spec.recipe.val_size = 0; }), HasSubstr("set val_size above 0"));
  EXPECT_THAT(refusal(kLoss, [](RunSpec& spec) { spec.recipe.layer_ordering = "random"; }),
              HasSubstr("layer_ordering random trains others first"));
  const auto sensitivity = [](RunSpec& spec) { spec.recipe.method = "sensitivity"; };
  EXPECT_THAT(refusal(kPerplexity, sensitivity), HasSubstr("method sensitivity quantizes no block"));
  EXPECT_THAT(refusal(kPerplexity, [](RunSpec& spec) { spec.eval_texts.clear(); }), HasSubstr("eval_texts"));
  EXPECT_THAT(refusal(kPerplexity, [](RunSpec& spec) { spec.recipe.eval_ppl = false; }), HasSubstr("eval_ppl"));
  EXPECT_THAT(refusal(kPerplexity, [](RunSpec& spec) { spec.recipe.ppl_seqlen = 16; }),
              HasSubstr("in windows of 16 tokens, is not that of run 1"));
  const auto other_model = [](RunSpec& spec) { spec.model->files = testing::NamedArtifact("other"); };
  EXPECT_THAT(refusal(kLoss, other_model), HasSubstr("run 2 of 3 (arm 1): halving: its model, 'tiny', is not that of"));
  EXPECT_THAT(refusal(kLoss, [](RunSpec& spec) { spec = testing::NoopSpec(1); }),
              HasSubstr("method noop quantizes no model"));
}

TEST(HalvingStepTest, RungsThatTheModelHasNotAreRefused) {
  SweepHalving halving = HalvingBy(2);
  halving.rule.min_blocks = 3;
  EXPECT_EQ(RefusalOf(HalvedSweep(2, 2, halving)), "halving: min_blocks 3 is above the model's 2 blocks");
  halving = HalvingBy(1);
  EXPECT_THAT(RefusalOf(HalvedSweep(2, 2, halving)), HasSubstr("eta 1 is below 2"));
}

TEST(HalvingStepTest, ARepeatedRequestIsTheSameSweepAndAnotherHalvingIsAnother) {
  SchedulerHarness harness;
  const SubmitSweep sweep = HalvedSweep(2, 2, HalvingBy(2), "r");
  const SweepId first = AcceptedSweep(harness, sweep);
  EXPECT_EQ(AcceptedSweep(harness, sweep), first);
  EXPECT_EQ(harness.Do(HalvedSweep(2, 2, HalvingBy(3), "r")).status.code(), absl::StatusCode::kAlreadyExists);
  SubmitSweep without = sweep;
  without.halving.reset();
  EXPECT_EQ(harness.Do(without).status.code(), absl::StatusCode::kAlreadyExists);
}

}  // namespace
}  // namespace lwq::coordinator
