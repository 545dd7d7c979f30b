// SPDX-License-Identifier: Apache-2.0
// Activations in the scheduler: what is discarded when, and how what is needed again comes back.
#include "coordinator/scheduler/state/garbage.h"
#include "coordinator/scheduler/state/restore.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::ActivationBudget;
using testing::BlockApSpec;
using testing::CheckIndexes;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::SchedulerHarness;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using ::testing::UnorderedElementsAreArray;

RunSpec OtherEpochs(int blocks, double epochs) {
  RunSpec spec = BlockApSpec(blocks);
  spec.recipe.epochs = epochs;
  return spec;
}

// The output of that role of the task so titled.
ArtifactRef Output(const SchedulerHarness& harness, const RunId& run, const std::string& title,
                   const std::string& role) {
  return harness.state().actions.at(harness.TaskTitled(run, title).action_key).outputs.at(role);
}

// Every output of the run's tasks whose role is (not) one of those.
std::vector<ArtifactRef> OutputsOf(const SchedulerHarness& harness, const RunId& run, bool disposable) {
  std::vector<ArtifactRef> outputs;
  for (const RunTaskRecord& planned : harness.run(run).tasks) {
    for (const auto& [role, artifact] : harness.state().actions.at(harness.task(planned.key).action_key).outputs) {
      if ((role == "activations" || role == "latent") == disposable) outputs.push_back(artifact);
    }
  }
  return outputs;
}

TEST(DiscardTest, AnActivationGoesWhenItsLastReaderIsDoneAndNotBefore) {
  SchedulerHarness harness(ActivationBudget(0));
  const WorkerId worker = harness.Register("a");
  const RunId run = harness.Submit(BlockApSpec(1));
  const Lease train = harness.RunUntil(worker, "train block 0");
  // Both chains' first activation is the training's input, and the full-precision one its target.
  EXPECT_THAT(harness.Discard(worker), IsEmpty());
  ASSERT_TRUE(harness.Succeed(worker, train).ok());
  EXPECT_THAT(harness.Discard(worker),
              UnorderedElementsAre(Output(harness, run, "embed calibration tokens", "activations"),
                                   Output(harness, run, "advance full-precision block 0", "activations")));
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

TEST(DiscardTest, AfterARunItsActivationsAreDeletedAndWhatItWasForIsKept) {
  SchedulerHarness harness(ActivationBudget(0));
  const WorkerId worker = harness.Register("a");
  RunSpec spec = BlockApSpec(3);
  spec.recipe.handoff = "relay";  // makes latent weights too
  const RunId run = harness.Submit(spec);
  harness.RunToEnd(worker);
  const std::vector<ArtifactRef> gone = harness.DiscardAll(worker);
  EXPECT_THAT(gone, UnorderedElementsAreArray(OutputsOf(harness, run, /*disposable=*/true)));
  for (const ArtifactRef& kept : OutputsOf(harness, run, /*disposable=*/false)) EXPECT_THAT(gone, Not(Contains(kept)));
  EXPECT_EQ(harness.state().activations.stored_bytes() + harness.state().activations.discarded_bytes(), 0);
  EXPECT_EQ(harness.run(run).record.state, RunState::kSucceeded);
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

TEST(DiscardTest, UnneededActivationsStayUpToTheBudget) {
  int64_t all_bytes = 0;
  {
    SchedulerHarness harness;  // with the default budget
    const WorkerId worker = harness.Register("a");
    harness.Submit(BlockApSpec(3));
    harness.RunToEnd(worker);
    EXPECT_THAT(harness.Discard(worker), IsEmpty());
    all_bytes = harness.state().activations.stored_bytes();
  }
  SchedulerHarness harness(ActivationBudget(all_bytes - 1));
  const WorkerId worker = harness.Register("a");
  const RunId run = harness.Submit(BlockApSpec(3));
  harness.RunToEnd(worker);
  EXPECT_THAT(harness.DiscardAll(worker), SizeIs(1));
  harness.Submit(BlockApSpec(3));
  EXPECT_THAT(harness.RunToEnd(worker), IsEmpty());
  EXPECT_EQ(harness.run(run).record.state, RunState::kSucceeded);
}

TEST(DiscardTest, ActivationsOfACancelledRunGoToo) {
  SchedulerHarness harness(ActivationBudget(0));
  const WorkerId worker = harness.Register("a");
  const RunId run = harness.Submit(BlockApSpec(2));
  harness.RunUntil(worker, "train block 0");
  EXPECT_THAT(harness.Discard(worker), IsEmpty());
  ASSERT_TRUE(harness.Do(CancelRun{run.value}).status.ok());
  EXPECT_THAT(harness.DiscardAll(worker), SizeIs(2)) << "A(0) and A(1)";
}

TEST(DiscardTest, ADrainingWorkerIsToldToDeleteNothing) {
  SchedulerHarness harness(ActivationBudget(0));
  const WorkerId worker = harness.Register("a");
  harness.Submit(BlockApSpec(1));
  harness.RunToEnd(worker);
  Heartbeat beat;
  beat.worker = worker;
  beat.draining = true;
  EXPECT_THAT(std::get<HeartbeatReply>(harness.Do(beat).reply).discard, IsEmpty());
  EXPECT_THAT(harness.Discard(worker), Not(IsEmpty()));
}

TEST(DiscardTest, WhatASilentWorkerWasToDeleteIsAnothersAndAReplacedOnesAtOnce) {
  SchedulerHarness harness(ActivationBudget(0));
  const WorkerId a = harness.Register("a");
  harness.Submit(BlockApSpec(1));
  harness.RunToEnd(a);
  const std::vector<ArtifactRef> given = harness.Discard(a);
  ASSERT_THAT(given, Not(IsEmpty()));
  harness.Advance(harness.options().lease_ms + 1);
  const WorkerId b = harness.Register("b");
  EXPECT_EQ(harness.Discard(b), given);
  const WorkerId b_again = harness.Register("b");
  EXPECT_EQ(harness.Discard(b_again), given);
  EXPECT_THAT(harness.Discard(a, given), IsEmpty());
  EXPECT_EQ(harness.Discard(b_again), given) << "the one that was silent no longer decides";
}

TEST(DiscardTest, ARestartForgetsNeitherWhatIsToBeDeletedNorWhatIsGone) {
  SchedulerHarness harness(ActivationBudget(0));
  const WorkerId worker = harness.Register("a");
  harness.Submit(BlockApSpec(2));
  harness.RunToEnd(worker);
  const std::vector<ArtifactRef> given = harness.Discard(worker);
  ASSERT_GT(given.size(), 1u);
  harness.Discard(worker, {given[0]});
  const std::string before = testing::DescribeDurable(harness.state());
  harness.Restart();
  EXPECT_EQ(testing::DescribeDurable(harness.state()), before);
  EXPECT_EQ(CheckIndexes(harness.state()), "");
  EXPECT_FALSE(harness.state().activations.IsReadable(given[0].digest));
  EXPECT_THAT(harness.Discard(worker), UnorderedElementsAreArray(given.begin() + 1, given.end()));
}

TEST(DiscardTest, OneArtifactOfTwoActionsStaysWhileAnyOfThemIsRead) {
  SchedulerHarness harness(ActivationBudget(0));
  const WorkerId worker = harness.Register("a");
  RunSpec other = BlockApSpec(1);
  other.recipe.seed = 77;  // other windows, which happen to embed to the same activations
  const RunId first = harness.Submit(BlockApSpec(1));
  const RunId second = harness.Submit(other);
  const ArtifactRef same{DigestOf("the same activations"), 1000};
  while (const std::optional<Lease> lease = harness.LeaseTo(worker)) {
    if (lease->title == "train block 0" && harness.run(first).record.state == RunState::kSucceeded) {
      EXPECT_THAT(harness.DiscardAll(worker), Not(Contains(same))) << "the second run's training reads it";
    }
    ReportTask report;
    report.worker = worker;
    report.task = lease->task;
    report.token = lease->token;
    ReportSuccess success = testing::HonestSuccess(*lease);
    if (lease->def->kind == TaskKind::kEmbed) success.outputs["activations"] = same;
    report.outcome = success;
    ASSERT_TRUE(harness.Do(report).status.ok());
  }
  ASSERT_EQ(harness.run(second).record.state, RunState::kSucceeded);
  EXPECT_THAT(harness.DiscardAll(worker), Contains(same));
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

TEST(HoldTest, ResultsThatARunToComeMayReadAreKeptAndLetGoWhenItsGraphIsComplete) {
  SchedulerHarness harness(ActivationBudget(0));
  const WorkerId worker = harness.Register("a");
  const RunId id = harness.Submit(BlockApSpec(2));
  harness.RunUntil(worker, "export gptq_v2");
  StatusOr<State> state = RestoreState(*harness.store().Load(), harness.options(), harness.now());
  ASSERT_TRUE(state.ok()) << state.status();
  RunEntry& run = state->runs.at(id);
  const auto offered = [&] {
    Heartbeat beat;
    beat.worker = worker;
    return std::get<HeartbeatReply>(Step(*state, beat, harness.now()).reply).discard;
  };
  HoldResults(*state, run, run.tasks.size());
  EXPECT_EQ(CheckIndexes(*state), "");
  EXPECT_THAT(offered(), IsEmpty());
  HoldResults(*state, run, TasksToHold(run));
  EXPECT_EQ(CheckIndexes(*state), "");
  EXPECT_THAT(offered(), SizeIs(4)) << "A(0), A(1), A(2) and the quantized A(1)";
}

TEST(RemakeTest, TheSameRunAgainExecutesNothingThoughItsActivationsAreGone) {
  SchedulerHarness harness(ActivationBudget(0));
  const WorkerId worker = harness.Register("a");
  const RunId first = harness.Submit(BlockApSpec(3));
  harness.RunToEnd(worker);
  harness.DiscardAll(worker);
  const RunId second = harness.Submit(BlockApSpec(3));
  EXPECT_THAT(harness.RunToEnd(worker), IsEmpty());
  EXPECT_EQ(harness.run(second).record.state, RunState::kSucceeded);
  EXPECT_EQ(harness.run(second).record.result, harness.run(first).record.result);
}

TEST(RemakeTest, ARunWithAnotherRecipeHasTheChainItReadsMadeAgainOnceAndNothingElse) {
  SchedulerHarness harness(ActivationBudget(0));
  const WorkerId worker = harness.Register("a");
  const RunId first = harness.Submit(BlockApSpec(3));
  harness.RunToEnd(worker);
  harness.DiscardAll(worker);
  const RunId second = harness.Submit(OtherEpochs(3, 1));
  std::vector<std::string> titles;
  while (const std::optional<Lease> lease = harness.LeaseTo(worker)) {
    EXPECT_EQ(lease->inputs.size(), lease->def->inputs.size());
    for (const auto& [role, input] : lease->inputs) EXPECT_TRUE(harness.state().activations.IsReadable(input.digest));
    titles.push_back(lease->title);
    ASSERT_TRUE(harness.Succeed(worker, *lease).ok());
    harness.DiscardAll(worker);
    ASSERT_EQ(CheckIndexes(harness.state()), "");
  }
  EXPECT_THAT(titles, UnorderedElementsAre("embed calibration tokens", "advance full-precision block 0",
                                           "advance full-precision block 1", "advance full-precision block 2",
                                           "train block 0", "advance quantized block 0", "train block 1",
                                           "advance quantized block 1", "train block 2", "export gptq_v2",
                                           "evaluate block_ap on held-out", "perplexity of block_ap on held-out"));
  EXPECT_EQ(harness.run(second).record.state, RunState::kSucceeded);
  EXPECT_EQ(harness.run(first).record.state, RunState::kSucceeded);
}

TEST(RemakeTest, LatentWeightsThatAreGoneAreTrainedAgain) {
  SchedulerHarness harness(ActivationBudget(0));
  const WorkerId worker = harness.Register("a");
  RunSpec spec = BlockApSpec(1);
  spec.recipe.handoff = "relay";
  harness.Submit(spec);
  harness.RunToEnd(worker);
  harness.DiscardAll(worker);
  spec.recipe.relay_epochs = 5;
  const RunId second = harness.Submit(spec);
  EXPECT_THAT(harness.RunToEnd(worker), ::testing::IsSupersetOf({"train block 0", "train on block 0"}));
  EXPECT_EQ(harness.run(second).record.state, RunState::kSucceeded);
}

TEST(RemakeTest, WhatIsMadeAgainBeforeItWasDeletedLeavesTheListAndALateDeletionIsHealed) {
  SchedulerHarness harness(ActivationBudget(0));
  const WorkerId worker = harness.Register("a");
  const RunId first = harness.Submit(BlockApSpec(1));
  harness.RunToEnd(worker);
  const ArtifactRef embedded = Output(harness, first, "embed calibration tokens", "activations");
  ASSERT_THAT(harness.Discard(worker), Contains(embedded));
  const RunId second = harness.Submit(OtherEpochs(1, 1));
  const Lease embed = *harness.LeaseTo(worker);
  ASSERT_EQ(embed.title, "embed calibration tokens");
  ASSERT_TRUE(harness.Succeed(worker, embed).ok());
  EXPECT_THAT(harness.Discard(worker), Not(Contains(embedded)));
  // Now the deletion that was under way takes effect.
  EXPECT_THAT(harness.Discard(worker, {embedded}), Not(Contains(embedded)));
  const Lease reader = *harness.LeaseTo(worker);
  ASSERT_EQ(reader.inputs.at("activations"), embedded);
  ASSERT_TRUE(harness.Fail(worker, reader, FailureCause::kInputLost, "gone", "activations").ok());
  EXPECT_EQ(harness.LeaseTo(worker)->title, "embed calibration tokens");
  EXPECT_EQ(CheckIndexes(harness.state()), "");
  harness.RunToEnd(worker);
  EXPECT_EQ(harness.run(second).record.state, RunState::kSucceeded);
}

TEST(RemakeTest, ARunThatIsCancelledWhileTheChainIsRemadeLeavesTheFinishedOneAsItWas) {
  SchedulerHarness harness(ActivationBudget(0));
  const WorkerId worker = harness.Register("a");
  const RunId first = harness.Submit(BlockApSpec(2));
  harness.RunToEnd(worker);
  harness.DiscardAll(worker);
  const RunResult result = harness.run(first).record.result;
  const RunId second = harness.Submit(OtherEpochs(2, 1));
  harness.RunUntil(worker, "advance full-precision block 0");
  ASSERT_TRUE(harness.Do(CancelRun{second.value}).status.ok());
  harness.DiscardAll(worker);
  EXPECT_EQ(harness.run(first).record.state, RunState::kSucceeded);
  EXPECT_EQ(harness.run(first).record.result, result);
  EXPECT_EQ(CheckIndexes(harness.state()), "");
  const RunId third = harness.Submit(OtherEpochs(2, 3));
  harness.RunToEnd(worker);
  EXPECT_EQ(harness.run(third).record.state, RunState::kSucceeded);
}

}  // namespace
}  // namespace lwq::coordinator
