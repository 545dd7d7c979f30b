// SPDX-License-Identifier: Apache-2.0
// The files beside an exported model: layer_statistics.json and sensitivity_results_{model}.json.
#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reporting/json_text.h"
#include "reporting/layer_results.h"
#include "reporting/report.h"
#include "reporting/sensitivity_results.h"
#include "tests/unit/reporting/sample_runs.h"

namespace lwq::reporting {
namespace {

TEST(LayerStatistics, HasEveryFieldOfEveryBlock) {
  const Json statistics = LayerStatistics(test::FinishedPolicyRun());
  const Json expected = Json::parse(R"({
    "layer_idx": 2, "position": 1, "unit": 1, "sensitivity": 3.0, "bit_width": 2, "group_size": 128,
    "stored_bits_per_weight": 2.140625, "epochs_planned": 2.5, "epochs_trained": 2.5, "steps": 160, "quant_lr": 1e-4,
    "zp_lr": 1e-4, "weight_lr": 1e-5, "patience": 3.5, "initial_val_loss": 0.5, "best_val_loss": 0.125,
    "final_val_loss": 0.25, "loss_lowered": true, "zero_point_flips": 7, "zero_points": 1024, "training_time": 3.0,
    "peak_memory_bytes": 50000000})");
  ASSERT_EQ(statistics["layers"].size(), 3u);
  EXPECT_EQ(statistics["layers"][2], expected);
  EXPECT_EQ(statistics["order"], Json::parse("[1, 2, 0]"));
  EXPECT_DOUBLE_EQ(statistics["average_bits"].get<double>(), 8.0 / 3);
  EXPECT_EQ(statistics["stored_bits_per_weight"], 2.8);
  EXPECT_EQ(statistics["model"], "org/Tiny-2 b");
}

TEST(LayerStatistics, APreparedBlockHasTheExponentsOfItsScales) {
  lwqat::v1::Run run = test::FinishedPolicyRun();
  EXPECT_FALSE(LayersToJson(run)[1].contains("scale_exponents"));
  lwqat::v1::Task& search = *run.add_tasks() = test::MakeTask("search_scales", 1, lwqat::v1::TASK_STATE_SUCCEEDED);
  search.set_metrics_json(
      R"({"sources": [{"source": "input_layernorm", "exponent": 0.35, "error": 1.5, "error_as_is": 2.5},
                      {"source": "mlp.up_proj", "exponent": 0, "error": 1, "error_as_is": 1}]})");
  const Json layers = LayersToJson(run);
  EXPECT_EQ(layers[1]["scale_exponents"], (Json{{"input_layernorm", 0.35}, {"mlp.up_proj", 0.0}}));
  EXPECT_FALSE(layers[2].contains("scale_exponents")) << "of another block";
  EXPECT_EQ(layers[1]["steps"], 160) << "a search is no training";
}

TEST(LayerStatistics, ATimeThatAReusedTaskLacksIsThatOfItsEpochs) {
  const Json statistics = LayerStatistics(test::FinishedPolicyRun());
  EXPECT_EQ(statistics["layers"][0]["training_time"], 2.5);
  EXPECT_EQ(statistics["total_training_time"], 8.5) << "units are not counted twice";
}

TEST(LayerStatistics, WhatIsNotKnownIsNull) {
  const Json layers = LayersToJson(test::PolicyRun());
  for (const char* key : {"epochs_trained", "steps", "initial_val_loss", "best_val_loss", "final_val_loss",
                          "loss_lowered", "zero_point_flips", "zero_points", "training_time", "peak_memory_bytes"}) {
    EXPECT_TRUE(layers[1].at(key).is_null()) << key;
  }
  EXPECT_TRUE(LayersToJson(test::FinishedPolicyRun())[0]["best_val_loss"].is_null()) << "no validation windows";
}

TEST(LayerStatistics, ABlockWhoseTrainingLoweredNothingSaysSo) {
  lwqat::v1::Run run = test::FinishedPolicyRun();
  EXPECT_TRUE(LayersToJson(run)[0]["loss_lowered"].is_null()) << "nothing was validated";
  lwqat::v1::Task& unit = *run.mutable_tasks(4);
  unit.set_metrics_json(R"({"initial_val_loss": 0.5, "best_val_loss": 0.5, "final_val_loss": 0.5, "steps": 160})");
  EXPECT_EQ(LayersToJson(run)[1]["loss_lowered"], false);
  EXPECT_EQ(LayersToJson(run)[2]["loss_lowered"], false) << "the unit's other block";
  EXPECT_EQ(LayersToJson(run)[2]["steps"], 160) << "the steps were taken";
  unit.set_metrics_json(R"({"initial_val_loss": 0.5, "best_val_loss": 0.5, "final_val_loss": 0.5, "steps": 0})");
  EXPECT_TRUE(LayersToJson(run)[1]["loss_lowered"].is_null()) << "no training was asked for";
}

TEST(LayerStatistics, OneTrainingOfARelayThatLoweredTheLossIsEnough) {
  lwqat::v1::Run run = test::FinishedPolicyRun();
  lwqat::v1::Task& again = *run.add_tasks() = test::MakeTask("train_block", 1, lwqat::v1::TASK_STATE_SUCCEEDED);
  again.set_title("train on blocks 1-2");
  again.set_metrics_json(R"({"initial_val_loss": 0.1, "best_val_loss": 0.1, "final_val_loss": 0.1, "steps": 8})");
  EXPECT_EQ(LayersToJson(run)[1]["loss_lowered"], true);
}

TEST(LayerStatistics, ItsConfigIsTheRecipeWithNumbersAsNumbers) {
  const Json config = LayerStatistics(test::FinishedPolicyRun())["config"];
  EXPECT_EQ(config["group_size"], 128);
  EXPECT_EQ(config["sensitivity_samples"], 8);
  EXPECT_EQ(config["epochs"], 2.0);
  EXPECT_EQ(config["method"], "block_ap");
}

TEST(LayerStatistics, TheTwoTrainingsOfARelayAddUp) {
  lwqat::v1::Run run = test::FinishedPolicyRun();
  auto* again = run.add_tasks();
  *again = test::MakeTask("train_block", 0, lwqat::v1::TASK_STATE_SUCCEEDED);
  again->set_title("train on block 0");
  again->set_seconds(1);
  again->set_metrics_json(
      R"({"initial_val_loss": 9, "best_val_loss": 0.25, "final_val_loss": 0.5, "epochs_trained": 0.5, "steps": 32,
          "zero_point_flips": 3, "zero_points": 1024})");
  const LayerResult layer = LayerResults(run)[0];
  EXPECT_EQ(layer.epochs_trained, 2.5);
  EXPECT_EQ(layer.steps, 160);
  EXPECT_EQ(layer.zero_point_flips, 4);
  EXPECT_EQ(layer.zero_points, 1024);
  EXPECT_EQ(layer.best_val_loss, 0.25);
  EXPECT_EQ(layer.training_seconds, 3.5);
}

TEST(RunJson, HasPerplexitiesInTheEarlierFormToo) {
  lwqat::v1::Run run;
  lwqat::v1::Measured* measured = run.add_measured();
  measured->set_subject("fp");
  measured->set_dataset("heldout");
  measured->set_metric("perplexity");
  measured->set_value(1.5);
  measured->set_count(512);
  measured->set_add_bos(true);
  run.add_measured()->set_metric("accuracy");
  run.mutable_spec()->add_eval_tasks()->set_name("lambada_openai");
  lwqat::v1::Measured* of_task = run.add_measured();
  of_task->set_dataset("lambada_openai");
  of_task->set_metric("perplexity");  // of last words: no text's
  EXPECT_EQ(
      ToJson(run)["perplexities"],
      Json::array({{{"model", "fp"}, {"text", "heldout"}, {"perplexity", 1.5}, {"tokens", "512"}, {"add_bos", true}}}));
  EXPECT_EQ(ToJson(run)["measured"].size(), 3u);
}

TEST(LayerStatistics, StandBesideTheMessageInARunsJson) {
  const lwqat::v1::Run run = test::FinishedPolicyRun();
  Json json = RunToJson(run);
  EXPECT_EQ(json["layers"], LayersToJson(run));
  json.erase("layers");
  EXPECT_EQ(json, ToJson(run));
}

TEST(Report, DoesNotCountTheStepsOfPilotTrainings) {
  lwqat::v1::Run run = test::FinishedPolicyRun();
  EXPECT_EQ(BuildReport({run}, 2000).rows.back().steps, 160 + 128);
}

TEST(SensitivityResults, HaveTheSeedsShape) {
  const auto results = SensitivityResults(test::FinishedPolicyRun());
  ASSERT_TRUE(results.ok()) << results.status();
  Json json = *results;
  EXPECT_DOUBLE_EQ(json["statistics"]["std"].get<double>(), std::sqrt((4.75 * 4.75 + 7 * 7 + 2.25 * 2.25) / 3))
      << "divided by n";
  json["statistics"].erase("std");
  EXPECT_EQ(json, Json::parse(R"({
    "model": {"name": "org/Tiny-2 b", "num_layers": 3, "hidden_size": 64, "num_attention_heads": 4},
    "dataset": {"name": "calib", "num_samples": 8, "max_length": 64},
    "method": "fisher", "sensitivity_scores": [0.5, 12.25, 3.0], "ranked_layers": [1, 2, 0],
    "statistics": {"mean": 5.25, "min": 0.5, "max": 12.25, "most_sensitive_layer": 1, "least_sensitive_layer": 0,
                   "sensitivity_range": 24.5},
    "samples": 8, "seqlen": 64})"));
}

TEST(SensitivityResults, HaveTableErrorsAndLaterMeasurements) {
  lwqat::v1::Run run = test::FinishedPolicyRun();
  auto* measured = run.mutable_sensitivity(0);
  auto* choice = measured->add_choices();
  choice->set_bits(2);
  choice->set_group_size(64);
  for (const double loss : {0.25, 0.5, 1.0}) measured->add_table()->add_loss(loss);
  for (const double error : {0.1, 0.2, 0.3}) measured->add_standard_errors(error);
  auto* later = run.add_sensitivity();
  later->set_trained_blocks(2);
  later->add_scores(7);
  const auto results = SensitivityResults(run);
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_EQ((*results)["choices"], Json::parse(R"([{"bits": 2, "group_size": 64}])"));
  EXPECT_EQ((*results)["table"], Json::parse("[[0.25], [0.5], [1.0]]"));
  EXPECT_EQ((*results)["standard_errors"], Json::parse("[0.1, 0.2, 0.3]"));
  EXPECT_EQ((*results)["remeasured"], Json::parse(R"([{"trained_blocks": 2, "sensitivity_scores": [7.0]}])"));
}

TEST(SensitivityResults, AScoreBelowZeroCountsAsZeroAndIsStillTold) {
  lwqat::v1::Run run = test::FinishedPolicyRun();
  run.mutable_sensitivity(0)->set_scores(2, -0.25);
  const auto results = SensitivityResults(run);
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_EQ((*results)["sensitivity_scores"], Json::parse("[0.5, 12.25, 0.0]"));
  EXPECT_EQ((*results)["measured_scores"], Json::parse("[0.5, 12.25, -0.25]"));
  EXPECT_EQ((*results)["statistics"]["min"], 0.0);
}

TEST(SensitivityResults, EqualScoresAreRankedByDepthAndHaveNoRangeAtZero) {
  lwqat::v1::Run run = test::FinishedPolicyRun();
  for (double& score : *run.mutable_sensitivity(0)->mutable_scores()) score = 0;
  const auto results = SensitivityResults(run);
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_EQ((*results)["ranked_layers"], Json::parse("[0, 1, 2]"));
  EXPECT_TRUE((*results)["statistics"]["sensitivity_range"].is_null());
}

TEST(SensitivityResults, OfARunThatMeasuredNoneAreRefused) {
  lwqat::v1::Run run = test::PolicyRun();
  EXPECT_EQ(MessageOf(SensitivityResults(run).status()),
            "run ab12cd34 has measured no sensitivity (it is running); method sensitivity, or a policy that goes by "
            "it, measures it");
  run.mutable_spec()->add_sensitivity_scores(1);
  EXPECT_EQ(MessageOf(SensitivityResults(run).status()),
            "run ab12cd34 took its scores from sensitivity_file and measured none");
}

TEST(SensitivityResults, AreNamedAfterTheModel) {
  lwqat::v1::Run run;
  run.mutable_spec()->mutable_model()->set_name("meta-llama/Llama-2-7b-hf");
  EXPECT_EQ(SensitivityFileName(run), "sensitivity_results_llama_2_7b_hf.json");
  run.mutable_spec()->mutable_model()->set_name("..");
  EXPECT_EQ(SensitivityFileName(run), "sensitivity_results___.json");
  run.mutable_spec()->mutable_model()->set_name("");
  EXPECT_EQ(SensitivityFileName(run), "sensitivity_results_model.json");
}

}  // namespace
}  // namespace lwq::reporting
