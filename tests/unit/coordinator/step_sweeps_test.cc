// SPDX-License-Identifier: Apache-2.0
// Sweeps: accepted together, shared tasks, paused and cancelled together; runs that are paused.
#include "coordinator/scheduler/foresee/sweep_preview.h"
#include "coordinator/scheduler/step/step.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::BlockApSpec;
using testing::CheckIndexes;
using testing::DescribeDurable;
using testing::DirectReader;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::NoopSpec;
using testing::RtnSpec;
using testing::SchedulerHarness;

RunSpec Bits(int bits) {
  RunSpec spec = BlockApSpec(2);
  spec.recipe.wbits = bits;
  return spec;
}

SubmitSweep SweepOf(const std::vector<RunSpec>& specs, const std::string& request_id = "") {
  SubmitSweep sweep{.name = "ablation", .runs = {}, .labels = {}, .request_id = request_id};
  for (size_t i = 0; i < specs.size(); ++i) {
    sweep.runs.push_back({specs[i], ""});
    sweep.labels.push_back({{"arm", absl::StrCat(i)}});
  }
  return sweep;
}

SweepId Accepted(SchedulerHarness& harness, const SubmitSweep& sweep) {
  const Effects effects = harness.Do(sweep);
  LWQ_CHECK(effects.status.ok(), effects.status.ToString());
  return std::get<SweepReply>(effects.reply).sweep;
}

std::vector<RunId> RunsOf(const SchedulerHarness& harness, const SweepId& id) {
  std::vector<RunId> runs;
  for (const SweepRecord::Member& member : harness.state().sweeps.at(id).members) runs.push_back(member.run);
  return runs;
}

TEST(SubmitSweepTest, AllRunsAreAcceptedWithTheirLabelsAndSurviveARestart) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const SweepId id = Accepted(harness, SweepOf({Bits(2), Bits(3)}));
  harness.Restart();
  const SweepRecord& sweep = harness.state().sweeps.at(id);
  EXPECT_EQ(sweep.name, "ablation");
  ASSERT_EQ(sweep.members.size(), 2u);
  EXPECT_EQ(LabelsOf(harness.state(), harness.run(sweep.members[1].run)).at("arm"), "1");
  harness.RunToEnd(worker);
  for (const RunId& run : RunsOf(harness, id)) EXPECT_EQ(harness.run(run).record.state, RunState::kSucceeded);
}

TEST(SubmitSweepTest, OneImpossibleRunRefusesAllAndLeavesNothing) {
  SchedulerHarness harness;
  const std::string before = DescribeDurable(harness.state());
  const Effects effects = harness.Do(SweepOf({Bits(2), Bits(9)}));
  EXPECT_EQ(effects.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(MessageOf(effects.status)), HasSubstr("run 2 of 2"));
  EXPECT_THAT(effects.changes, IsEmpty());
  EXPECT_EQ(DescribeDurable(harness.state()), before);
  EXPECT_THAT(harness.state().sweeps, IsEmpty());
}

TEST(SubmitSweepTest, AnAblationOfOneBlockAtATimeTrainsWhatFollowsTheBlockAndNothingTwice) {
  constexpr int64_t kBlocks = 12;
  std::vector<RunSpec> specs = {BlockApSpec(kBlocks)};
  specs[0].recipe.wbits = 2;
  for (int64_t block = 0; block < kBlocks; ++block) {
    specs.push_back(specs[0]);
    specs.back().recipe.block_bits = absl::StrCat(block, ":4");
  }
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  Accepted(harness, SweepOf(specs));
  int64_t trained = 0;
  for (const std::string& title : harness.RunToEnd(worker)) trained += title.starts_with("train block ") ? 1 : 0;
  EXPECT_EQ(trained, kBlocks + kBlocks * (kBlocks + 1) / 2)
      << "each alone they would train " << (kBlocks + 1) * kBlocks;
}

TEST(SubmitSweepTest, LabelsThatAreNoLinesOrNotThoseOfTheRunsAreRefused) {
  SchedulerHarness harness;
  SubmitSweep sweep = SweepOf({NoopSpec(1)});
  sweep.labels[0]["axis"] = "two\nlines";
  EXPECT_THAT(std::string(MessageOf(harness.Do(sweep).status)), HasSubstr("label 'axis' must be one line"));
  sweep.labels.clear();
  EXPECT_EQ(harness.Do(sweep).status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(harness.Do(SweepOf({})).status.code(), absl::StatusCode::kInvalidArgument);
}

TEST(SubmitSweepTest, ARepeatedRequestIsTheSameSweepAlsoAfterARestart) {
  SchedulerHarness harness;
  const SweepId first = Accepted(harness, SweepOf({NoopSpec(1), NoopSpec(2)}, "r"));
  harness.Restart();
  EXPECT_EQ(Accepted(harness, SweepOf({NoopSpec(1), NoopSpec(2)}, "r")), first);
  EXPECT_EQ(harness.state().runs.size(), 2u);
  EXPECT_EQ(harness.Do(SweepOf({NoopSpec(1)}, "r")).status.code(), absl::StatusCode::kAlreadyExists);
}

TEST(SubmitSweepTest, WhatRunsShareIsExecutedOnceAndThePreviewCountsIt) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const SubmitSweep sweep = SweepOf({Bits(2), Bits(3), Bits(2)});
  DirectReader reader(harness.state());
  const StatusOr<SweepPreview> preview = PreviewSweep(reader, sweep.runs);
  ASSERT_TRUE(preview.ok()) << preview.status();
  int64_t tasks = 0, distinct = 0;
  for (const auto& [kind, counts] : preview->kinds) {
    tasks += counts.tasks;
    distinct += counts.distinct;
    EXPECT_EQ(counts.known, 0);
  }
  EXPECT_EQ(preview->kinds.at(TaskKind::kTrainBlock).tasks, 6);
  EXPECT_EQ(preview->kinds.at(TaskKind::kTrainBlock).distinct, 4) << "the third arm is the first";
  EXPECT_EQ(preview->kinds.at(TaskKind::kEmbed).distinct, 1);
  EXPECT_LT(distinct, tasks);
  Accepted(harness, sweep);
  EXPECT_EQ(static_cast<int64_t>(harness.RunToEnd(worker).size()), distinct);
  DirectReader after(harness.state());
  const SweepPreview again = *PreviewSweep(after, sweep.runs);
  for (const auto& [kind, counts] : again.kinds) EXPECT_EQ(counts.known, counts.distinct) << TaskKindName(kind);
  ASSERT_TRUE(again.device_seconds.has_value());
  EXPECT_EQ(*again.device_seconds, 0);
  EXPECT_EQ(*again.estimated_seconds, 0);
}

TEST(PauseTest, NothingIsBegunForAPausedRunUntilItIsResumed) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId run = harness.Submit(RtnSpec(2));
  const Lease lease = *harness.LeaseTo(worker);
  ASSERT_TRUE(harness.Do(PauseRun{run.value}).status.ok());
  ASSERT_TRUE(harness.Succeed(worker, lease).ok()) << "what is being executed is finished";
  EXPECT_EQ(harness.LeaseTo(worker), std::nullopt);
  EXPECT_EQ(CheckIndexes(harness.state()), "");
  harness.Restart();
  EXPECT_TRUE(harness.run(run).record.paused);
  EXPECT_EQ(harness.LeaseTo(worker), std::nullopt);
  ASSERT_TRUE(harness.Do(PauseRun{run.value, false}).status.ok());
  harness.RunToEnd(worker);
  EXPECT_EQ(harness.run(run).record.state, RunState::kSucceeded);
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

TEST(PauseTest, WhatAnotherRunWantsIsExecutedForIt) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId paused = harness.Submit(Bits(2));
  const RunId other = harness.Submit(Bits(2));
  harness.Do(PauseRun{paused.value});
  EXPECT_EQ(CheckIndexes(harness.state()), "");
  harness.RunToEnd(worker);
  EXPECT_EQ(harness.run(other).record.state, RunState::kSucceeded);
  EXPECT_EQ(harness.run(paused).record.state, RunState::kSucceeded) << "nothing was left to be begun for it";
}

TEST(PauseTest, AnEndedRunStaysAsItIsAndAPausedOneCanBeCancelled) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId done = harness.Submit(NoopSpec(1));
  harness.RunToEnd(worker);
  ASSERT_TRUE(harness.Do(PauseRun{done.value}).status.ok());
  EXPECT_FALSE(harness.run(done).record.paused);
  const RunId run = harness.Submit(NoopSpec(3, 2));
  harness.Do(PauseRun{run.value});
  harness.Do(CancelRun{run.value});
  EXPECT_EQ(harness.run(run).record.state, RunState::kCancelled);
  EXPECT_FALSE(harness.run(run).record.paused);
  EXPECT_EQ(CheckIndexes(harness.state()), "");
  EXPECT_EQ(harness.Do(PauseRun{"nothing"}).status.code(), absl::StatusCode::kNotFound);
}

TEST(SweepTest, PausingResumingAndCancellingReachEveryRunThatHasNotEnded) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const SweepId id = Accepted(harness, SweepOf({NoopSpec(1, 1), NoopSpec(2, 2), NoopSpec(2, 3)}));
  const std::vector<RunId> runs = RunsOf(harness, id);
  ASSERT_TRUE(harness.Succeed(worker, *harness.LeaseTo(worker)).ok());
  ASSERT_EQ(harness.run(runs[0]).record.state, RunState::kSucceeded);
  ASSERT_TRUE(harness.Do(PauseSweep{id.value}).status.ok());
  EXPECT_EQ(harness.LeaseTo(worker), std::nullopt);
  harness.Do(PauseSweep{id.value.substr(0, 5), false});
  EXPECT_NE(harness.LeaseTo(worker), std::nullopt);
  harness.Do(CancelSweep{id.value});
  std::vector<RunState> states;
  for (const RunId& run : runs) states.push_back(harness.run(run).record.state);
  EXPECT_THAT(states, ElementsAre(RunState::kSucceeded, RunState::kCancelled, RunState::kCancelled));
  EXPECT_EQ(CheckIndexes(harness.state()), "");
  EXPECT_EQ(harness.Do(CancelSweep{"nothing"}).status.code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace lwq::coordinator
