// SPDX-License-Identifier: Apache-2.0
// Which tasks measure a sensitivity, and what is made of their metrics.
#include "coordinator/graph/sensitivity_tasks.h"

#include <cmath>
#include <map>
#include <set>

#include "common/task/task_params.h"
#include "coordinator/graph/run_graph.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::BlockApSpec;
using ::testing::DoubleEq;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr int kMeasuredBlocks = 3;

RunSpec Measuring(const std::string& metric) {
  RunSpec spec = BlockApSpec(kMeasuredBlocks);
  spec.recipe.method = "sensitivity";
  spec.recipe.sensitivity_metric = metric;
  spec.recipe.sensitivity_samples = 6;
  spec.recipe.sensitivity_shard_samples = 4;
  spec.recipe.sensitivity_bits = "2,4";
  spec.recipe.hessian_probes = 2;
  spec.recipe.pilot_samples = 5;
  spec.recipe.pilot_epochs = 0.5;
  return spec;
}

struct BuiltGraph {
  RunGraph graph;
  Recipe recipe;
  LlamaConfig model;
};

BuiltGraph Build(const RunSpec& spec) {
  const ResolvedSpec resolved = *ResolveSpec(spec);
  BuiltGraph built{.graph = {}, .recipe = PinRecipe(resolved.recipe, false), .model = *resolved.model};
  built.graph = *BuildRunGraph(spec, resolved.model.get(), built.recipe, UniformBases("a|b|c"));
  return built;
}

std::map<std::string, int> KindsOf(const RunGraph& graph) {
  std::map<std::string, int> kinds;
  for (const PlannedTask& task : graph.tasks) ++kinds[std::string(TaskKindName(task.def.kind))];
  return kinds;
}

// The metrics of every part, by a function of the task's kind and parameters.
Measurement Collect(const BuiltGraph& built, const std::function<Json(TaskKind, const Json& params)>& metrics) {
  std::map<Digest, const PlannedTask*> tasks;
  for (const PlannedTask& task : built.graph.tasks) tasks[task.key] = &task;
  StatusOr<Measurement> measured = CollectMeasurement(
      *built.graph.pending, built.model, built.recipe,
      [&](const Digest& key) -> StatusOr<Json> { return metrics(tasks.at(key)->def.kind, tasks.at(key)->def.params); });
  LWQ_CHECK(measured.ok(), measured.status().ToString());
  return *std::move(measured);
}

TEST(SensitivityTasksTest, FisherIsOneBackwardPassOfEveryShardThroughEveryBlock) {
  EXPECT_THAT(KindsOf(Build(Measuring("fisher")).graph),
              UnorderedElementsAre(Pair("tokenize", 1), Pair("embed", 1), Pair("advance", kMeasuredBlocks),
                                   Pair("loss_gradient", 2), Pair("backward_block", 2 * kMeasuredBlocks)));
}

TEST(SensitivityTasksTest, GradientAddsOneReductionABlock) {
  EXPECT_EQ(KindsOf(Build(Measuring("gradient")).graph)["gradient_norm"], kMeasuredBlocks);
}

TEST(SensitivityTasksTest, OutputFisherNeedsNoGradientBeforeTheFirstBlocksOutput) {
  const std::map<std::string, int> kinds = KindsOf(Build(Measuring("output_fisher")).graph);
  EXPECT_EQ(kinds.at("output_fisher"), 2 * kMeasuredBlocks);
  EXPECT_EQ(kinds.at("backward_block"), 2 * (kMeasuredBlocks - 1));
}

TEST(SensitivityTasksTest, LossDeltaNeedsNoGradients) {
  const std::map<std::string, int> kinds = KindsOf(Build(Measuring("loss_delta")).graph);
  EXPECT_EQ(kinds.at("loss_delta"), 2 * kMeasuredBlocks);
  EXPECT_FALSE(kinds.contains("loss_gradient"));
}

TEST(SensitivityTasksTest, PilotTrainsEveryBlockAtEveryChoiceOnFullPrecisionInput) {
  const BuiltGraph built = Build(Measuring("pilot"));
  EXPECT_EQ(KindsOf(built.graph)["train_block"], kMeasuredBlocks * 2);
  for (const PlannedTask& task : built.graph.tasks) {
    if (task.def.kind != TaskKind::kTrainBlock) continue;
    const TrainBlockParams params = *TrainBlockParams::FromJson(task.def.params);
    EXPECT_EQ(params.train_size, 5);
    EXPECT_EQ(params.epochs, 0.5);
    EXPECT_EQ(task.purpose, TaskPurpose::kStep);
  }
}

TEST(SensitivityTasksTest, AProbeOverTheModelIsOneTaskAShardAndAProbe) {
  RunSpec spec = Measuring("hessian");
  EXPECT_EQ(KindsOf(Build(spec).graph)["hessian"], kMeasuredBlocks * 2 * 2);
  spec.recipe.hessian_scope = "model";
  EXPECT_EQ(KindsOf(Build(spec).graph)["hessian"], 2 * 2);
}

TEST(SensitivityTasksTest, MetricsShareTheGradientsTheyRead) {
  std::set<Digest> keys;
  for (const PlannedTask& task : Build(Measuring("fisher")).graph.tasks) keys.insert(task.key);
  for (const PlannedTask& task : Build(Measuring("hessian")).graph.tasks) {
    EXPECT_TRUE(task.def.kind != TaskKind::kBackwardBlock || keys.contains(task.key)) << task.title;
  }
}

TEST(CollectMeasurementTest, FisherIsTheMeanOverSamplesOfTheSquaredNorms) {
  const Measurement measured = Collect(Build(Measuring("fisher")), [](TaskKind, const Json& params) {
    const BackwardBlockParams part = *BackwardBlockParams::FromJson(params);
    return Json{
        {"squared_gradient_norms", std::vector<double>(static_cast<size_t>(part.samples),
                                                       static_cast<double>(10 * part.block + part.first_sample))}};
  });
  // 4 samples of 10·k and 2 of 10·k + 4.
  EXPECT_THAT(measured.scores, ElementsAre(DoubleEq(8.0 / 6), DoubleEq(68.0 / 6), DoubleEq(128.0 / 6)));
  EXPECT_EQ(measured.samples, 6);
}

TEST(CollectMeasurementTest, HessianIsTheMeanOverProbesWithItsStandardError) {
  for (const char* scope : {"block", "model"}) {
    RunSpec spec = Measuring("hessian");
    spec.recipe.hessian_scope = scope;
    const Measurement measured = Collect(Build(spec), [](TaskKind, const Json& params) {
      const HessianParams part = *HessianParams::FromJson(params);
      std::vector<double> curvatures;
      for (int64_t i = 0; i < part.blocks; ++i) {
        // vᵀHv of a sample is 1 + block for probe 0 and three times that for probe 1.
        curvatures.push_back(static_cast<double>(part.samples * (1 + part.first_block + i) * (1 + 2 * part.probe)));
      }
      return Json{{"curvatures", curvatures}};
    });
    EXPECT_THAT(measured.scores, ElementsAre(DoubleEq(2), DoubleEq(4), DoubleEq(6))) << scope;
    // Values 1 and 3: standard deviation √2, over √2 probes.
    EXPECT_THAT(measured.standard_errors, ElementsAre(DoubleNear(1, 1e-12), DoubleNear(2, 1e-12), DoubleNear(3, 1e-12)))
        << scope;
  }
}

TEST(CollectMeasurementTest, TablesAreInNatsPerTokenAndTheScoreIsTheEntryOfTheRun) {
  const Measurement delta = Collect(Build(Measuring("loss_delta")), [](TaskKind, const Json& params) {
    const LossDeltaParams part = *LossDeltaParams::FromJson(params);
    const double samples = static_cast<double>(part.samples);
    return Json{{"loss_sum", 2 * samples}, {"loss_sums", {2.5 * samples, 1.5 * samples}}};
  });
  ASSERT_TRUE(delta.table.has_value());
  EXPECT_THAT(delta.table->loss[1], ElementsAre(DoubleEq(0.5), DoubleEq(-0.5))) << "2 and 4 bits";
  EXPECT_THAT(delta.scores, ElementsAre(DoubleEq(0.5), DoubleEq(0.5), DoubleEq(0.5))) << "wbits 2";
  const Measurement fisher = Collect(Build(Measuring("output_fisher")), [](TaskKind, const Json& params) {
    const OutputFisherParams part = *OutputFisherParams::FromJson(params);
    return Json{{"sums", {3.0 * static_cast<double>(part.samples), 1.0 * static_cast<double>(part.samples)}}};
  });
  EXPECT_THAT(fisher.table->loss[0], ElementsAre(DoubleEq(1.5), DoubleEq(0.5)));
}

TEST(CollectMeasurementTest, MetricsThatAreNotThereAreAnErrorNamingTheKind) {
  const BuiltGraph built = Build(Measuring("fisher"));
  for (const Json& broken : {Json(3), Json::object(), Json{{"squared_gradient_norms", "no"}}}) {
    const auto measured = CollectMeasurement(*built.graph.pending, built.model, built.recipe,
                                             [&](const Digest&) -> StatusOr<Json> { return broken; });
    EXPECT_EQ(measured.status().code(), absl::StatusCode::kInternal);
    EXPECT_THAT(std::string(measured.status().message()), ::testing::HasSubstr("backward_block"));
  }
}

TEST(MeasurementJsonTest, EveryFieldComesBackAndDamageIsDataLoss) {
  Measurement measurement{.metric = SensitivityMetric::kLossDelta,
                          .scores = {0.1, -2},
                          .standard_errors = {0.5},
                          .table = ScoreTable{{{2, 32}, {4, -1}}, {{1.0 / 3, 2}, {3, 4}}},
                          .squared_error = ScoreTable{{{2, 32}}, {{7}, {8}}},
                          .trained_blocks = 3,
                          .samples = 64,
                          .seqlen = 128};
  const Json json = MeasurementToJson(measurement);
  const StatusOr<Measurement> again = MeasurementFromJson(json, "measurement");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(MeasurementToJson(*again), json);
  for (const auto& [name, value] : json.items()) {
    Json damaged = json;
    damaged.erase(name);
    EXPECT_EQ(MeasurementFromJson(damaged, "measurement").status().code(), absl::StatusCode::kDataLoss) << name;
    damaged[name] = "text";
    EXPECT_EQ(MeasurementFromJson(damaged, "measurement").status().code(), absl::StatusCode::kDataLoss) << name;
  }
}

}  // namespace
}  // namespace lwq::coordinator
