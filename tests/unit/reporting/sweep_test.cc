// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reporting/files/data_table.h"
#include "reporting/files/runs_table.h"
#include "reporting/sweep/sweep_report.h"
#include "tests/unit/reporting/sample_runs.h"
#include "tests/unit/reporting/sample_sweep.h"

namespace lwq::reporting {
namespace {

using RunMessage = lwqat::v1::Run;
using test::ArmRun;
using test::SampleSweep;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Optional;
using testing::Pair;

SweepReport Built(const SweepRuns& sweep, std::optional<size_t> baseline = std::nullopt) {
  auto report = BuildSweepReport(sweep, baseline);
  EXPECT_TRUE(report.ok()) << report.status();
  return *std::move(report);
}

const Arm& ArmNamed(const SweepReport& report, const std::string& name) {
  for (const Arm& arm : report.arms.arms) {
    if (arm.name == name) return arm;
  }
  ADD_FAILURE() << "no arm " << name;
  return report.arms.arms.front();
}

TEST(SweepLabelsTest, AxesAreTheFieldsThatFilesSetAndThatDiffer) {
  std::vector<RunMessage> runs(3);
  for (RunMessage& run : runs) run.mutable_spec()->mutable_recipe()->set_wbits(2);
  runs[0].mutable_spec()->mutable_recipe()->set_group_size(64);
  runs[1].mutable_spec()->mutable_recipe()->set_group_size(128);
  runs[1].mutable_spec()->mutable_recipe()->set_quant_lr(1e-3);
  EXPECT_THAT(LabelsFromRecipes(runs), ElementsAre(ElementsAre(Pair("group_size", "64")),
                                                   ElementsAre(Pair("group_size", "128")), ElementsAre()));
  EXPECT_TRUE(LabelsFromRecipes({}).empty());
}

TEST(SweepLabelsTest, WhatFollowsFromAnotherAxisIsNoneSoThatTrainedAndRoundedArmsMatch) {
  std::vector<RunMessage> runs;
  for (const char* method : {"rtn", "block_ap"}) {
    for (const int bits : {2, 3}) {
      for (const int seed : {1, 2}) {
        RunMessage run;
        run.mutable_spec()->mutable_recipe()->set_method(method);
        run.mutable_spec()->mutable_recipe()->set_wbits(bits);
        run.mutable_spec()->mutable_recipe()->set_seed(seed);
        if (method == std::string("block_ap")) run.mutable_spec()->mutable_recipe()->set_epochs(2);
        runs.push_back(run);
      }
    }
  }
  for (const Labels& labels : LabelsFromRecipes(runs)) EXPECT_EQ(labels.count("epochs"), 0u);
  EXPECT_EQ(LabelsFromRecipes(runs)[7], (Labels{{"method", "block_ap"}, {"wbits", "3"}, {"seed", "2"}}));
}

TEST(SweepLabelsTest, AMethodThatAFileLeavesOutIsTheDefaultThatThePlanHas) {
  std::vector<RunMessage> runs(2);
  runs[0].mutable_spec()->mutable_recipe()->set_method("rtn");
  runs[1].mutable_plan()->mutable_recipe()->set_method("block_ap");
  EXPECT_THAT(LabelsFromRecipes(runs),
              ElementsAre(ElementsAre(Pair("method", "rtn")), ElementsAre(Pair("method", "block_ap"))));
}

TEST(SweepLabelsTest, ModelsOfOneNameAndOtherBytesAreToldApart) {
  std::vector<RunMessage> runs(2);
  for (int i : {0, 1}) {
    runs[i].mutable_spec()->mutable_model()->set_name("tiny");
    runs[i].mutable_spec()->mutable_model()->mutable_files()->set_digest(std::string(64, i == 0 ? 'a' : 'b'));
  }
  EXPECT_THAT(LabelsFromRecipes(runs),
              ElementsAre(ElementsAre(Pair("model", "tiny aaaaaaaa")), ElementsAre(Pair("model", "tiny bbbbbbbb"))));
}

lwqat::v1::Task TimedTask(const std::string& key, const std::string& kind, const std::string& worker, double start,
                          double end) {
  lwqat::v1::Task task;
  task.set_key(key);
  task.set_kind(kind);
  task.set_title(absl::StrCat(kind, " ", key));
  task.set_worker(worker);
  task.set_state(lwqat::v1::TASK_STATE_SUCCEEDED);
  for (const auto& [time, seconds] : {std::pair(task.mutable_started_at(), start), {task.mutable_finished_at(), end}}) {
    time->set_seconds(static_cast<int64_t>(seconds));
    time->set_nanos(static_cast<int32_t>((seconds - std::floor(seconds)) * 1e9));
  }
  return task;
}

SweepRuns TimedSweep() {
  SweepRuns sweep;
  sweep.runs.resize(2);
  RunMessage& first = sweep.runs[0].run;
  RunMessage& second = sweep.runs[1].run;
  first.mutable_spec()->set_name("first");
  second.mutable_spec()->set_name("second");
  *first.add_tasks() = TimedTask("a", "advance", "w-2", 1000.5, 1001);
  *first.add_tasks() = TimedTask("b", "train_block", "w-1", 1001, 1005);
  *second.add_tasks() = TimedTask("a", "advance", "w-2", 1000.5, 1001);
  second.mutable_tasks(0)->set_from_cache(true);
  *second.add_tasks() = TimedTask("c", "evaluate_ppl", "w-1", 1006, 1008);
  *second.add_tasks() = TimedTask("d", "train_block", "w-1", 10, 20);
  second.mutable_tasks(2)->set_from_cache(true);  // long before, for others
  *second.add_tasks() = TimedTask("e", "hessian", "w-2", 1002, 1003);
  second.mutable_tasks(3)->clear_finished_at();
  return sweep;
}

TEST(TimelineTest, EachTaskThatWasExecutedForTheRunsIsOnItsWorkersLaneOnce) {
  const Timeline timeline = TimelineOf(TimedSweep());
  EXPECT_EQ(timeline.from_unix_s, 1000.5);
  ASSERT_EQ(timeline.tasks.size(), 3u);
  EXPECT_EQ(timeline.tasks[0].title, "advance a");
  EXPECT_EQ(timeline.tasks[0].run, "first");
  EXPECT_EQ(timeline.tasks[0].group, TimelineGroup::kHandoff);
  EXPECT_EQ(timeline.tasks[1].group, TimelineGroup::kTraining);
  EXPECT_EQ(timeline.tasks[1].start, 0.5);
  EXPECT_EQ(timeline.tasks[1].end, 4.5);
  EXPECT_EQ(timeline.tasks[2].group, TimelineGroup::kEvaluation);
  EXPECT_EQ(timeline.tasks[2].run, "second");
  ASSERT_EQ(timeline.workers.size(), 2u);
  EXPECT_EQ(timeline.workers[0].name, "w-1");
  EXPECT_EQ(timeline.workers[0].tasks, 2);
  EXPECT_EQ(timeline.workers[0].busy_seconds, 6);
  EXPECT_EQ(timeline.workers[0].first_start, 0.5);
  EXPECT_EQ(timeline.workers[0].last_end, 7.5);
  EXPECT_EQ(timeline.left_out, 0);
}

TEST(TimelineTest, OfTooManyTasksTheLongestStayAndAllCount) {
  const Timeline timeline = TimelineOf(TimedSweep(), 2);
  ASSERT_EQ(timeline.tasks.size(), 2u);
  EXPECT_EQ(timeline.tasks[0].title, "train_block b");
  EXPECT_EQ(timeline.tasks[1].title, "evaluate_ppl c");
  EXPECT_EQ(timeline.left_out, 1);
  EXPECT_EQ(timeline.workers[1].tasks, 1);
  EXPECT_TRUE(TimelineOf(SampleSweep()).tasks.empty()) << "of runs that note no times";
}

TEST(SweepReportTest, AnArmIsTheRunsThatAreEqualInAllLabelsButTheSeed) {
  const SweepReport report = Built(SampleSweep());
  ASSERT_EQ(report.arms.arms.size(), 4u);
  EXPECT_THAT(report.arms.axes, ElementsAre("method", "wbits"));
  const Arm& arm = ArmNamed(report, "method block_ap, wbits 2");
  EXPECT_THAT(arm.runs, ElementsAre(2, 3, 4));
  ASSERT_TRUE(arm.values[0].has_value());
  EXPECT_EQ(arm.values[0]->mean.count, 3);
  EXPECT_NEAR(arm.values[0]->mean.mean, 2, 1e-15);
  EXPECT_THAT(arm.values[0]->mean.standard_error, Optional(DoubleNear(0.1 / std::sqrt(3.0), 1e-15)));
  EXPECT_THAT(arm.stored_bits_per_weight, Optional(DoubleNear(2.25, 1e-12)));
}

TEST(SweepReportTest, RunsThatFailedAndValuesThatAreNotFiniteAreInNoMean) {
  SweepRuns sweep = SampleSweep();
  sweep.runs[2].run.set_state(lwqat::v1::RUN_STATE_FAILED);
  sweep.runs[3].run.mutable_measured(0)->set_value(std::numeric_limits<double>::infinity());
  const SweepReport report = Built(sweep);
  EXPECT_EQ(ArmNamed(report, "method block_ap, wbits 2").values[0]->mean.count, 1);
  EXPECT_EQ(ArmNamed(report, "method block_ap, wbits 2").succeeded, 2);
  EXPECT_THAT(report.arms.remarks, ElementsAre(HasSubstr("block_ap 2 seed 2: ppl held-out is not finite")));
}

TEST(SweepReportTest, OfRunsWithEqualLabelsAndSeedTheFirstCountsAndTheReportSaysSo) {
  SweepRuns sweep = SampleSweep();
  sweep.runs[3].labels["seed"] = "1";
  const SweepReport report = Built(sweep);
  EXPECT_EQ(ArmNamed(report, "method block_ap, wbits 2").values[0]->by_seed.at("1"), 1.9);
  EXPECT_THAT(report.arms.remarks, ElementsAre(HasSubstr("an earlier run has the same labels and seed")));
}

TEST(SweepReportTest, DifferencesAreToTheBaselinesArmAtEqualSeeds) {
  const SweepReport report = Built(SampleSweep(), /*baseline_run=*/3);
  EXPECT_EQ(report.arms.arms[report.arms.baseline].name, "method block_ap, wbits 2");
  const ArmValue& value = *ArmNamed(report, "method block_ap, wbits 3").values[0];
  ASSERT_TRUE(value.difference.has_value());
  EXPECT_EQ(value.difference->pairs, 3);
  EXPECT_NEAR(value.difference->mean, -0.5, 1e-12);
  EXPECT_TRUE(value.difference->p_value.has_value());
  EXPECT_NEAR(*value.holm, 2 * *value.difference->p_value, 1e-12);  // the second of three tests
  EXPECT_FALSE(ArmNamed(report, "method block_ap, wbits 2").values[0]->difference.has_value());
}

TEST(SweepReportTest, AnArmThatKnowsNoChanceStandsBesideEachSeedAndAnotherOneOnlyBesideItsOwn) {
  SweepRuns sweep = SampleSweep();
  const auto difference = [&] { return ArmNamed(Built(sweep), "method block_ap, wbits 2").values[0]->difference; };
  ASSERT_TRUE(difference().has_value());
  EXPECT_EQ(difference()->pairs, 3);
  EXPECT_NEAR(difference()->mean, -6, 1e-12);
  sweep.runs[0].run.mutable_plan()->mutable_recipe()->set_method("block_ap");  // the baseline's seed is unknown
  EXPECT_FALSE(difference().has_value());
}

TEST(SweepReportTest, ArmsOfAnotherModelAreNeitherComparedNorOnOneFront) {
  SweepRuns sweep = SampleSweep();
  for (const size_t i : {5, 6, 7}) {
    sweep.runs[i].run.mutable_spec()->mutable_model()->mutable_files()->set_digest(std::string(64, 'e'));
    sweep.runs[i].run.mutable_measured(0)->set_value(50 + static_cast<double>(i));
  }
  const SweepReport report = Built(sweep, 3);
  const ArmValue& value = *ArmNamed(report, "method block_ap, wbits 3").values[0];
  EXPECT_FALSE(value.difference.has_value());
  EXPECT_TRUE(value.on_front);                           // alone with its model
  EXPECT_EQ(report.effects[0][0].levels[0].matched, 1);  // rtn and block_ap at 2 bits, of one model
}

TEST(SweepReportTest, PerplexitiesOverOtherWindowsAreNotComparedAndWithinAnArmLeftOut) {
  SweepRuns sweep = SampleSweep();
  for (const size_t i : {5, 6, 7}) sweep.runs[i].run.mutable_plan()->mutable_recipe()->set_ppl_seqlen(512);
  sweep.runs[3].run.mutable_plan()->mutable_recipe()->set_ppl_seqlen(512);
  const SweepReport report = Built(sweep, 2);
  EXPECT_FALSE(ArmNamed(report, "method block_ap, wbits 3").values[0]->difference.has_value());
  EXPECT_EQ(ArmNamed(report, "method block_ap, wbits 2").values[0]->mean.count, 2);
  EXPECT_THAT(report.arms.remarks, ElementsAre(HasSubstr("measured on another text or other windows")));
}

TEST(SweepReportTest, TheFrontIsOfArmsByStoredBitsAndMean) {
  const SweepReport report = Built(SampleSweep());
  EXPECT_FALSE(ArmNamed(report, "method rtn, wbits 2").values[0]->on_front);
  EXPECT_FALSE(ArmNamed(report, "method rtn, wbits 3").values[0]->on_front);
  EXPECT_TRUE(ArmNamed(report, "method block_ap, wbits 2").values[0]->on_front);
  EXPECT_TRUE(ArmNamed(report, "method block_ap, wbits 3").values[0]->on_front);
}

TEST(SweepReportTest, TheEffectOfAnAxisIsTheMeanOverArmsThatDifferInItAlone) {
  const SweepReport report = Built(SampleSweep());
  ASSERT_EQ(report.effects.size(), 1u);
  ASSERT_EQ(report.effects[0].size(), 2u);
  const AxisEffect& method = report.effects[0][0];
  EXPECT_EQ(method.axis, "method");
  EXPECT_EQ(method.reference, "rtn");
  ASSERT_EQ(method.levels.size(), 1u);
  EXPECT_EQ(method.levels[0].matched, 2);
  EXPECT_TRUE(method.in_logs);
  const double at2 = std::log(2.0 / 8.0);
  const double at3 = std::log(1.5 / 2.5);
  EXPECT_NEAR(method.levels[0].effect, (at2 + at3) / 2, 1e-12);
  EXPECT_THAT(method.levels[0].standard_error, Optional(DoubleNear(std::abs(at2 - at3) / 2, 1e-12)));
  EXPECT_NEAR(method.levels[0].mean, 1.75, 1e-12);
  EXPECT_NEAR(method.levels[0].reference_mean, 5.25, 1e-12);
}

TEST(SweepReportTest, AnEffectOfOneMatchHasNoErrorAndOneWithoutAMatchSaysSo) {
  SweepRuns sweep = SampleSweep();
  sweep.runs.erase(sweep.runs.begin() + 1);  // rtn at 3 bits
  SweepReport report = Built(sweep);
  EXPECT_EQ(report.effects[0][0].levels[0].matched, 1);
  EXPECT_EQ(report.effects[0][0].levels[0].standard_error, std::nullopt);
  sweep.runs.erase(sweep.runs.begin() + 1, sweep.runs.begin() + 4);  // block_ap at 2 bits
  report = Built(sweep);
  EXPECT_EQ(report.effects[0][0].levels[0].matched, 0);
}

TEST(SweepReportTest, ATaskThatSeveralRunsHaveCountsOnceAndIsSplitAmongTheArms) {
  const SweepReport report = Built(SampleSweep());
  // Every run has task "tokens" of 4 s; each block_ap run one of its own of 10 s; rtn runs one of 1 s.
  EXPECT_EQ(report.cost.runs_tasks, 16);
  EXPECT_EQ(report.cost.tasks, 9);
  EXPECT_NEAR(report.cost.apart_seconds, 8 * 4 + 6 * 10 + 2 * 1, 1e-12);
  EXPECT_NEAR(report.cost.total_seconds, 4 + 6 * 10 + 2 * 1, 1e-12);
  double fair = 0;
  for (const ArmCost& arm : report.cost.arms) fair += arm.fair_seconds;
  EXPECT_NEAR(fair, report.cost.total_seconds, 1e-12);
  const ArmCost& trained = report.cost.arms[2];
  EXPECT_EQ(trained.tasks, 4);
  EXPECT_EQ(trained.shared_tasks, 1);
  EXPECT_NEAR(trained.own_seconds, 30, 1e-12);
  EXPECT_NEAR(trained.shared_seconds, 4, 1e-12);
  EXPECT_NEAR(trained.fair_seconds, 31, 1e-12);
  ASSERT_EQ(report.cost.workers.size(), 1u);
  EXPECT_EQ(report.cost.workers[0].tasks, 9);
}

TEST(SweepReportTest, TasksThatEveryRunFoundDoneAreNotComputedByTheSweep) {
  SweepRuns sweep = SampleSweep();
  for (SweepRun& run : sweep.runs) run.run.mutable_tasks(0)->set_from_cache(true);
  const SweepReport report = Built(sweep);
  EXPECT_EQ(report.cost.reused_tasks, 1);
  EXPECT_NEAR(report.cost.reused_seconds, 4, 1e-12);
  EXPECT_EQ(report.cost.workers[0].tasks, 8);
}

TEST(SweepReportTest, ScoresOfAMetricAreOneMeasurementWhereRunsAgreeAndTheMeanWhereNot) {
  SweepRuns sweep = SampleSweep();
  const auto add = [&](size_t run, const char* metric, const std::vector<double>& scores) {
    auto* measured = sweep.runs[run].run.add_sensitivity();
    measured->set_metric(metric);
    measured->mutable_scores()->Add(scores.begin(), scores.end());
  };
  add(0, "fisher", {3, 1, 2});
  add(1, "fisher", {3, 1, 2});
  add(2, "hessian", {1, 3, 2});
  add(3, "hessian", {3, 5, 4});
  add(4, "hessian", {3, std::numeric_limits<double>::quiet_NaN(), 4});
  const SweepReport report = Built(sweep);
  ASSERT_EQ(report.sensitivity.size(), 1u);
  const ModelDepthScores& model = report.sensitivity[0];
  ASSERT_EQ(model.metrics.size(), 2u);
  EXPECT_EQ(model.metrics[0].measurements, 1);
  EXPECT_THAT(model.metrics[1].scores, ElementsAre(2, 4, 3));
  EXPECT_THAT(model.correlations[0][1], Optional(DoubleNear(-1, 1e-15)));
}

TEST(SweepReportTest, RunsWithoutAResultAreNamedWithTheirReasons) {
  SweepRuns sweep = SampleSweep();
  sweep.runs[0].run.set_state(lwqat::v1::RUN_STATE_FAILED);
  sweep.runs[0].run.set_error("train block 0: the loss is not finite; lower the learning rates");
  sweep.runs[0].run.mutable_tasks(1)->set_state(lwqat::v1::TASK_STATE_FAILED);
  sweep.runs[0].run.mutable_tasks(1)->set_error("not finite");
  sweep.runs[1].run.set_state(lwqat::v1::RUN_STATE_CANCELLED);
  sweep.runs[2].run.set_state(lwqat::v1::RUN_STATE_RUNNING);
  const SweepReport report = Built(sweep);
  ASSERT_EQ(report.without_result.size(), 3u);
  EXPECT_THAT(report.without_result[0].reason, HasSubstr("lower the learning rates"));
  ASSERT_EQ(report.without_result[0].tasks.size(), 1u);
  EXPECT_EQ(report.without_result[0].tasks[0].error, "not finite");
  EXPECT_EQ(report.without_result[1].reason, "cancelled");
  sweep.runs[1].run.set_state(lwqat::v1::RUN_STATE_STOPPED);
  sweep.runs[1].run.mutable_halving()->set_metric("perplexity");
  sweep.runs[1].run.mutable_halving()->add_rungs()->set_blocks(3);
  sweep.runs[1].run.mutable_halving()->mutable_rungs(0)->set_value(21.5);
  EXPECT_EQ(Built(sweep).without_result[1].reason, "stopped by halving after 3 blocks, perplexity 21.5");
  EXPECT_EQ(report.without_result[2].reason, "has not ended");
}

TEST(SweepReportTest, NoRunsAndARunThatIsNamedTwiceAreRefused) {
  EXPECT_EQ(BuildSweepReport({}, std::nullopt).status().code(), absl::StatusCode::kInvalidArgument);
  SweepRuns sweep = SampleSweep();
  sweep.runs.push_back(sweep.runs.front());
  EXPECT_THAT(BuildSweepReport(sweep, std::nullopt).status().message(), HasSubstr("is named twice"));
}

TEST(SweepReportTest, TheJsonHasWhatIsUnknownAsNullAndReadsBackTheSame) {
  const Json json = SweepReportToJson(Built(SampleSweep()));
  EXPECT_EQ(json["arms"][0]["values"][0]["standard_error"], nullptr);
  EXPECT_EQ(json["arms"][2]["values"][0]["n"], 3);
  EXPECT_EQ(json["columns"][0]["title"], "ppl held-out");
  EXPECT_EQ(Json::parse(json.dump()), json);
}

TEST(SweepReportTest, ASweepThatMeasuredNothingStillHasItsCost) {
  SweepRuns sweep = SampleSweep();
  for (SweepRun& run : sweep.runs) run.run.clear_measured();
  const SweepReport report = Built(sweep);
  EXPECT_TRUE(report.arms.columns.empty());
  EXPECT_GT(report.cost.total_seconds, 0);
}

}  // namespace
}  // namespace lwq::reporting
