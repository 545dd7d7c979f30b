// SPDX-License-Identifier: Apache-2.0
// What is learned about time, and what plans and schedules make of it.
#include "coordinator/scheduler/foresee/estimates.h"

#include <algorithm>

#include "coordinator/plan/cost/task_costs.h"
#include "coordinator/scheduler/foresee/makespan.h"
#include "coordinator/scheduler/foresee/preview.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/devices.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::BlockApSpec;
using ::testing::DoubleEq;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kA10080;
using testing::kL4;
using testing::NoopSpec;
using ::testing::Optional;
using testing::SchedulerHarness;
using testing::WorkerNamed;
using testing::WorkerOn;

// Every task the harness reports took this long.
constexpr double kSeconds = 0.5;

RunSpec OtherSeed(int blocks) {
  RunSpec spec = BlockApSpec(blocks);
  spec.recipe.seed = 77;
  return spec;
}

RunPreview Preview(const SchedulerHarness& harness, const RunSpec& spec) {
  StatusOr<RunPreview> preview = harness.Preview(spec);
  LWQ_CHECK(preview.ok(), preview.status().ToString());
  return *std::move(preview);
}

const KindEstimate& Of(const RunPreview& preview, TaskKind kind, const std::string& base) {
  for (const KindEstimate& estimate : preview.estimates) {
    if (estimate.kind == kind && estimate.base == base) return estimate;
  }
  LWQ_CHECK(false, "no estimate for ", TaskKindName(kind), " on ", base);
  return preview.estimates.front();
}

TimedTask Timed(std::string_view name, double seconds, int depth, const std::vector<std::string>& after = {}) {
  auto def = std::make_shared<TaskDef>();
  for (size_t i = 0; i < after.size(); ++i) {
    def->inputs[absl::StrCat("in.", i)] = TaskOutputRef{DigestOf(after[i]), "out"};
  }
  return {.key = DigestOf(name), .def = def, .depth = depth, .memory_bytes = 0, .seconds = seconds};
}

TEST(WorkTest, TwiceTheEpochsIsAboutTwiceTheTrainingAndTwiceTheSamplesIsTwiceTheForwards) {
  const ResolvedSpec resolved = *ResolveSpec(BlockApSpec(2));
  const Recipe recipe = PinRecipe(resolved.recipe, false);
  const auto work_of = [&](const Recipe& of, TaskKind kind) {
    double sum = 0;
    const RunGraph graph = *BuildRunGraph(resolved.spec, resolved.model.get(), of, {});
    for (const PlannedTask& task : graph.tasks) {
      const double work = TaskWork(task.def, resolved.model.get(), of, 100);
      EXPECT_GT(work, 0) << task.title;
      if (task.def.kind == kind) sum += work;
    }
    return sum;
  };
  Recipe longer = recipe;
  longer.epochs *= 2;
  const double ratio = work_of(longer, TaskKind::kTrainBlock) / work_of(recipe, TaskKind::kTrainBlock);
  EXPECT_GT(ratio, 1.9);
  EXPECT_LE(ratio, 2);
  Recipe more = recipe;
  more.train_size *= 2;
  more.val_size *= 2;
  EXPECT_DOUBLE_EQ(work_of(more, TaskKind::kAdvance), 2 * work_of(recipe, TaskKind::kAdvance));
  EXPECT_DOUBLE_EQ(work_of(longer, TaskKind::kAdvance), work_of(recipe, TaskKind::kAdvance));
}

TEST(DurationsTest, AreTheSumOfSecondsOverTheSumOfWorkByKindAndClass) {
  Durations durations;
  EXPECT_FALSE(durations.SecondsFor(TaskKind::kAdvance, "a", 10).has_value());
  durations.Learn(TaskKind::kAdvance, "a", 10, 1);
  durations.Learn(TaskKind::kAdvance, "a", 30, 7);
  EXPECT_THAT(durations.SecondsFor(TaskKind::kAdvance, "a", 20), Optional(DoubleEq(4)));
  durations.Learn(TaskKind::kAdvance, "a", 0, 1000);
  durations.Learn(TaskKind::kAdvance, "a", 10, -1);
  EXPECT_THAT(durations.SecondsFor(TaskKind::kAdvance, "a", 20), Optional(DoubleEq(4))) << "neither says anything";
  EXPECT_FALSE(durations.SecondsFor(TaskKind::kAdvance, "b", 20).has_value());
  EXPECT_FALSE(durations.SecondsFor(TaskKind::kEmbed, "a", 20).has_value());
}

TEST(EstimateTest, TimesAreLearnedFromExecutedTasksAndSurviveARestart) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const std::string base = WorkerNamed("a").numerics_class;
  RunPreview preview = Preview(harness, OtherSeed(2));
  EXPECT_FALSE(Of(preview, TaskKind::kTrainBlock, base).seconds.has_value()) << "nothing was measured";
  EXPECT_FALSE(preview.estimated_seconds.has_value());
  harness.Submit(BlockApSpec(2));
  harness.RunToEnd(worker);
  const auto check = [&] {
    const RunPreview learned = Preview(harness, OtherSeed(2));
    for (const KindEstimate& estimate : learned.estimates) {
      EXPECT_THAT(estimate.seconds, Optional(::testing::DoubleNear(kSeconds, 1e-9))) << TaskKindName(estimate.kind);
    }
    RunSpec longer = OtherSeed(2);
    longer.recipe.epochs = 4;
    EXPECT_GT(*Of(Preview(harness, longer), TaskKind::kTrainBlock, base).seconds, 1.9 * kSeconds);
  };
  check();
  harness.Restart();
  check();
}

TEST(EstimateTest, AResultThatWasFoundPublishedTeachesNothing) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Submit(NoopSpec(2));
  for (const bool from_cache : {false, true}) {
    const Lease lease = *harness.LeaseTo(worker);
    ReportTask report;
    report.worker = worker;
    report.task = lease.task;
    report.token = lease.token;
    report.seconds = from_cache ? 1000 : 3;
    ReportSuccess success;
    success.from_cache = from_cache;
    report.outcome = success;
    ASSERT_TRUE(harness.Do(report).status.ok());
  }
  EXPECT_THAT(harness.state().durations.SecondsFor(TaskKind::kNoop, "", 1), Optional(DoubleEq(3)));
  harness.Restart();
  EXPECT_THAT(harness.state().durations.SecondsFor(TaskKind::kNoop, "", 1), Optional(DoubleEq(3)));
}

TEST(EstimateTest, EveryKindIsShownForEveryLiveClassWithWhyItDoesNotFit) {
  SchedulerHarness harness;
  harness.Register(WorkerOn(kA10080, "a100"));
  harness.Register(WorkerOn(kL4, "l4-1"));
  WorkerRecord evaluator = WorkerOn(kL4, "l4-2");
  evaluator.kinds = {TaskKind::kEvaluatePpl};
  harness.Register(evaluator);
  WorkerRecord narrow = WorkerNamed("narrow", "narrow|none|none");
  narrow.max_threads = 1;
  narrow.kinds = {TaskKind::kTrainBlock, TaskKind::kTokenize};
  harness.Register(narrow);
  RunSpec spec = testing::LargeSpec();
  spec.recipe.threads = 4;
  const RunPreview preview = Preview(harness, spec);
  EXPECT_EQ(preview.estimates.size(), preview.tasks.size() * 3);
  const KindEstimate& chosen = Of(preview, TaskKind::kTrainBlock, kA10080.base);
  EXPECT_TRUE(chosen.chosen);
  EXPECT_EQ(chosen.problem, "");
  EXPECT_EQ(chosen.workers, 1);
  EXPECT_EQ(chosen.tasks, 2);
  EXPECT_GT(chosen.memory_bytes, kL4.memory_bytes);
  const KindEstimate& small = Of(preview, TaskKind::kTrainBlock, kL4.base);
  EXPECT_FALSE(small.chosen);
  EXPECT_EQ(small.workers, 2);
  EXPECT_THAT(small.problem, ::testing::MatchesRegex("needs 2[0-9]\\.[0-9] GiB, has 24\\.0 GiB"));
  EXPECT_EQ(Of(preview, TaskKind::kAdvance, kL4.base).problem, "");
  EXPECT_EQ(Of(preview, TaskKind::kTrainBlock, "narrow|none|none").problem, "needs 4 threads, has 1");
  EXPECT_EQ(Of(preview, TaskKind::kAdvance, "narrow|none|none").problem, "its workers do not execute this kind");
  EXPECT_EQ(Of(preview, TaskKind::kTokenize, "narrow|none|none").problem, "") << "never pinned: one thread is enough";
}

TEST(EstimateTest, TheWholeRunTakesItsUndoneTasksOnOneWorkerAndLessOnTwo) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Submit(BlockApSpec(3));
  harness.RunToEnd(worker);
  RunSpec spec = OtherSeed(3);
  spec.recipe.handoff = "independent";
  const auto undone = [&](const RunPreview& preview) {
    int tasks = 0;
    for (const auto& [kind, count] : preview.tasks) tasks += count;
    for (const auto& [kind, count] : preview.tasks_shared) tasks -= count;
    return tasks;
  };
  const RunPreview one = Preview(harness, spec);
  ASSERT_GT(one.tasks_shared.size(), 0u) << "the evaluated text is tokenized";
  // The two texts differ in length, so one is said to take a little longer than it was measured with.
  EXPECT_THAT(one.estimated_seconds, Optional(::testing::DoubleNear(undone(one) * kSeconds, kSeconds / 4)));
  harness.Register("b");
  const RunPreview two = Preview(harness, spec);
  EXPECT_LT(*two.estimated_seconds, *one.estimated_seconds);
  EXPECT_GE(*two.estimated_seconds, *one.estimated_seconds / 2);
  EXPECT_EQ(harness.state().runs.size(), 1u) << "nothing was stored";
}

TEST(SimulateMakespanTest, ListScheduleOfASmallGraphIsTheOneByHand) {
  // a(2) → c(3), b(1) → d(1); both then e(1).
  const std::vector<TimedTask> tasks = {Timed("a", 2, 3), Timed("b", 1, 3), Timed("c", 3, 2, {"a"}),
                                        Timed("d", 1, 2, {"b"}), Timed("e", 1, 1, {"c", "d"})};
  const auto seconds = [&](size_t workers) {
    return SimulateMakespan(tasks, std::vector<WorkerRecord>(workers, WorkerNamed("w")))->seconds;
  };
  EXPECT_DOUBLE_EQ(seconds(1), 8);
  EXPECT_DOUBLE_EQ(seconds(2), 6);
  EXPECT_DOUBLE_EQ(seconds(100), 6) << "the critical path";
  EXPECT_DOUBLE_EQ(SimulateMakespan({}, {})->seconds, 0);
}

TEST(SimulateMakespanTest, WhatIsNotAmongTheTasksIsThereFromTheStart) {
  EXPECT_DOUBLE_EQ(SimulateMakespan({Timed("c", 3, 1, {"a", "b"})}, {WorkerNamed("w")})->seconds, 3);
}

TEST(SimulateMakespanTest, ATaskThatFitsNoWorkerAndTooManyTasksAreRefused) {
  TimedTask large = Timed("a", 1, 1);
  large.memory_bytes = WorkerNamed("w").memory_bytes + 1;
  const StatusOr<Makespan> nowhere = SimulateMakespan({Timed("b", 1, 1), large}, {WorkerNamed("w")});
  EXPECT_EQ(nowhere.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(MessageOf(nowhere.status())), HasSubstr("fits none of the workers"));
  const std::vector<TimedTask> many(kMaxSimulatedTasks + 1, Timed("a", 1, 1));
  EXPECT_EQ(SimulateMakespan(many, {WorkerNamed("w")}).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(SecondsWithWorkersTest, OneWorkerTakesTheSumAndManyTheCriticalPath) {
  for (const char* handoff : {"sequential", "independent", "relay"}) {
    SchedulerHarness harness;
    const WorkerId worker = harness.Register("a");
    RunSpec spec = BlockApSpec(4);
    spec.recipe.handoff = handoff;
    spec.kind_classes = {{TaskKind::kAdvance, WorkerNamed("a").numerics_class}};
    const RunId run = harness.Submit(spec);
    EXPECT_EQ(harness.SecondsWithWorkers(run, 1).status().code(), absl::StatusCode::kFailedPrecondition) << "it runs";
    harness.RunToEnd(worker);
    int longest = 0;
    for (const RunTaskRecord& task : harness.run(run).tasks) longest = std::max(longest, task.depth);
    const auto seconds = [&](int workers) { return *harness.SecondsWithWorkers(run, workers); };
    EXPECT_DOUBLE_EQ(seconds(1), kSeconds * static_cast<double>(harness.run(run).tasks.size())) << handoff;
    EXPECT_DOUBLE_EQ(seconds(32), kSeconds * longest) << handoff;
    EXPECT_LE(seconds(4), seconds(2));
    EXPECT_LE(seconds(2), seconds(1));
    for (const int workers : {0, -1, kMaxSimulatedWorkers + 1}) {
      EXPECT_EQ(harness.SecondsWithWorkers(run, workers).status().code(), absl::StatusCode::kInvalidArgument);
    }
  }
}

TEST(SecondsWithWorkersTest, ARunThatExecutedNothingTakesTheTimesOfTheResultsItFound) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId first = harness.Submit(BlockApSpec(2));
  harness.RunToEnd(worker);
  const RunId again = harness.Submit(BlockApSpec(2));
  EXPECT_EQ(*harness.SecondsWithWorkers(again, 2), *harness.SecondsWithWorkers(first, 2));
}

}  // namespace
}  // namespace lwq::coordinator
