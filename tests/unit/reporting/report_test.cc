// SPDX-License-Identifier: Apache-2.0
// The report's arithmetic and its JSON.
#include "reporting/report.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/reporting/sample_runs.h"

namespace lwq::reporting {
namespace {

using test::MeasuredRun;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// The row's perplexity on "held-out"; one of no value where it has none.
ReportValue Perplexity(const ReportRow& row) {
  const ReportValue* value = ValueIn(row, {"perplexity", "held-out"});
  return value == nullptr ? ReportValue{.value = NAN} : *value;
}

TEST(RecoveredShare, IsTheShareOfTheLostNats) {
  EXPECT_DOUBLE_EQ(*RecoveredShare(2.0, 4.0, 4.0), 0.0);
  EXPECT_DOUBLE_EQ(*RecoveredShare(2.0, 4.0, 2.0), 1.0);
  EXPECT_NEAR(*RecoveredShare(2.0, 4.0, std::sqrt(8.0)), 0.5, 1e-12);
  EXPECT_LT(*RecoveredShare(2.0, 4.0, 5.0), 0.0) << "worse than rounding is negative";
  EXPECT_GT(*RecoveredShare(2.0, 4.0, 1.9), 1.0) << "better than full precision exceeds one";
}

TEST(RecoveredShare, IsAbsentWhereRoundingCostNothingOrNumbersAreNoNumbers) {
  EXPECT_EQ(RecoveredShare(2.0, 2.0, 2.0), std::nullopt);
  EXPECT_EQ(RecoveredShare(4.0, 2.0, 3.0), std::nullopt);
  EXPECT_EQ(RecoveredShare(2.0, INFINITY, 3.0), std::nullopt);
  EXPECT_EQ(RecoveredShare(2.0, 4.0, NAN), std::nullopt);
  EXPECT_EQ(RecoveredShare(0.0, 4.0, 3.0), std::nullopt);
  EXPECT_EQ(RecoveredShare(2.0, 4.0, 0.0), std::nullopt);
}

TEST(Report, PutsTheFullPrecisionModelFirstAndTellsTheShare) {
  const Report report =
      BuildReport({MeasuredRun("rtn-run", "rtn", 4.0, 2.0), MeasuredRun("ap-run", "block_ap", 2.5, 2.0)}, 0);
  ASSERT_EQ(report.rows.size(), 3u);
  EXPECT_EQ(report.rows[0].method, "fp");
  EXPECT_EQ(report.rows[0].name, "tiny");
  EXPECT_EQ(Perplexity(report.rows[0]).value, 2.0);
  EXPECT_EQ(Perplexity(report.rows[1]).recovered_share, std::nullopt) << "round-to-nearest is the baseline";
  EXPECT_DOUBLE_EQ(Perplexity(report.rows[2]).recovered_share.value(), std::log(4.0 / 2.5) / std::log(2.0));
  EXPECT_EQ(Perplexity(report.rows[2]).full_precision, 2.0);
  EXPECT_EQ(report.rows[2].steps, 128);
  EXPECT_EQ(report.rows[2].seconds, 10);
}

TEST(Report, RoundingOfPreparedBlocksIsNoBaselineAndRecoversItsOwnShare) {
  lwqat::v1::Run prepared = MeasuredRun("prepared", "rtn", 2.5, 2.0);
  prepared.mutable_plan()->mutable_recipe()->set_prepare("awq");
  prepared.mutable_plan()->mutable_recipe()->set_train_size(32);
  const Report report =
      BuildReport({prepared, MeasuredRun("rtn-run", "rtn", 4.0, 2.0), MeasuredRun("ap-run", "block_ap", 2.5, 2.0)}, 0);
  ASSERT_EQ(report.rows.size(), 4u);
  const double share = std::log(4.0 / 2.5) / std::log(2.0);
  EXPECT_DOUBLE_EQ(Perplexity(report.rows[1]).recovered_share.value(), share);
  EXPECT_EQ(report.rows[1].recipe, "train_size 32, prepare awq") << "it has seen calibration windows";
  EXPECT_EQ(Perplexity(report.rows[2]).recovered_share, std::nullopt) << "round-to-nearest as it is";
  EXPECT_EQ(report.rows[2].recipe, "");
  EXPECT_DOUBLE_EQ(Perplexity(report.rows[3]).recovered_share.value(), share);
}

TEST(Report, ARowOfGptqSaysWhatItsRoundingDependsOn) {
  lwqat::v1::Run gptq = MeasuredRun("gptq-run", "gptq", 2.5, 2.0);
  gptq.mutable_plan()->mutable_recipe()->set_train_size(32);
  gptq.mutable_plan()->mutable_recipe()->set_damp_percent(0.01);
  gptq.mutable_plan()->mutable_recipe()->set_desc_act(true);
  const Report report = BuildReport({gptq, MeasuredRun("rtn-run", "rtn", 4.0, 2.0)}, 0);
  ASSERT_EQ(report.rows.size(), 3u);
  EXPECT_EQ(report.rows[1].recipe, "train_size 32, damp_percent 0.01, desc_act true");
}

TEST(Report, ARowOfAFittedRoundingSaysWhatItWasFittedWith) {
  lwqat::v1::Run fitted = MeasuredRun("signround-run", "signround", 2.5, 2.0);
  lwqat::v1::Recipe& recipe = *fitted.mutable_plan()->mutable_recipe();
  recipe.set_train_size(32);
  recipe.set_val_size(4);
  recipe.set_signround_iters(200);
  recipe.set_signround_batch_size(8);
  recipe.set_signround_lr(5e-3);
  recipe.set_signround_minmax_lr(5e-3);
  lwqat::v1::Run start = MeasuredRun("ap-run", "block_ap", 2.25, 2.0);
  start.mutable_plan()->mutable_recipe()->set_init("omniquant");
  start.mutable_plan()->mutable_recipe()->set_omniquant_epochs(20);
  start.mutable_plan()->mutable_recipe()->set_omniquant_batch_size(1);
  start.mutable_plan()->mutable_recipe()->set_omniquant_lwc_lr(5e-3);
  const Report report = BuildReport({fitted, start, MeasuredRun("rtn-run", "rtn", 4.0, 2.0)}, 0);
  ASSERT_EQ(report.rows.size(), 4u);
  EXPECT_EQ(report.rows[1].recipe,
            "train_size 32, val_size 4, signround_iters 200, signround_batch_size 8, signround_lr 0.005, "
            "signround_minmax_lr 0.005");
  EXPECT_EQ(report.rows[2].recipe,
            "init omniquant, omniquant_epochs 20, omniquant_batch_size 1, omniquant_lwc_lr 0.005");
}

TEST(Report, RoundingWhoseScalesWereTrainedIsNoBaselineAndSaysWhatItTrainedOn) {
  lwqat::v1::Run trained = MeasuredRun("trained", "rtn", 2.5, 2.0);
  lwqat::v1::Recipe& recipe = *trained.mutable_plan()->mutable_recipe();
  recipe.set_e2e_qp(true);
  recipe.set_e2e_train_size(64);
  recipe.set_e2e_seqlen(512);
  recipe.set_e2e_epochs(1);
  recipe.set_e2e_batch_size(2);
  recipe.set_e2e_lr(2e-5);
  for (const int steps : {20, 12}) {
    lwqat::v1::Task& segment = *trained.add_tasks();
    segment.set_kind("train_scales");
    segment.set_metrics_json(absl::StrCat(R"({"steps":)", steps, "}"));
  }
  const Report report = BuildReport({trained, MeasuredRun("rtn-run", "rtn", 4.0, 2.0)}, 0);
  ASSERT_EQ(report.rows.size(), 3u);
  EXPECT_EQ(report.rows[1].recipe, "e2e_train_size 64, e2e_seqlen 512, e2e_epochs 1, e2e_batch_size 2, e2e_lr 2e-05");
  EXPECT_DOUBLE_EQ(Perplexity(report.rows[1]).recovered_share.value(), std::log(4.0 / 2.5) / std::log(2.0));
}

TEST(Report, TakesTheFullPrecisionNumberFromAnyRunOfTheSameModel) {
  const Report report =
      BuildReport({MeasuredRun("rtn-run", "rtn", 4.0, 0), MeasuredRun("ap-run", "block_ap", 2.5, 2.0)}, 0);
  EXPECT_EQ(Perplexity(report.rows[1]).full_precision, 2.0);
}

TEST(Report, ComparesOnlyWhatWasMeasuredAlike) {
  const lwqat::v1::Run ap = MeasuredRun("ap-run", "block_ap", 2.5, 2.0);
  lwqat::v1::Run other_bits = MeasuredRun("rtn-run", "rtn", 4.0, 2.0);
  other_bits.mutable_plan()->set_average_bits(3);
  lwqat::v1::Run other_group = MeasuredRun("rtn-run", "rtn", 4.0, 2.0);
  other_group.mutable_plan()->mutable_recipe()->set_group_size(64);
  lwqat::v1::Run other_model = MeasuredRun("rtn-run", "rtn", 4.0, 2.0);
  other_model.mutable_spec()->mutable_model()->mutable_files()->set_digest("other");
  lwqat::v1::Run other_window = MeasuredRun("rtn-run", "rtn", 4.0, 2.0);
  other_window.mutable_plan()->mutable_recipe()->set_ppl_seqlen(512);
  lwqat::v1::Run other_text = MeasuredRun("rtn-run", "rtn", 4.0, 2.0);
  other_text.mutable_spec()->mutable_eval_texts(0)->mutable_files()->set_digest("other");
  for (const lwqat::v1::Run& rtn : {other_bits, other_group, other_model, other_window, other_text}) {
    const ReportValue value = Perplexity(BuildReport({rtn, ap}, 0).rows.back());
    EXPECT_EQ(value.value, 2.5);
    EXPECT_EQ(value.recovered_share, std::nullopt) << rtn.ShortDebugString();
  }
}

// A run with an accuracy beside its perplexity, and one of the full-precision model.
lwqat::v1::Run AccurateRun(const std::string& name, const std::string& method, double accuracy) {
  lwqat::v1::Run run = MeasuredRun(name, method, 4.0, 2.0);
  test::AddMeasured("fp", "accuracy", 0.75, 80, &run);
  test::AddMeasured(method, "accuracy", accuracy, 80, &run)->set_standard_error(0.0625);
  return run;
}

TEST(Report, AnotherMetricIsAColumnOfItsOwnAndHasNoShareOfLogarithms) {
  const Report report = BuildReport({AccurateRun("rtn-run", "rtn", 0.5), AccurateRun("ap-run", "block_ap", 0.625)}, 0);
  const ReportColumn accuracy{"accuracy", "held-out"};
  EXPECT_THAT(report.columns, ElementsAre(ReportColumn{"perplexity", "held-out"}, accuracy));
  ASSERT_EQ(report.rows.size(), 3u);
  EXPECT_EQ(ValueIn(report.rows[0], accuracy)->value, 0.75);
  const ReportValue* value = ValueIn(report.rows[2], accuracy);
  ASSERT_NE(value, nullptr);
  EXPECT_EQ(value->value, 0.625);
  EXPECT_EQ(value->standard_error, 0.0625);
  EXPECT_EQ(value->full_precision, 0.75);
  EXPECT_EQ(value->recovered_share, std::nullopt);
  EXPECT_DOUBLE_EQ(Perplexity(report.rows[2]).recovered_share.value(), 0) << "as before";
}

TEST(Report, OnlyPerplexitiesDependOnTheWindow) {
  lwqat::v1::Run other_window = AccurateRun("other", "block_ap", 0.625);
  other_window.mutable_plan()->mutable_recipe()->set_ppl_seqlen(512);
  other_window.mutable_measured()->DeleteSubrange(0, 1);  // its own perplexity of the full-precision model
  other_window.mutable_measured()->DeleteSubrange(1, 1);  // and accuracy
  ASSERT_EQ(other_window.measured_size(), 2);
  const Report report = BuildReport({AccurateRun("first", "rtn", 0.5), other_window}, 0);
  EXPECT_EQ(Perplexity(report.rows.back()).full_precision, std::nullopt);
  EXPECT_EQ(ValueIn(report.rows.back(), {"accuracy", "held-out"})->full_precision, 0.75);
}

TEST(Report, JsonOfAnotherMetricHasWhatIsKnownOfIt) {
  const Json json = ReportToJson(BuildReport({AccurateRun("ap-run", "block_ap", 0.625)}, 0));
  EXPECT_EQ(json["columns"][1], Json({{"metric", "accuracy"}, {"dataset", "held-out"}}));
  EXPECT_EQ(json["rows"].back()["measured"][1], Json({{"metric", "accuracy"},
                                                      {"dataset", "held-out"},
                                                      {"value", 0.625},
                                                      {"standard_error", 0.0625},
                                                      {"count", 80},
                                                      {"full_precision", 0.75}}));
}

// A run of four blocks whose trainings ended as the given metrics say.
lwqat::v1::Run TrainedRun(const std::vector<std::string>& metrics) {
  lwqat::v1::Run run = MeasuredRun("ap-run", "block_ap", 2.5, 2.0);
  run.mutable_plan()->clear_blocks();
  for (int block = 0; block < static_cast<int>(metrics.size()); ++block) {
    run.mutable_plan()->add_blocks()->set_layer_idx(block);
    run.mutable_plan()->mutable_blocks(block)->set_unit(block);
    auto* task = run.add_tasks();
    *task = test::MakeTask("train_block", block, lwqat::v1::TASK_STATE_SUCCEEDED);
    task->set_metrics_json(metrics[static_cast<size_t>(block)]);
  }
  return run;
}

constexpr char kUndoneMetrics[] =
    R"({"initial_val_loss": 0.5, "best_val_loss": 0.5, "final_val_loss": 0.5, "steps": 16})";
constexpr char kUsefulMetrics[] =
    R"({"initial_val_loss": 0.5, "best_val_loss": 0.25, "final_val_loss": 0.25, "steps": 16})";

TEST(Report, TrainingThatLoweredNothingIsRemarkedWithItsBlocks) {
  const Report report = BuildReport({TrainedRun({kUndoneMetrics, kUndoneMetrics, kUsefulMetrics, kUndoneMetrics})}, 0);
  const ReportRow& row = report.rows.back();
  EXPECT_EQ(row.steps, 64) << "steps are those taken";
  EXPECT_THAT(row.remarks,
              ElementsAre("training was undone in blocks 0-1, 3: no step lowered the validation loss, so the weights "
                          "from before it are used; lower the learning rates"));
  EXPECT_EQ(ReportToJson(report)["rows"].back()["remarks"], Json(row.remarks));
}

TEST(Report, WithoutKeepBestTheLastWeightsAreUsedAndTheRemarkSaysThat) {
  const lwqat::v1::Run run = TrainedRun(
      {kUsefulMetrics, R"({"initial_val_loss": 0.5, "best_val_loss": 0.5, "final_val_loss": 0.75, "steps": 16})"});
  EXPECT_THAT(BuildReport({run}, 0).rows.back().remarks,
              ElementsAre(HasSubstr("training lowered no validation loss in block 1: its last weights are used")));
}

TEST(Report, OfNoTrainingOrNoValidationNothingIsRemarked) {
  const lwqat::v1::Run run =
      TrainedRun({R"({"initial_val_loss": 0.5, "best_val_loss": 0.5, "final_val_loss": 0.5, "steps": 0})",
                  R"({"initial_val_loss": null, "best_val_loss": null, "final_val_loss": null, "steps": 16})", "[1"});
  EXPECT_THAT(BuildReport({run}, 0).rows.back().remarks, IsEmpty());
}

TEST(Report, ASecondPassThatLoweredNothingIsToldFromTheFirst) {
  lwqat::v1::Run run = TrainedRun({kUsefulMetrics});
  auto* again = run.add_tasks();
  *again = test::MakeTask("train_block", 0, lwqat::v1::TASK_STATE_SUCCEEDED);
  again->set_title("train on block 0");
  again->set_metrics_json(kUndoneMetrics);
  EXPECT_THAT(BuildReport({run}, 0).rows.back().remarks,
              ElementsAre(HasSubstr("undone in block 0 in the second pass: ")));
}

TEST(Report, SaysWhetherBosWasPutBeforeTheTextsWhereThatIsKnown) {
  lwqat::v1::Run run = MeasuredRun("a", "rtn", 4.0, 2.0);
  EXPECT_FALSE(ReportToJson(BuildReport({run}, 0))["rows"].back()["measured"][0].contains("add_bos"));
  for (auto& measured : *run.mutable_measured()) measured.set_add_bos(true);
  EXPECT_EQ(ReportToJson(BuildReport({run}, 0))["rows"].back()["measured"][0]["add_bos"], true);
}

TEST(Report, StepsAreThoseTrainedWhereTasksTell) {
  lwqat::v1::Run run = MeasuredRun("ap-run", "block_ap", 2.5, 2.0);
  auto* task = run.add_tasks();
  task->set_kind("train_block");
  task->set_metrics_json(R"({"steps": 64})");
  EXPECT_EQ(BuildReport({run}, 0).rows.back().steps, 64);
}

TEST(Report, HostileMetricsAreIgnored) {
  lwqat::v1::Run run = MeasuredRun("ap-run", "block_ap", 2.5, 2.0);
  for (const char* metrics : {"[", "[]", R"({"steps": "many"})"}) {
    auto* task = run.add_tasks();
    task->set_kind("train_block");
    task->set_metrics_json(metrics);
  }
  EXPECT_EQ(BuildReport({run}, 0).rows.back().steps, 128) << "the plan's";
}

TEST(Report, ARunThatOnlyEvaluatesIsItsOwnFullPrecisionRow) {
  const Report report = BuildReport({MeasuredRun("eval", "none", 0, 2.0)}, 0);
  ASSERT_EQ(report.rows.size(), 1u);
  EXPECT_EQ(Perplexity(report.rows[0]).value, 2.0);
}

TEST(Report, JsonHasEveryColumn) {
  const Json json = ReportToJson(
      BuildReport({MeasuredRun("rtn-run", "rtn", 4.0, 2.0), MeasuredRun("ap-run", "block_ap", 2.5, 2.0)}, 0));
  EXPECT_EQ(json["columns"],
            Json::array({{{"metric", "perplexity"}, {"dataset", "held-out"}, {"lower_is_better", true}}}));
  const Json& row = json["rows"][2];
  EXPECT_EQ(row["run_id"], "id-ap-run");
  EXPECT_EQ(row["method"], "block_ap");
  ASSERT_EQ(row["measured"].size(), 1u);
  const Json& measured = row["measured"][0];
  EXPECT_EQ(measured["metric"], "perplexity");
  EXPECT_EQ(measured["dataset"], "held-out");
  EXPECT_EQ(measured["value"], 2.5);
  EXPECT_EQ(measured["count"], 50'000);
  EXPECT_EQ(measured["full_precision"], 2.0);
  EXPECT_NEAR(measured["recovered_share"].get<double>(), std::log(4.0 / 2.5) / std::log(2.0), 1e-12);
  for (const char* key : {"name", "state", "preset", "average_bits", "group_size", "stored_bits_per_weight",
                          "size_bytes", "steps", "seconds", "result_digest", "recipe", "remarks"}) {
    EXPECT_TRUE(row.contains(key)) << key;
  }
}

}  // namespace
}  // namespace lwq::reporting
