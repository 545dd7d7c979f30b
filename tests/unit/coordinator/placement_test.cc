// SPDX-License-Identifier: Apache-2.0
// Placement on simulated devices: a class for each kind, memory, and what a run waits for.
#include "coordinator/scheduler/choose/placement.h"

#include "coordinator/plan/cost/task_costs.h"
#include "coordinator/scheduler/step/step.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/devices.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::BlockApSpec;
using testing::CheckIndexes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kA10040;
using testing::kA10080;
using testing::kCpu;
using testing::kL4;
using testing::LargeSpec;
using testing::NamedArtifact;
using testing::SchedulerHarness;
using ::testing::UnorderedElementsAre;
using testing::WorkerNamed;
using testing::WorkerOn;

// Executes everything on all workers in turn; by kind, the classes of the workers that executed it.
std::map<TaskKind, std::set<std::string>> ExecuteOnAll(SchedulerHarness& harness) {
  std::map<TaskKind, std::set<std::string>> executed;
  bool any = true;
  while (any) {
    any = false;
    for (const auto& [id, worker] : harness.state().workers) {
      const std::optional<Lease> lease = harness.LeaseTo(id);
      if (!lease.has_value()) continue;
      any = true;
      executed[lease->def->kind].insert(worker.record.numerics_class);
      const Status status = harness.Succeed(id, *lease);
      LWQ_CHECK(status.ok(), status.ToString());
    }
  }
  return executed;
}

RunSpec OfAnotherModel(RunSpec spec) {
  spec.model->files = testing::NamedArtifact("another model");
  return spec;
}

TEST(KindsOfRunTest, EveryMetricHasItsKinds) {
  RunSpec spec = BlockApSpec(2);
  spec.recipe.eval_ppl = false;
  spec.recipe.export_format = "none";
  spec.recipe.method = "sensitivity";
  const auto pinned = [&](const std::string& metric) {
    spec.recipe.sensitivity_metric = metric;
    const StatusOr<ResolvedSpec> resolved = ResolveSpec(spec);
    LWQ_CHECK(resolved.ok(), resolved.status().ToString());
    std::vector<TaskKind> kinds;
    for (const TaskKind kind : KindsOfRun(resolved->spec, resolved->recipe)) {
      if (IsPinnedKind(kind)) kinds.push_back(kind);
    }
    return kinds;
  };
  const auto scalar = {TaskKind::kAdvance, TaskKind::kLossGradient, TaskKind::kBackwardBlock};
  EXPECT_THAT(pinned("fisher"), ::testing::ElementsAreArray(scalar));
  EXPECT_THAT(pinned("gradient"), ::testing::ElementsAreArray(scalar));
  EXPECT_THAT(pinned("output_fisher"), ElementsAre(TaskKind::kAdvance, TaskKind::kLossGradient,
                                                   TaskKind::kBackwardBlock, TaskKind::kOutputFisher));
  EXPECT_THAT(pinned("hessian"),
              ElementsAre(TaskKind::kAdvance, TaskKind::kLossGradient, TaskKind::kBackwardBlock, TaskKind::kHessian));
  EXPECT_THAT(pinned("loss_delta"), ElementsAre(TaskKind::kAdvance, TaskKind::kLossDelta));
  EXPECT_THAT(pinned("pilot"), ElementsAre(TaskKind::kAdvance, TaskKind::kTrainBlock, TaskKind::kLossDelta));
}

TEST(KindsOfRunTest, ARunMeasuresOnlyWhatItsPoliciesGoByAndTheSpecDoesNotGive) {
  RunSpec spec = BlockApSpec(2);
  const auto kinds = [&] {
    const Recipe recipe = ResolveSpec(spec)->recipe;
    return KindsOfRun(spec, recipe);
  };
  EXPECT_FALSE(kinds().contains(TaskKind::kBackwardBlock));
  spec.recipe.adaptive_epochs = true;
  EXPECT_TRUE(kinds().contains(TaskKind::kBackwardBlock));
  spec.sensitivity_scores = {1, 2};
  EXPECT_FALSE(kinds().contains(TaskKind::kBackwardBlock));
  spec.recipe.layer_ordering = "sensitivity";
  spec.recipe.reorder_every = 1;
  EXPECT_TRUE(kinds().contains(TaskKind::kBackwardBlock)) << "measured again as blocks are trained";
  RunSpec optimal = BlockApSpec(2);
  optimal.recipe.use_mixed_precision = true;
  optimal.recipe.mpq_strategy = "optimal";
  optimal.recipe.sensitivity_metric = "loss_delta";
  Recipe recipe = ResolveSpec(optimal)->recipe;
  EXPECT_TRUE(KindsOfRun(optimal, recipe).contains(TaskKind::kLossDelta));
  EXPECT_FALSE(KindsOfRun(optimal, recipe).contains(TaskKind::kWeightError));
  optimal.sensitivity_scores = {1, 2};
  EXPECT_FALSE(KindsOfRun(optimal, recipe).contains(TaskKind::kLossDelta));
  EXPECT_TRUE(KindsOfRun(optimal, recipe).contains(TaskKind::kWeightError)) << "scores become a table";
}

TEST(ClassByKindTest, KindClassesWinOverTheRunsClass) {
  SchedulerHarness harness;
  for (const auto& device : {kA10040, kL4, kCpu}) harness.Register(WorkerOn(device, device.base));
  RunSpec spec = BlockApSpec(2);
  spec.numerics_class = kA10040.base;
  spec.kind_classes = {{TaskKind::kAdvance, kL4.base}, {TaskKind::kEvaluatePpl, kCpu.base}};
  const RunId run = harness.Submit(spec);
  EXPECT_EQ(harness.run(run).record.numerics_class, absl::StrCat(kA10040.base, "|bf16|t1")) << "of train_block";
  const auto executed = ExecuteOnAll(harness);
  EXPECT_EQ(harness.run(run).record.state, RunState::kSucceeded);
  EXPECT_THAT(executed.at(TaskKind::kAdvance), ElementsAre(kL4.base));
  EXPECT_THAT(executed.at(TaskKind::kEvaluatePpl), ElementsAre(kCpu.base));
  EXPECT_THAT(executed.at(TaskKind::kTrainBlock), ElementsAre(kA10040.base));
  EXPECT_THAT(harness.run(run).logs[1].text, HasSubstr(absl::StrCat("; advance to ", kL4.base, "|bf16|t1")));
}

TEST(ClassByKindTest, AKindThatIsNeverPinnedAndAnEmptyClassAreRefused) {
  SchedulerHarness harness;
  RunSpec spec = BlockApSpec(1);
  spec.kind_classes = {{TaskKind::kExport, kL4.base}};
  Effects effects = harness.Do(SubmitRun{spec, ""});
  EXPECT_EQ(effects.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(MessageOf(effects.status)), HasSubstr("kind_classes.export"));
  spec.kind_classes = {{TaskKind::kAdvance, ""}};
  effects = harness.Do(SubmitRun{spec, ""});
  EXPECT_EQ(effects.status.code(), absl::StatusCode::kInvalidArgument);
}

TEST(ClassByKindTest, OtherKindsFollowTheMainKindWhereTheyFitAndGoElsewhereWhereItDoesNotExecuteThem) {
  SchedulerHarness harness;
  harness.Register(WorkerOn(kA10080, "trainer"));
  harness.Register(WorkerOn(kL4, "l4-1"));
  harness.Register(WorkerOn(kL4, "l4-2"));
  // 29 GiB for train_block: only the A100 has them; advance would fit the more numerous L4s too.
  const RunId one = harness.Submit(LargeSpec());
  EXPECT_EQ(harness.run(one).record.kind_bases.at(TaskKind::kTrainBlock), kA10080.base);
  EXPECT_EQ(harness.run(one).record.kind_bases.at(TaskKind::kAdvance), kA10080.base);
  SchedulerHarness other;
  WorkerRecord trainer = WorkerOn(kA10080, "trainer");
  trainer.kinds = {TaskKind::kTrainBlock};
  other.Register(trainer);
  other.Register(WorkerOn(kL4, "l4-1"));
  const RunId two = other.Submit(LargeSpec());
  EXPECT_EQ(other.run(two).record.kind_bases.at(TaskKind::kTrainBlock), kA10080.base);
  EXPECT_EQ(other.run(two).record.kind_bases.at(TaskKind::kAdvance), kL4.base);
  const auto executed = ExecuteOnAll(other);
  EXPECT_EQ(other.run(two).record.state, RunState::kSucceeded);
  EXPECT_THAT(executed.at(TaskKind::kTrainBlock), ElementsAre(kA10080.base));
  EXPECT_THAT(executed.at(TaskKind::kAdvance), ElementsAre(kL4.base));
}

TEST(ClassByKindTest, RunsOfDifferentModelsSpreadOverTheClassesByTheirWorkers) {
  SchedulerHarness harness;
  for (int i = 0; i < 4; ++i) harness.Register(WorkerOn(kA10040, absl::StrCat("a", i)));
  for (int i = 0; i < 2; ++i) harness.Register(WorkerOn(kL4, absl::StrCat("l", i)));
  std::map<std::string, int> runs;
  for (int i = 0; i < 12; ++i) {
    RunSpec spec = BlockApSpec(1);
    spec.model->files = NamedArtifact(absl::StrCat("model ", i));
    ++runs[harness.run(harness.Submit(spec)).record.kind_bases.at(TaskKind::kTrainBlock)];
  }
  EXPECT_EQ(runs[kA10040.base], 8);
  EXPECT_EQ(runs[kL4.base], 4);
}

TEST(ClassByKindTest, AKindIsSharedWithRunsOfTheSameModelOnly) {
  SchedulerHarness harness;
  harness.Register(WorkerOn(kL4, "l4"));
  harness.Register(WorkerOn(kA10040, "a-1"));
  harness.Register(WorkerOn(kA10040, "a-2"));
  RunSpec first = BlockApSpec(1);
  first.kind_classes = {{TaskKind::kAdvance, kL4.base}};
  harness.Submit(first);
  RunSpec second = BlockApSpec(1);
  second.recipe.wbits = 4;
  const RunId same = harness.Submit(second);
  EXPECT_EQ(harness.run(same).record.kind_bases.at(TaskKind::kAdvance), kL4.base);
  EXPECT_EQ(harness.run(same).record.kind_bases.at(TaskKind::kTrainBlock), kA10040.base);
  harness.Do(CancelRun{same.value});  // else its class would be the fuller one
  const RunId other = harness.Submit(OfAnotherModel(second));
  EXPECT_EQ(harness.run(other).record.kind_bases.at(TaskKind::kAdvance), kA10040.base);
}

TEST(ClassByKindTest, ARunIsPendingUntilAWorkerOfEveryNeededKindIsThere) {
  SchedulerHarness harness;
  WorkerRecord trainer = WorkerOn(kA10080, "trainer");
  trainer.kinds = {TaskKind::kTrainBlock};
  harness.Register(trainer);
  RunSpec spec = BlockApSpec(1);
  spec.kind_classes = {{TaskKind::kEvaluatePpl, kCpu.base}};
  const RunId run = harness.Submit(spec);
  EXPECT_EQ(harness.run(run).record.state, RunState::kPending);
  harness.Register(WorkerOn(kL4, "l4"));
  EXPECT_EQ(harness.run(run).record.state, RunState::kPending) << "evaluate_ppl waits for its class";
  harness.Register(WorkerOn(kCpu, "cpu"));
  EXPECT_EQ(harness.run(run).record.state, RunState::kRunning);
}

TEST(ClassByKindTest, AUnitThatIsHeldWholeFitsNowhereWhereItsBlocksWould) {
  SchedulerHarness harness;
  RunSpec spec = BlockApSpec(4);
  const ResolvedSpec resolved = *ResolveSpec(spec);
  WorkerRecord worker = WorkerNamed("small");
  worker.memory_bytes = TaskMemoryBytes(TaskKind::kTrainBlock, *resolved.model, resolved.recipe);
  harness.Register(worker);
  EXPECT_TRUE(harness.Do(SubmitRun{spec, ""}).status.ok());
  spec.recipe.block_grouping = "4";
  const Status refused = harness.Do(SubmitRun{spec, ""}).status;
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("train_block"));
}

TEST(ClassByKindTest, ADrainingWorkerDoesNotCount) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register(WorkerOn(kL4, "l4"));
  harness.Do(Heartbeat{.worker = worker, .tasks = {}, .draining = true, .discarded = {}});
  EXPECT_EQ(harness.run(harness.Submit(BlockApSpec(1))).record.state, RunState::kPending);
}

TEST(ClassByKindTest, WhatFitsNowhereIsRefusedWithTheKindAndTheNumberThatIsMissing) {
  SchedulerHarness harness;
  harness.Register(WorkerOn(kL4, "l4"));
  const RunSpec spec = LargeSpec();
  const ResolvedSpec resolved = *ResolveSpec(spec);
  const int64_t needed = TaskMemoryBytes(TaskKind::kTrainBlock, *resolved.model, resolved.recipe);
  ASSERT_GT(needed, kL4.memory_bytes);
  Effects effects = harness.Do(SubmitRun{spec, ""});
  EXPECT_EQ(effects.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(MessageOf(effects.status)),
              HasSubstr(absl::StrCat("a task of kind train_block needs ", HumanBytes(needed),
                                     " of memory and the largest worker for it has 24.0 GiB: ",
                                     HumanBytes(needed - kL4.memory_bytes), " are missing")));
  // A class that has room does not help a run that is pinned to another.
  harness.Register(WorkerOn(kA10080, "a100"));
  RunSpec named = spec;
  named.kind_classes = {{TaskKind::kTrainBlock, kL4.base}};
  effects = harness.Do(SubmitRun{named, ""});
  EXPECT_EQ(effects.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(harness.run(harness.Submit(spec)).record.state, RunState::kRunning);
}

TEST(ClassByKindTest, ARestartKeepsTheClassOfEveryKind) {
  SchedulerHarness harness;
  harness.Register(WorkerOn(kA10040, "a100"));
  const WorkerId l4 = harness.Register(WorkerOn(kL4, "l4"));
  RunSpec spec = BlockApSpec(2);
  spec.kind_classes = {{TaskKind::kAdvance, kL4.base}};
  const RunId run = harness.Submit(spec);
  const KindBases bases = harness.run(run).record.kind_bases;
  ASSERT_EQ(bases.at(TaskKind::kAdvance), kL4.base);
  harness.RunUntil(l4, "embed calibration tokens");
  harness.Restart();
  EXPECT_EQ(harness.run(run).record.kind_bases, bases);
  EXPECT_EQ(harness.run(run).record.spec->kind_classes, spec.kind_classes);
  RunSpec other = BlockApSpec(2);
  other.recipe.wbits = 3;
  EXPECT_EQ(harness.run(harness.Submit(other)).record.kind_bases.at(TaskKind::kAdvance), kL4.base)
      << "sharing knows it too";
}

TEST(ClassByKindTest, AWorkerThatIsOnlyRememberedFromBeforeARestartDoesNotDecideTheClass) {
  SchedulerHarness harness;
  harness.Register(WorkerOn(kL4, "gone"));
  harness.RestartWithoutWorkers();
  const RunId run = harness.Submit(BlockApSpec(1));
  EXPECT_EQ(harness.run(run).record.state, RunState::kPending);
  harness.Register(WorkerOn(kA10040, "here"));
  EXPECT_EQ(harness.run(run).record.state, RunState::kRunning);
  EXPECT_EQ(harness.run(run).record.kind_bases.at(TaskKind::kTrainBlock), kA10040.base);
}

TEST(ClassByKindTest, AWorkerThatIsHeardOfAfterARestartCountsAgain) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register(WorkerOn(kL4, "l4"));
  harness.RestartWithoutWorkers();
  const RunId run = harness.Submit(BlockApSpec(1));
  EXPECT_EQ(harness.run(run).record.state, RunState::kPending);
  harness.Beat(worker);
  EXPECT_EQ(harness.run(run).record.kind_bases.at(TaskKind::kTrainBlock), kL4.base);
}

TEST(ClassByKindTest, ARunWhoseWorkersAreGoneSaysSoAndStopsSayingItWhenOneComesBack) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register(WorkerOn(kL4, "l4"));
  const RunId run = harness.Submit(BlockApSpec(1));
  harness.RunUntil(worker, "train block 0");
  harness.RestartWithoutWorkers();
  const WorkerId other = harness.Register(WorkerOn(kA10040, "a100"));
  EXPECT_EQ(harness.run(run).waiting_reason, "") << "the others have time to come back";
  for (int beat = 0; beat < 4; ++beat) {
    harness.Advance(harness.options().lease_ms / 3);
    harness.Beat(other);
  }
  harness.Advance(harness.options().lease_ms / 3);
  EXPECT_THAT(harness.run(run).waiting_reason, HasSubstr("waits for a worker of class '" + kL4.base + "'"));
  EXPECT_EQ(harness.run(run).logs.back().text, harness.run(run).waiting_reason);
  const WorkerId back = harness.Register(WorkerOn(kL4, "l4"));
  EXPECT_EQ(harness.run(run).waiting_reason, "");
  harness.RunToEnd(back);
  EXPECT_EQ(harness.run(run).record.state, RunState::kSucceeded);
}

TEST(ClassByKindTest, ARunThatAnotherVersionBeganBeginsAgainOnTheWorkersThatAreHere) {
  SchedulerHarness harness;
  const WorkerId old = harness.Register(WorkerOn(kL4, "l4"));
  const RunId run = harness.Submit(BlockApSpec(2));
  harness.RunUntil(old, "train block 1");
  std::vector<RunTaskRecord> tasks = harness.run(run).tasks;
  std::swap(tasks.front(), tasks.back());  // another version's graph
  ASSERT_TRUE(harness.store().Commit(harness.term(), std::vector<Change>{PutRunTasks{run, tasks}}).ok());
  harness.RestartWithoutWorkers();
  EXPECT_EQ(harness.run(run).record.state, RunState::kPending);
  EXPECT_EQ(CheckIndexes(harness.state()), "");
  const WorkerId fresh = harness.Register(WorkerOn(kA10040, "a100"));
  EXPECT_EQ(harness.run(run).record.kind_bases.at(TaskKind::kTrainBlock), kA10040.base);
  harness.RestartWithoutWorkers();
  harness.RunToEnd(fresh);
  EXPECT_EQ(harness.run(run).record.state, RunState::kSucceeded) << harness.run(run).record.error;
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

TEST(ClassByKindTest, ARunOfAnOlderVersionIsPinnedToItsOneClass) {
  SchedulerHarness harness;
  harness.Register(WorkerOn(kL4, "l4"));
  const RunId run = harness.Submit(BlockApSpec(1));
  RunRecord older = harness.run(run).record;
  older.kind_bases.clear();
  ASSERT_TRUE(harness.store().Commit(harness.term(), std::vector<Change>{PutRun{older}}).ok());
  harness.Restart();
  EXPECT_EQ(harness.run(run).record.kind_bases.at(TaskKind::kTrainBlock), kL4.base);
  EXPECT_EQ(harness.run(run).record.kind_bases.at(TaskKind::kHessian), kL4.base);
}

// Three blocks that train independently. `a` makes A(1), `b` reads it and makes A(2) and A(3).
class LocalityTest : public ::testing::Test {
 protected:
  WorkerRecord Caching(const std::string& name, int64_t cache_bytes) {
    WorkerRecord worker = WorkerNamed(name);
    worker.cache_bytes = cache_bytes;
    return worker;
  }
  // What `b` is given first once only trainings are left.
  std::string FirstTrainingOf(int64_t cache_bytes) {
    SchedulerHarness harness;
    const WorkerId a = harness.Register(Caching("a", cache_bytes));
    const WorkerId b = harness.Register(Caching("b", cache_bytes));
    RunSpec spec = BlockApSpec(3);
    spec.recipe.handoff = "independent";
    spec.eval_texts.clear();
    harness.Submit(spec);
    const Lease advance_0 = harness.RunUntil(a, "advance full-precision block 0");
    LWQ_CHECK(harness.Succeed(a, advance_0).ok(), "");
    for (const char* title : {"advance full-precision block 1", "advance full-precision block 2"}) {
      const Lease advance = harness.RunUntil(b, title);
      LWQ_CHECK(harness.Succeed(b, advance).ok(), "");
    }
    const std::string first = harness.LeaseTo(b)->title;
    EXPECT_EQ(harness.LeaseTo(a)->title, cache_bytes > 0 ? "train block 0" : "train block 1");
    return first;
  }
};

TEST_F(LocalityTest, AWorkerThatMadeOrReadTheInputsGetsTheTaskWhenTasksAreEquallyUrgent) {
  EXPECT_EQ(FirstTrainingOf(1 << 20), "train block 1") << "it has both A(1) and A(2), but A(1) alone of train block 0";
}

TEST_F(LocalityTest, WithoutACacheThePositionDecides) {
  EXPECT_EQ(FirstTrainingOf(0), "train block 0");
}

TEST_F(LocalityTest, TheCriticalPathGoesBeforeWhatIsLocal) {
  SchedulerHarness harness;
  const WorkerId a = harness.Register(Caching("a", 1 << 20));
  const WorkerId b = harness.Register(Caching("b", 1 << 20));
  RunSpec spec = BlockApSpec(3);
  spec.recipe.handoff = "independent";
  harness.Submit(spec);
  const Lease advance_0 = harness.RunUntil(a, "advance full-precision block 0");
  ASSERT_TRUE(harness.Succeed(a, advance_0).ok());
  EXPECT_EQ(harness.LeaseTo(a)->title, "advance full-precision block 1")
      << "train block 0 reads two artifacts that it has, but what hangs on the chain is longer";
  EXPECT_THAT(harness.LeaseTo(b)->title, ::testing::Not(HasSubstr("advance")));
}

TEST(LocalArtifactsTest, WhatWasUsedLeastRecentlyGoesFirstAndNothingLargerThanTheCacheIsNoted) {
  const auto artifact = [](std::string_view name, int64_t size_bytes) {
    return ArtifactRef{DigestOf(name), size_bytes};
  };
  LocalArtifacts local;
  EXPECT_TRUE(local.empty());
  local.Use(artifact("a", 40), 100);
  local.Use(artifact("b", 40), 100);
  local.Use(artifact("a", 40), 100);
  local.Use(artifact("c", 40), 100);
  EXPECT_TRUE(local.Has(DigestOf("a")));
  EXPECT_FALSE(local.Has(DigestOf("b")));
  EXPECT_TRUE(local.Has(DigestOf("c")));
  local.Use(artifact("huge", 101), 100);
  EXPECT_FALSE(local.Has(DigestOf("huge")));
  EXPECT_TRUE(local.Has(DigestOf("c"))) << "what does not fit displaces nothing";
  LocalArtifacts none;
  none.Use(artifact("empty", 0), 0);
  EXPECT_TRUE(none.empty());
  LocalArtifacts tiny;
  for (size_t i = 0; i <= LocalArtifacts::kMost; ++i) tiny.Use(artifact(absl::StrCat(i), 0), 100);
  EXPECT_FALSE(tiny.Has(DigestOf("0"))) << "a bounded number, too";
  EXPECT_TRUE(tiny.Has(DigestOf("1")));
}

}  // namespace
}  // namespace lwq::coordinator
