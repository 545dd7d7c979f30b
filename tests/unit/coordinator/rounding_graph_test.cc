// SPDX-License-Identifier: Apache-2.0
// SignRound and OmniQuant as graphs: as the method of a run, and as what trainings start from.
#include <set>

#include "common/task/task_params.h"
#include "coordinator/graph/run_graph.h"
#include "coordinator/plan/cost/task_costs.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/planned_graph.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::BlockApSpec;
using ::testing::HasSubstr;
using testing::PlannedGraph;
using testing::SchedulerHarness;

constexpr int kFittedBlocks = 3;

RunSpec FittedBy(const std::string& method) {
  RunSpec spec = BlockApSpec(kFittedBlocks);
  spec.recipe.method = method;
  return spec;
}

RunSpec FromFitted(const std::string& init) {
  RunSpec spec = BlockApSpec(kFittedBlocks);
  spec.recipe.init = init;
  return spec;
}

FitRoundingParams FirstParams(const RunSpec& spec) {
  return *FitRoundingParams::FromJson(PlannedGraph(spec).OfKind(TaskKind::kFitRounding).at(0).def.params);
}

using BlockStates = std::vector<std::string>;

TEST(RoundingGraphTest, EachBlockReadsWhatTheQuantizedBlocksBeforeItGiveAndItsFullPrecisionOutput) {
  const PlannedGraph graph(FittedBy("signround"));
  const std::vector<PlannedTask> blocks = graph.OfKind(TaskKind::kFitRounding);
  ASSERT_EQ(blocks.size(), 3u);
  EXPECT_EQ(graph.StatesBehind(blocks[2], "inputs"),
            BlockStates({"quantize block 0 by SignRound", "quantize block 1 by SignRound"}));
  EXPECT_EQ(graph.StatesBehind(blocks[2], "targets"), BlockStates({"fp", "fp", "fp"}));
  EXPECT_TRUE(graph.OfKind(TaskKind::kTrainBlock).empty());
  const PlannedTask exported = graph.OfKind(TaskKind::kExport).at(0);
  for (int64_t block = 0; block < kFittedBlocks; ++block) {
    const PlannedTask& task = blocks[static_cast<size_t>(block)];
    EXPECT_EQ(graph.Producer(exported, absl::StrCat("block.", block)).key, task.key);
    EXPECT_EQ(task.purpose, TaskPurpose::kCheckpoint);
    EXPECT_EQ(task.needs_blocks, block + 1);
  }
  std::set<std::string> measured;
  for (const PlannedTask& task : graph.OfKind(TaskKind::kReducePpl)) measured.insert(task.evaluated_model);
  EXPECT_EQ(measured, (std::set<std::string>{"fp", "signround"}));
}

TEST(RoundingGraphTest, DefaultsAreTheOriginals) {
  const FitRoundingParams signround = FirstParams(FittedBy("signround"));
  EXPECT_EQ(signround.fit, RoundingFit::kSignRound);
  EXPECT_EQ(signround.steps, 200);
  EXPECT_EQ(signround.batch_size, 8);
  EXPECT_EQ(signround.offset_lr, 1.0 / 200);
  EXPECT_EQ(signround.range_lr, 1.0 / 200);
  EXPECT_TRUE(signround.keep_best && signround.fp16_scales && signround.range_contains_zero);
  EXPECT_FALSE(signround.keep_latent || signround.sym || signround.middle_zero_points);
  const FitRoundingParams omniquant = FirstParams(FittedBy("omniquant"));
  EXPECT_EQ(omniquant.fit, RoundingFit::kOmniQuant);
  EXPECT_EQ(omniquant.steps, 40 * 8) << "40 epochs at 2 bits, over the train windows";
  EXPECT_EQ(omniquant.batch_size, 1);
  EXPECT_EQ(omniquant.offset_lr, 0);
  EXPECT_EQ(omniquant.range_lr, 5e-3);
  RunSpec wider = FittedBy("omniquant");
  wider.recipe.wbits = 3;
  EXPECT_EQ(FirstParams(wider).steps, 20 * 8);
}

TEST(RoundingGraphTest, TheRecipeSaysHowABlockIsFitted) {
  RunSpec spec = FittedBy("signround");
  spec.recipe.signround_iters = 50;
  spec.recipe.signround_minmax_lr = 0.01;
  spec.recipe.signround_batch_size = 3;
  spec.recipe.keep_best = false;
  spec.recipe.sym = true;
  spec.recipe.omniquant_epochs = 7;  // nobody's
  const FitRoundingParams params = FirstParams(spec);
  EXPECT_EQ(params.steps, 50);
  EXPECT_EQ(params.offset_lr, 1.0 / 50) << "follows the steps";
  EXPECT_EQ(params.range_lr, 0.01);
  EXPECT_EQ(params.batch_size, 3);
  EXPECT_TRUE(params.sym);
  EXPECT_FALSE(params.keep_best);
  RunSpec omniquant = FittedBy("omniquant");
  omniquant.recipe.omniquant_epochs = 1.5;
  omniquant.recipe.omniquant_batch_size = 4;
  omniquant.recipe.block_bits = "1:4";
  omniquant.recipe.middle_zero_points = true;
  EXPECT_EQ(FirstParams(omniquant).steps, 3);
  const auto blocks = PlannedGraph(omniquant).OfKind(TaskKind::kFitRounding);
  EXPECT_TRUE(FitRoundingParams::FromJson(blocks[0].def.params)->middle_zero_points);
  EXPECT_FALSE(FitRoundingParams::FromJson(blocks[1].def.params)->middle_zero_points) << "of 2 bits alone";
}

TEST(RoundingGraphTest, PreparedBlocksHaveTheirScalesWorkedInAndIndependentOnesReadFullPrecision) {
  RunSpec spec = FittedBy("omniquant");
  spec.recipe.prepare = "awq";
  spec.recipe.handoff = "independent";
  const PlannedGraph graph(spec);
  for (const PlannedTask& task : graph.OfKind(TaskKind::kFitRounding)) {
    EXPECT_TRUE(task.def.inputs.contains(absl::StrCat("scales.", task.block))) << task.title;
  }
  EXPECT_EQ(graph.StatesBehind(graph.OfKind(TaskKind::kFitRounding)[2], "inputs"), BlockStates({"fp", "fp"}));
}

TEST(RoundingInitTest, ATrainingStartsFromWhatTheMethodMakesOfItsBlockOnTheSameActivations) {
  for (const char* init : {"signround", "omniquant"}) {
    const PlannedGraph graph(FromFitted(init));
    ASSERT_EQ(graph.OfKind(TaskKind::kFitRounding).size(), 3u);
    for (const PlannedTask& training : graph.OfKind(TaskKind::kTrainBlock)) {
      const PlannedTask& start = graph.Producer(training, "start");
      EXPECT_THAT(start.title, HasSubstr(absl::StrCat("initialize block ", training.block, " by ")));
      EXPECT_EQ(graph.Producer(training, "latent").key, start.key);
      EXPECT_EQ(start.def.inputs.at("inputs"), training.def.inputs.at("inputs"));
      EXPECT_EQ(start.def.inputs.at("targets"), training.def.inputs.at("targets"));
      EXPECT_TRUE(FitRoundingParams::FromJson(start.def.params)->keep_latent);
      EXPECT_EQ(start.purpose, TaskPurpose::kStep) << "not what the run is judged by";
    }
  }
}

TEST(RoundingInitTest, AUnitsBlocksAreFittedOneAfterTheOtherAgainstTheirOwnOutputs) {
  RunSpec spec = FromFitted("signround");
  spec.recipe.block_grouping = "3";
  const PlannedGraph graph(spec);
  const PlannedTask training = graph.OfKind(TaskKind::kTrainBlock).at(0);
  const PlannedTask& middle = graph.Producer(training, "start.1");
  EXPECT_EQ(graph.StatesBehind(middle, "inputs"), BlockStates({"initialize block 0 by SignRound"}));
  EXPECT_EQ(graph.StatesBehind(middle, "targets"), BlockStates({"fp", "fp"}));
}

TEST(RoundingInitTest, KeysOfTheFitsLeaveTheTasksOfOtherRunsAsTheyAre) {
  RunSpec given = BlockApSpec(kFittedBlocks);
  given.recipe.signround_iters = 7;
  given.recipe.omniquant_lwc_lr = 1e-2;
  const PlannedGraph one(given), other(BlockApSpec(kFittedBlocks));
  ASSERT_EQ(one.tasks().size(), other.tasks().size());
  for (size_t i = 0; i < one.tasks().size(); ++i) EXPECT_EQ(one.tasks()[i].key, other.tasks()[i].key);
}

TEST(RoundingRecipeTest, WhatMakesNoSenseIsRefusedInOneLine) {
  const auto refused = [](const RunSpec& spec) { return std::string(ResolveSpec(spec).status().message()); };
  RunSpec relay = FittedBy("omniquant");
  relay.recipe.handoff = "relay";
  EXPECT_EQ(refused(relay),
            "recipe: handoff relay goes on with a training, and method omniquant has none: use sequential or "
            "independent");
  RunSpec twice = FittedBy("signround");
  twice.recipe.init = "omniquant";
  EXPECT_EQ(refused(twice),
            "recipe: init omniquant is where a training starts from, but method 'signround' trains nothing: use init "
            "minmax");
  RunSpec still = FittedBy("signround");
  still.recipe.signround_lr = 0;
  EXPECT_EQ(
      refused(still),
      "recipe: signround_lr and signround_minmax_lr are both 0: nothing would be fitted (signround_iters: 0 rounds "
      "to nearest)");
  still.recipe.signround_iters = 0;
  EXPECT_EQ(refused(still), "");
  RunSpec negative = FittedBy("signround");
  negative.recipe.signround_iters = -1;
  EXPECT_THAT(refused(negative), HasSubstr("signround_iters is -1"));
  RunSpec frozen = FittedBy("omniquant");
  frozen.recipe.omniquant_lwc_lr = 0;
  EXPECT_THAT(refused(frozen), HasSubstr("omniquant_lwc_lr is 0, must be a number between 1e-09 and 10"));
  RunSpec alone = FittedBy("signround");
  alone.calibration.reset();
  EXPECT_EQ(refused(alone),
            "calibration is missing: method signround rounds a block by what it reads of a calibration text");
}

TEST(RoundingCostTest, ItsWorkGrowsWithItsStepsAndWindowsAndAStartNeedsRoomForItsLatentWeights) {
  const auto work = [](const RunSpec& spec) {
    const ResolvedSpec resolved = *ResolveSpec(spec);
    return TaskWork(PlannedGraph(spec).OfKind(TaskKind::kFitRounding)[0].def, resolved.model.get(), resolved.recipe, 0);
  };
  RunSpec fewer = FittedBy("signround");
  fewer.recipe.signround_iters = 100;
  EXPECT_GT(work(FittedBy("signround")), 1.8 * work(fewer));
  EXPECT_LT(work(FittedBy("signround")), 2 * work(fewer));
  const auto memory = [](const RunSpec& spec) {
    const ResolvedSpec resolved = *ResolveSpec(spec);
    return TaskMemoryBytes(TaskKind::kFitRounding, *resolved.model, resolved.recipe);
  };
  EXPECT_EQ(memory(FromFitted("signround")) - memory(FittedBy("signround")),
            4 * BlockParameters(*ResolveSpec(fewer)->model));
}

// Whatever is deleted under way: activations and latent weights.
TEST(RoundingRunTest, EveryHandoffRunsToItsEndWithoutRoomForActivations) {
  for (const RunSpec& base : {FittedBy("signround"), FromFitted("omniquant")}) {
    for (const char* handoff : {"sequential", "independent", "relay"}) {
      if (base.recipe.method.has_value() && std::string_view(handoff) == "relay") continue;
      SchedulerHarness harness(testing::ActivationBudget(0));
      const WorkerId worker = harness.Register("a");
      RunSpec spec = base;
      spec.recipe.handoff = handoff;
      const RunId run = harness.Submit(spec);
      harness.RunToEnd(worker);
      EXPECT_EQ(harness.run(run).record.state, RunState::kSucceeded) << handoff;
      EXPECT_THAT(testing::CheckIndexes(harness.state()), ::testing::IsEmpty());
    }
  }
}

}  // namespace
}  // namespace lwq::coordinator
