// SPDX-License-Identifier: Apache-2.0
// Prepared runs as graphs: which tasks search scales, which read them, and which runs share them.
#include "coordinator/graph/prepare_tasks.h"

#include <map>
#include <set>

#include "common/task/task_params.h"
#include "coordinator/graph/run_graph.h"
#include "coordinator/plan/cost/task_costs.h"
#include "coordinator/plan/recipe/scale_search.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/planned_graph.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::BlockApSpec;
using ::testing::Each;
using ::testing::HasSubstr;
using testing::KeysOfKind;
using testing::OfKind;
using testing::RtnSpec;
using testing::SchedulerHarness;
using testing::TasksOf;

constexpr int kPreparedBlocks = 3;

RunSpec Prepared(RunSpec spec) {
  spec.recipe.prepare = "awq";
  return spec;
}

// The blocks whose scales the task works in.
std::set<int64_t> ScaledBlocks(const PlannedTask& task) {
  std::set<int64_t> blocks;
  for (int64_t block = 0; block < kPreparedBlocks; ++block) {
    if (task.def.inputs.contains(absl::StrCat("scales.", block))) blocks.insert(block);
  }
  return blocks;
}

TEST(PrepareGraphTest, ASearchReadsTheFullPrecisionChainAndTheTrainingOfItsBlockReadsTheScales) {
  const std::vector<PlannedTask> graph = TasksOf(Prepared(BlockApSpec(kPreparedBlocks)));
  const std::vector<PlannedTask> searches = OfKind(graph, TaskKind::kSearchScales);
  const std::vector<PlannedTask> trainings = OfKind(graph, TaskKind::kTrainBlock);
  ASSERT_EQ(searches.size(), 3u);
  ASSERT_EQ(trainings.size(), 3u);
  for (size_t block = 0; block < 3; ++block) {
    const PlannedTask& search = searches[block];
    EXPECT_EQ(search.title, absl::StrCat("search scales of block ", block));
    EXPECT_EQ(search.block, static_cast<int64_t>(block));
    EXPECT_EQ(search.def.numerics_class, "a|b|c|fp32|t1");
    const TaskInput& before = search.def.inputs.at("activations");
    if (block > 0) {
      EXPECT_EQ(before, trainings[block - 1].def.inputs.at("targets")) << "A(k) at full precision";
    }
    EXPECT_EQ(ScaledBlocks(trainings[block]), std::set<int64_t>{static_cast<int64_t>(block)});
    EXPECT_EQ(trainings[block].def.inputs.at(absl::StrCat("scales.", block)),
              TaskInput(TaskOutputRef{search.key, "scales"}));
  }
}

TEST(PrepareGraphTest, WhatHasTheSameFunctionWithScalesIsTheTaskItWasWithoutThem) {
  const RunSpec plain = BlockApSpec(kPreparedBlocks);
  std::set<Digest> keys;
  for (const PlannedTask& task : TasksOf(plain)) keys.insert(task.key);
  for (const PlannedTask& task : TasksOf(Prepared(plain))) {
    const bool full_precision = task.title.starts_with("advance full-precision") ||
                                task.title.starts_with("evaluate fp") || task.def.kind == TaskKind::kEmbed ||
                                task.def.kind == TaskKind::kTokenize;
    EXPECT_EQ(keys.contains(task.key), full_precision || task.title == "perplexity of fp on held-out") << task.title;
  }
}

TEST(PrepareGraphTest, RunsOfOtherWidthsGroupsMethodsHandoffsAndTrainingsShareEverySearch) {
  const RunSpec base = Prepared(BlockApSpec(kPreparedBlocks));
  const std::set<Digest> searches = KeysOfKind(TasksOf(base), TaskKind::kSearchScales);
  ASSERT_EQ(searches.size(), 3u);
  std::vector<RunSpec> others(7, base);
  others[0].recipe.wbits = 4;
  others[1].recipe.group_size = 64;
  others[2].recipe.method = "rtn";
  others[3].recipe.handoff = "relay";
  others[4].recipe.epochs = 7;
  others[4].recipe.quant_lr = 1e-3;
  others[5].recipe.preset = "efficientqat";  // other scales and ranges
  others[5].recipe.disjoint_windows = true;
  others[6].recipe.method = "sensitivity";
  for (size_t i = 0; i < others.size(); ++i) {
    EXPECT_EQ(KeysOfKind(TasksOf(others[i]), TaskKind::kSearchScales), searches) << "spec " << i;
  }
  RunSpec other_windows = base;
  other_windows.recipe.seed = 3;
  EXPECT_NE(KeysOfKind(TasksOf(other_windows), TaskKind::kSearchScales), searches);
}

TEST(PrepareGraphTest, AUnitReadsTheScalesOfEachOfItsBlocks) {
  RunSpec spec = Prepared(BlockApSpec(kPreparedBlocks));
  spec.recipe.block_grouping = "3";
  const std::vector<PlannedTask> trainings = OfKind(TasksOf(spec), TaskKind::kTrainBlock);
  ASSERT_EQ(trainings.size(), 1u);
  EXPECT_EQ(ScaledBlocks(trainings[0]), (std::set<int64_t>{0, 1, 2}));
}

TEST(PrepareGraphTest, TheSecondPassOfARelayGoesOnFromWeightsThatHaveTheirScalesAlready) {
  RunSpec spec = Prepared(BlockApSpec(kPreparedBlocks));
  spec.recipe.handoff = "relay";
  const std::vector<PlannedTask> trainings = OfKind(TasksOf(spec), TaskKind::kTrainBlock);
  ASSERT_EQ(trainings.size(), 6u);
  for (const PlannedTask& task : trainings) {
    EXPECT_EQ(ScaledBlocks(task).empty(), task.def.inputs.contains("start")) << task.title;
  }
}

TEST(PrepareGraphTest, RoundingScaledBlocksNeedsTheChainUpToTheLastBlockAndACalibrationText) {
  RunSpec spec = Prepared(RtnSpec(kPreparedBlocks));
  const Status refused = ResolveSpec(spec).status();
  EXPECT_TRUE(absl::IsInvalidArgument(refused));
  EXPECT_EQ(refused.message(), "calibration is missing: prepare awq searches its scales on a calibration text");
  spec.calibration = BlockApSpec(1).calibration;
  const std::vector<PlannedTask> graph = TasksOf(spec);
  EXPECT_EQ(OfKind(graph, TaskKind::kAdvance).size(), 2u) << "nobody reads the last block's output";
  EXPECT_EQ(OfKind(graph, TaskKind::kSearchScales).size(), 3u);
  for (const PlannedTask& task : OfKind(graph, TaskKind::kRtnBlock)) {
    EXPECT_EQ(ScaledBlocks(task), std::set<int64_t>{task.block});
  }
  const ResolvedSpec resolved = *ResolveSpec(spec);
  EXPECT_TRUE(NeedsNumericsClass(resolved)) << "rounding alone needs none";
}

TEST(PrepareGraphTest, SensitivityIsThatOfTheWeightsThatWillBeQuantized) {
  for (const char* metric : {"fisher", "gradient", "hessian", "loss_delta", "output_fisher", "pilot"}) {
    RunSpec spec = Prepared(BlockApSpec(kPreparedBlocks));
    spec.recipe.method = "sensitivity";
    spec.recipe.sensitivity_metric = metric;
    spec.recipe.sensitivity_samples = 2;
    spec.recipe.sensitivity_bits = "2,4";
    spec.recipe.hessian_probes = 1;
    for (const PlannedTask& task : TasksOf(spec)) {
      const bool rounds_candidates = task.def.kind == TaskKind::kLossDelta && std::string_view(metric) != "pilot";
      const bool measures = task.def.kind == TaskKind::kBackwardBlock || task.def.kind == TaskKind::kHessian ||
                            task.def.kind == TaskKind::kOutputFisher || task.def.kind == TaskKind::kTrainBlock ||
                            rounds_candidates;
      EXPECT_EQ(ScaledBlocks(task), measures ? std::set<int64_t>{task.block} : std::set<int64_t>{})
          << metric << ": " << task.title;
    }
  }
}

TEST(PrepareGraphTest, AProbeOverTheModelAndWeightErrorsHaveTheScalesOfWhatTheyMeasure) {
  RunSpec spec = Prepared(BlockApSpec(kPreparedBlocks));
  spec.recipe.method = "sensitivity";
  spec.recipe.sensitivity_metric = "hessian";
  spec.recipe.hessian_scope = "model";
  spec.recipe.hessian_probes = 1;
  spec.recipe.sensitivity_samples = 2;
  const std::vector<PlannedTask> probes = OfKind(TasksOf(spec), TaskKind::kHessian);
  ASSERT_EQ(probes.size(), 1u);
  EXPECT_EQ(ScaledBlocks(probes[0]), (std::set<int64_t>{0, 1, 2}));
  RunSpec optimal = Prepared(BlockApSpec(kPreparedBlocks));
  optimal.recipe.use_mixed_precision = true;
  optimal.recipe.mpq_strategy = "optimal";
  optimal.recipe.target_avg_bits = 4.5;
  optimal.sensitivity_scores = {1, 2, 3};
  const std::vector<PlannedTask> errors = OfKind(TasksOf(optimal), TaskKind::kWeightError);
  ASSERT_EQ(errors.size(), 3u);
  for (const PlannedTask& task : errors) EXPECT_EQ(ScaledBlocks(task), std::set<int64_t>{task.block});
}

TEST(PrepareGraphTest, MethodsThatQuantizeAndMeasureNothingRefuseIt) {
  for (const char* method : {"none", "noop"}) {
    RunSpec spec = Prepared(BlockApSpec(kPreparedBlocks));
    spec.recipe.method = method;
    const Status refused = ResolveSpec(spec).status();
    EXPECT_TRUE(absl::IsInvalidArgument(refused));
    EXPECT_EQ(refused.message(),
              absl::StrCat("recipe: prepare awq scales blocks before they are quantized or measured, "
                           "but method '",
                           method, "' does neither: use prepare none"));
  }
  RunSpec unknown = BlockApSpec(1);
  unknown.recipe.prepare = "hadamard";
  EXPECT_THAT(std::string(ResolveSpec(unknown).status().message()),
              HasSubstr("prepare 'hadamard' is unknown, must be one of none, awq"));
}

TEST(ScaleSearchTest, TheErrorIsMeasuredOnAbout4096TokensOfTheTrainWindows) {
  Recipe recipe{};
  recipe.train_size = 128;
  for (const auto& [seqlen, samples] : std::map<int64_t, int64_t>{{32, 128}, {256, 16}, {2048, 2}, {8192, 1}}) {
    recipe.training_seqlen = seqlen;
    EXPECT_EQ(ScaleErrorSamples(recipe), samples) << seqlen;
  }
}

TEST(ScaleSearchTest, ItsWorkIsAForwardPassAndTheProductsOfEveryExponent) {
  const RunSpec spec = Prepared(BlockApSpec(kPreparedBlocks));
  const ResolvedSpec resolved = *ResolveSpec(spec);
  const std::vector<PlannedTask> graph = TasksOf(spec);
  const double search =
      TaskWork(OfKind(graph, TaskKind::kSearchScales)[0].def, resolved.model.get(), resolved.recipe, 0);
  const double advance = TaskWork(OfKind(graph, TaskKind::kAdvance)[0].def, resolved.model.get(), resolved.recipe, 0);
  EXPECT_GT(search, advance);
  EXPECT_LT(search, 25 * advance) << "all train windows are within the error's tokens here";
}

// Whatever is deleted under way, and whichever handoff reads it.
TEST(PreparedRunTest, EveryHandoffRunsToItsEndWithoutRoomForActivations) {
  for (const char* handoff : {"sequential", "independent", "relay"}) {
    SchedulerHarness harness(testing::ActivationBudget(0));
    const WorkerId worker = harness.Register("a");
    RunSpec spec = Prepared(BlockApSpec(kPreparedBlocks));
    spec.recipe.handoff = handoff;
    spec.recipe.layer_ordering = "random";
    const RunId run = harness.Submit(spec);
    harness.RunToEnd(worker);
    EXPECT_EQ(harness.run(run).record.state, RunState::kSucceeded) << handoff;
    EXPECT_THAT(testing::CheckIndexes(harness.state()), ::testing::IsEmpty());
    spec.recipe.wbits = 4;
    harness.Submit(spec);
    EXPECT_THAT(harness.RunToEnd(worker), Each(::testing::Not(HasSubstr("search scales")))) << "shared: " << handoff;
  }
}

}  // namespace
}  // namespace lwq::coordinator
