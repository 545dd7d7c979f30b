// SPDX-License-Identifier: Apache-2.0
// Runs whose plan goes by a sensitivity that has to be measured: they measure, grow, and train what follows from it.
#include <set>

#include "coordinator/scheduler/foresee/preview.h"
#include "coordinator/scheduler/step/step.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::BlockApSpec;
using testing::CheckIndexes;
using testing::DescribeDurable;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::SchedulerHarness;

// Four blocks trained most sensitive first; two shards of samples.
RunSpec ByMeasuredSensitivity(const std::string& metric = "fisher") {
  RunSpec spec = BlockApSpec(4);
  spec.recipe.layer_ordering = "sensitivity";
  spec.recipe.sensitivity_metric = metric;
  spec.recipe.sensitivity_samples = 6;
  spec.recipe.sensitivity_shard_samples = 4;
  spec.recipe.export_format = "none";
  spec.recipe.sensitivity_bits = "2,4";
  spec.recipe.hessian_probes = 3;
  return spec;
}

std::vector<std::string> TrainingsOf(const std::vector<std::string>& titles) {
  std::vector<std::string> trainings;
  for (const std::string& title : titles) {
    if (title.starts_with("train ")) trainings.push_back(title);
  }
  return trainings;
}

class MetricTest : public ::testing::TestWithParam<std::string> {};

TEST_P(MetricTest, IsMeasuredBeforeAnythingIsTrainedAndDecidesTheOrder) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId id = harness.Submit(ByMeasuredSensitivity(GetParam()));
  EXPECT_TRUE(harness.run(id).plan.provisional);
  EXPECT_TRUE(harness.run(id).pending.has_value());
  const std::vector<std::string> titles = harness.RunToEnd(worker);
  const RunEntry& run = harness.run(id);
  EXPECT_EQ(run.record.state, RunState::kSucceeded) << run.record.error;
  ASSERT_EQ(run.record.measurements.size(), 1u);
  EXPECT_FALSE(run.plan.provisional);
  const std::vector<double>& scores = run.record.measurements[0].scores;
  std::vector<int64_t> expected = SensitivityOrder(scores);
  EXPECT_EQ(run.plan.order, expected);
  std::vector<std::string> trainings;
  for (const int64_t block : expected) trainings.push_back(absl::StrCat("train block ", block));
  // Blocks that do not see each other's quantized activations may be trained in any order, or at once.
  EXPECT_THAT(TrainingsOf(titles), ::testing::UnorderedElementsAreArray(trainings));
  std::set<TaskKind> kinds;
  for (const RunTaskRecord& planned : run.tasks) kinds.insert(harness.task(planned.key).def->kind);
  EXPECT_EQ(kinds, KindsOfRun(*run.record.spec, run.record.recipe)) << "what placement finds workers for";
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

TEST_P(MetricTest, ARestartAtAnyMomentChangesNothing) {
  SchedulerHarness undisturbed;
  undisturbed.RunToEnd(undisturbed.Register("a"));
  const WorkerId worker = undisturbed.Register("a");
  const RunId id = undisturbed.Submit(ByMeasuredSensitivity(GetParam()), "one");
  undisturbed.RunToEnd(worker);
  SchedulerHarness harness;
  harness.Register("a");
  const WorkerId other = harness.Register("a");
  const RunId again = harness.Submit(ByMeasuredSensitivity(GetParam()), "one");
  while (const std::optional<Lease> lease = harness.LeaseTo(other)) {
    harness.Restart();
    ASSERT_TRUE(harness.Succeed(other, *lease).ok());
    harness.Restart();
    EXPECT_EQ(CheckIndexes(harness.state()), "");
  }
  EXPECT_EQ(harness.run(again).record.state, RunState::kSucceeded);
  EXPECT_EQ(harness.run(again).record.result, undisturbed.run(id).record.result);
  EXPECT_EQ(harness.run(again).plan.order, undisturbed.run(id).plan.order);
}

INSTANTIATE_TEST_SUITE_P(Each, MetricTest,
                         ::testing::Values("fisher", "gradient", "hessian", "output_fisher", "loss_delta", "pilot"),
                         [](const auto& each) { return each.param; });

TEST(GrowingRunTest, WhatAnotherRunHasMeasuredIsNotMeasuredAgain) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  harness.Submit(ByMeasuredSensitivity());
  harness.RunToEnd(worker);
  RunSpec other = ByMeasuredSensitivity();
  other.recipe.epochs = 3;
  const StatusOr<RunPreview> preview = harness.Preview(other);
  ASSERT_TRUE(preview.ok()) << preview.status();
  EXPECT_FALSE(preview->plan.provisional) << "its measurement is known";
  EXPECT_EQ(preview->tasks.at(TaskKind::kBackwardBlock), preview->tasks_shared.at(TaskKind::kBackwardBlock));
  const RunId second = harness.Submit(other);
  for (const std::string& title : harness.RunToEnd(worker)) EXPECT_THAT(title, ::testing::Not(HasSubstr("gradient")));
  EXPECT_EQ(harness.run(second).record.state, RunState::kSucceeded);
}

TEST(GrowingRunTest, TwoRunsAtOnceMeasureOnce) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId one = harness.Submit(ByMeasuredSensitivity());
  const RunId two = harness.Submit(ByMeasuredSensitivity());
  const std::vector<std::string> titles = harness.RunToEnd(worker);
  // By key: an advance through a block at full precision has one title on the full-precision chain and on a quantized
  // one.
  std::set<Digest> tasks;
  for (const RunId& id : {one, two}) {
    for (const RunTaskRecord& planned : harness.run(id).tasks) tasks.insert(planned.key);
  }
  EXPECT_EQ(titles.size(), tasks.size()) << "each task once";
  EXPECT_EQ(harness.run(one).record.result.result_digest, harness.run(two).record.result.result_digest);
  EXPECT_EQ(harness.run(two).record.state, RunState::kSucceeded);
}

TEST(GrowingRunTest, ReorderEveryMeasuresTheUntrainedBlocksOfThePartlyQuantizedModel) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  RunSpec spec = ByMeasuredSensitivity();
  spec.recipe.reorder_every = 1;
  const RunId id = harness.Submit(spec);
  const std::vector<std::string> titles = harness.RunToEnd(worker);
  const RunEntry& run = harness.run(id);
  ASSERT_EQ(run.record.state, RunState::kSucceeded) << run.record.error;
  ASSERT_EQ(run.record.measurements.size(), 4u) << "once before, and after every block but the last";
  for (size_t i = 0; i < 4; ++i) {
    const Measurement& measurement = run.record.measurements[i];
    EXPECT_EQ(measurement.trained_blocks, static_cast<int64_t>(i));
    int64_t left = 0;
    for (const double score : measurement.scores) left += score > 0 ? 1 : 0;
    EXPECT_EQ(left, 4 - static_cast<int64_t>(i));
    if (i == 3) continue;
    // The next block trained is the most sensitive of those left.
    const int64_t next = SensitivityOrder(measurement.scores)[0];
    EXPECT_EQ(run.plan.order[i], next);
  }
  EXPECT_EQ(TrainingsOf(titles).size(), 4u);
}

TEST(GrowingRunTest, ARunThatOnlyMeasuresEndsWithItsScores) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  RunSpec spec = ByMeasuredSensitivity();
  spec.recipe.method = "sensitivity";
  spec.recipe.layer_ordering.reset();
  const RunId id = harness.Submit(spec);
  const std::vector<std::string> titles = harness.RunToEnd(worker);
  EXPECT_THAT(TrainingsOf(titles), IsEmpty());
  const RunRecord& record = harness.run(id).record;
  EXPECT_EQ(record.state, RunState::kSucceeded) << record.error;
  ASSERT_EQ(record.measurements.size(), 1u);
  EXPECT_EQ(record.measurements[0].scores.size(), 4u);
  EXPECT_NE(record.result.result_digest, "");
}

TEST(GrowingRunTest, GivenScoresTakeThePlaceOfAMeasurement) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  RunSpec spec = ByMeasuredSensitivity();
  spec.sensitivity_scores = {1, 3, 2, 4};
  const RunId id = harness.Submit(spec);
  EXPECT_FALSE(harness.run(id).pending.has_value());
  EXPECT_THAT(harness.run(id).plan.order, ElementsAre(3, 1, 2, 0));
  EXPECT_EQ(TrainingsOf(harness.RunToEnd(worker)).size(), 4u);
}

TEST(GrowingRunTest, OptimalWithGivenScoresMeasuresOnlyWeightErrors) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  RunSpec spec = BlockApSpec(4);
  spec.recipe.export_format = "none";
  spec.recipe.use_mixed_precision = true;
  spec.recipe.mpq_strategy = "optimal";
  spec.recipe.target_avg_bits = 4;
  spec.sensitivity_scores = {1, 3, 2, 4};
  const RunId id = harness.Submit(spec);
  const std::vector<std::string> titles = harness.RunToEnd(worker);
  const RunEntry& run = harness.run(id);
  ASSERT_EQ(run.record.state, RunState::kSucceeded) << run.record.error;
  EXPECT_THAT(titles, ::testing::Contains("weight errors of block 3"));
  EXPECT_THAT(titles, ::testing::Not(::testing::Contains(HasSubstr("gradient"))));
  ASSERT_TRUE(run.plan.allocation.has_value());
  EXPECT_LE(run.plan.stored_bits_per_weight, 4);
}

TEST(GrowingRunTest, ABudgetBelowTheSmallestPlanIsRefusedBeforeAnythingIsMeasured) {
  SchedulerHarness harness;
  harness.Register("a");
  RunSpec spec = ByMeasuredSensitivity("output_fisher");
  spec.recipe.use_mixed_precision = true;
  spec.recipe.mpq_strategy = "optimal";
  spec.recipe.target_avg_bits = 2.0;  // codes alone take that
  const Status refused = harness.Do(SubmitRun{spec, ""}).status;
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("target_avg_bits"));
  spec.recipe.target_avg_bits = 4;
  EXPECT_TRUE(harness.Do(SubmitRun{spec, ""}).status.ok());
}

TEST(GrowingRunTest, APlanThatTheFormatCannotHoldFailsTheRunBeforeItTrains) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  RunSpec spec = ByMeasuredSensitivity();
  spec.recipe.export_format = "gptq_v2";
  spec.recipe.use_mixed_precision = true;
  spec.recipe.mpq_strategy = "adaptive";
  spec.recipe.target_avg_bits = 5;
  const RunId id = harness.Submit(spec);
  EXPECT_THAT(TrainingsOf(harness.RunToEnd(worker)), IsEmpty());
  EXPECT_EQ(harness.run(id).record.state, RunState::kFailed);
  EXPECT_THAT(
      harness.run(id).record.error,
      HasSubstr(
          "which export_format gptq_v2 cannot hold; compressed_tensors, fake_quant, gguf, gguf_q4_1 or none can"));
  EXPECT_EQ(CheckIndexes(harness.state()), "");
  harness.Restart();
  EXPECT_EQ(harness.run(id).record.state, RunState::kFailed);
}

TEST(GrowingRunTest, ASensitivityThatIsNotFiniteFailsTheRunNamingTheBlock) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId id = harness.Submit(ByMeasuredSensitivity());
  while (const std::optional<Lease> lease = harness.LeaseTo(worker)) {
    ReportTask report;
    report.worker = worker;
    report.task = lease->task;
    report.token = lease->token;
    ReportSuccess success = testing::HonestSuccess(*lease);
    if (lease->title == "gradient through block 2, shard 1 of 2") {
      success.metrics_json = R"({"squared_gradient_norms":[1,null,1,1]})";
    }
    report.outcome = success;
    ASSERT_TRUE(harness.Do(report).status.ok());
  }
  EXPECT_EQ(harness.run(id).record.state, RunState::kFailed);
  EXPECT_THAT(harness.run(id).record.error, HasSubstr("the sensitivity of block 2 could not be measured"));
}

TEST(GrowingRunTest, ALostGradientIsMadeAgainAndTheMeasurementComesOutTheSame) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId id = harness.Submit(ByMeasuredSensitivity());
  const Lease lease = harness.RunUntil(worker, "gradient through block 1, shard 1 of 2");
  ASSERT_TRUE(harness.Fail(worker, lease, FailureCause::kInputLost, "gone", "gradients").ok());
  const std::vector<std::string> titles = harness.RunToEnd(worker);
  EXPECT_THAT(titles, ::testing::Contains("gradient through block 2, shard 1 of 2"));
  EXPECT_EQ(harness.run(id).record.state, RunState::kSucceeded);
}

TEST(GrowingRunTest, ARunThatAnotherVersionBeganBeginsAgainAndMeasuresAnew) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId id = harness.Submit(ByMeasuredSensitivity());
  harness.RunUntil(worker, "train block 0");
  ASSERT_FALSE(harness.run(id).record.measurements.empty());
  std::vector<RunTaskRecord> tasks = harness.run(id).tasks;
  tasks.pop_back();  // another version's graph
  const Change other = PutRunTasks{id, tasks};
  ASSERT_TRUE(harness.store().Commit(harness.term(), {&other, 1}).ok());
  harness.Restart();
  EXPECT_EQ(CheckIndexes(harness.state()), "");
  harness.Beat(worker);
  EXPECT_EQ(harness.run(id).record.state, RunState::kRunning);
  EXPECT_EQ(harness.run(id).record.measurements.size(), 1u) << "from results that are the same in both";
  harness.Restart();
  harness.RunToEnd(worker);
  EXPECT_EQ(harness.run(id).record.state, RunState::kSucceeded) << harness.run(id).record.error;
  EXPECT_EQ(CheckIndexes(harness.state()), "");
}

}  // namespace
}  // namespace lwq::coordinator
