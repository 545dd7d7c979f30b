// SPDX-License-Identifier: Apache-2.0
// GPTQ as graphs: as the method of a run, and as what trainings start from.
#include <map>
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

constexpr int kGptqBlocks = 3;

RunSpec GptqSpec() {
  RunSpec spec = BlockApSpec(kGptqBlocks);
  spec.recipe.method = "gptq";
  return spec;
}

RunSpec FromGptq() {
  RunSpec spec = BlockApSpec(kGptqBlocks);
  spec.recipe.init = "gptq";
  return spec;
}

using States = std::vector<std::string>;

TEST(GptqGraphTest, EachBlockReadsWhatTheQuantizedBlocksBeforeItGiveAndTheExportReadsThemAll) {
  const PlannedGraph graph(GptqSpec());
  const std::vector<PlannedTask> blocks = graph.OfKind(TaskKind::kGptqBlock);
  ASSERT_EQ(blocks.size(), 3u);
  EXPECT_EQ(graph.StatesBehind(blocks[2], "activations"),
            States({"quantize block 0 by GPTQ", "quantize block 1 by GPTQ"}));
  EXPECT_EQ(graph.OfKind(TaskKind::kAdvance).size(), 2u) << "nobody reads the last block's output, nor the model's own";
  EXPECT_TRUE(graph.OfKind(TaskKind::kTrainBlock).empty());
  const PlannedTask exported = graph.OfKind(TaskKind::kExport).at(0);
  for (int64_t block = 0; block < kGptqBlocks; ++block) {
    EXPECT_EQ(graph.Producer(exported, absl::StrCat("block.", block)).key, blocks[static_cast<size_t>(block)].key);
    EXPECT_EQ(blocks[static_cast<size_t>(block)].purpose, TaskPurpose::kCheckpoint);
    EXPECT_EQ(blocks[static_cast<size_t>(block)].needs_blocks, block + 1);
  }
  std::set<std::string> measured;
  for (const PlannedTask& task : graph.OfKind(TaskKind::kReducePpl)) measured.insert(task.evaluated_model);
  EXPECT_EQ(measured, (std::set<std::string>{"fp", "gptq"}));
}

TEST(GptqGraphTest, TheRecipeSaysHowABlockIsQuantized) {
  RunSpec spec = GptqSpec();
  spec.recipe.damp_percent = 0.05;
  spec.recipe.desc_act = true;
  spec.recipe.range_contains_zero = false;
  spec.recipe.block_bits = "1:4";
  spec.recipe.middle_zero_points = true;
  const std::vector<PlannedTask> blocks = PlannedGraph(spec).OfKind(TaskKind::kGptqBlock);
  const GptqBlockParams two = *GptqBlockParams::FromJson(blocks[0].def.params);
  EXPECT_EQ(two.block, 0);
  EXPECT_EQ(two.samples, 8) << "the train windows";
  EXPECT_EQ(two.bits, 2);
  EXPECT_EQ(two.group_size, 32);
  EXPECT_EQ(two.damp_percent, 0.05);
  EXPECT_TRUE(two.desc_act && two.fp16_scales && two.middle_zero_points);
  EXPECT_FALSE(two.range_contains_zero || two.keep_latent);
  const GptqBlockParams four = *GptqBlockParams::FromJson(blocks[1].def.params);
  EXPECT_EQ(four.bits, 4);
  EXPECT_FALSE(four.middle_zero_points) << "of 2 bits alone";
}

TEST(GptqGraphTest, IndependentBlocksReadFullPrecisionActivationsAndMayAllBeQuantizedAtOnce) {
  RunSpec spec = GptqSpec();
  spec.recipe.handoff = "independent";
  const PlannedGraph graph(spec);
  EXPECT_EQ(graph.StatesBehind(graph.OfKind(TaskKind::kGptqBlock)[2], "activations"), States({"fp", "fp"}));
}

TEST(GptqGraphTest, ItsChainIsThatOfATrainingOnTheSameWindows) {
  RunSpec independent = GptqSpec();
  independent.recipe.handoff = "independent";
  const PlannedGraph trained(BlockApSpec(kGptqBlocks)), quantized(independent);
  for (const TaskKind kind : {TaskKind::kTokenize, TaskKind::kEmbed, TaskKind::kAdvance}) {
    for (const Digest& key : quantized.Keys(kind)) EXPECT_TRUE(trained.Keys(kind).contains(key)) << TaskKindName(kind);
  }
}

TEST(GptqGraphTest, RunsThatDifferOnlyInALaterBlockShareTheBlocksBeforeIt) {
  RunSpec mixed = GptqSpec();
  mixed.recipe.block_bits = "1:4";
  const std::vector<PlannedTask> one = PlannedGraph(GptqSpec()).OfKind(TaskKind::kGptqBlock);
  const std::vector<PlannedTask> other = PlannedGraph(mixed).OfKind(TaskKind::kGptqBlock);
  EXPECT_EQ(one[0].key, other[0].key);
  EXPECT_NE(one[1].key, other[1].key);
  EXPECT_NE(one[2].key, other[2].key) << "it reads other activations";
}

TEST(GptqGraphTest, PreparedBlocksHaveTheirScalesWorkedIn) {
  for (RunSpec spec : {GptqSpec(), FromGptq()}) {
    spec.recipe.prepare = "awq";
    for (const PlannedTask& task : PlannedGraph(spec).OfKind(TaskKind::kGptqBlock)) {
      EXPECT_TRUE(task.def.inputs.contains(absl::StrCat("scales.", task.block))) << task.title;
    }
    for (const PlannedTask& task : PlannedGraph(spec).OfKind(TaskKind::kTrainBlock)) {
      EXPECT_FALSE(task.def.inputs.contains(absl::StrCat("scales.", task.block))) << "it has them already";
    }
  }
}

TEST(GptqInitTest, ATrainingStartsFromWhatGptqMakesOfItsBlockOnTheSameActivations) {
  const PlannedGraph graph(FromGptq());
  ASSERT_EQ(graph.OfKind(TaskKind::kGptqBlock).size(), 3u);
  for (const PlannedTask& training : graph.OfKind(TaskKind::kTrainBlock)) {
    const PlannedTask& start = graph.Producer(training, "start");
    EXPECT_EQ(start.title, absl::StrCat("initialize block ", training.block, " by GPTQ"));
    EXPECT_EQ(graph.Producer(training, "latent").key, start.key);
    EXPECT_EQ(start.def.inputs.at("activations"), training.def.inputs.at("inputs"));
    EXPECT_TRUE(GptqBlockParams::FromJson(start.def.params)->keep_latent);
    EXPECT_EQ(start.purpose, TaskPurpose::kStep) << "not what the run is judged by";
    EXPECT_EQ(start.needs_blocks, training.needs_blocks);
  }
  EXPECT_EQ(graph.StatesBehind(graph.OfKind(TaskKind::kTrainBlock)[2], "inputs"),
            States({"train block 0", "train block 1"}));
}

TEST(GptqInitTest, AUnitsBlocksAreQuantizedOneAfterTheOther) {
  RunSpec spec = FromGptq();
  spec.recipe.block_grouping = "3";
  const PlannedGraph graph(spec);
  const PlannedTask training = graph.OfKind(TaskKind::kTrainBlock).at(0);
  const PlannedTask& last = graph.Producer(training, "start.2");
  EXPECT_EQ(graph.Producer(training, "latent.2").key, last.key);
  EXPECT_EQ(std::get<TaskOutputRef>(training.def.inputs.at("latent.2")).output, "latent");
  EXPECT_EQ(graph.StatesBehind(last, "activations"),
            States({"initialize block 0 by GPTQ", "initialize block 1 by GPTQ"}));
}

TEST(GptqInitTest, TrainingsOfOtherRatesShareTheirStartAndARelaysSecondPassGoesOnFromTheFirst) {
  RunSpec faster = FromGptq();
  faster.recipe.quant_lr = 1e-3;
  faster.recipe.handoff = "independent";
  RunSpec relay = FromGptq();
  relay.recipe.handoff = "relay";
  const PlannedGraph graph(relay);
  EXPECT_EQ(graph.Keys(TaskKind::kGptqBlock), PlannedGraph(faster).Keys(TaskKind::kGptqBlock));
  EXPECT_EQ(graph.OfKind(TaskKind::kTrainBlock).size(), 6u);
  for (const PlannedTask& training : graph.OfKind(TaskKind::kTrainBlock)) {
    const bool second = training.title.starts_with("train on ");
    EXPECT_EQ(graph.Producer(training, "start").def.kind, second ? TaskKind::kTrainBlock : TaskKind::kGptqBlock);
  }
}

TEST(GptqInitTest, TheDefaultIsTheRangeAndLeavesEveryTaskAsItIs) {
  RunSpec given = BlockApSpec(kGptqBlocks);
  given.recipe.init = "minmax";
  given.recipe.damp_percent = 0.5;
  given.recipe.desc_act = true;
  const PlannedGraph one(given), other(BlockApSpec(kGptqBlocks));
  ASSERT_EQ(one.tasks().size(), other.tasks().size());
  for (size_t i = 0; i < one.tasks().size(); ++i) EXPECT_EQ(one.tasks()[i].key, other.tasks()[i].key);
}

TEST(GptqRecipeTest, WhatMakesNoSenseIsRefusedInOneLine) {
  const auto refused = [](const RunSpec& spec) { return std::string(ResolveSpec(spec).status().message()); };
  RunSpec relay = GptqSpec();
  relay.recipe.handoff = "relay";
  EXPECT_EQ(refused(relay),
            "recipe: handoff relay goes on with a training, and method gptq has none: use sequential or independent");
  RunSpec rounded = FromGptq();
  rounded.recipe.method = "rtn";
  EXPECT_EQ(refused(rounded),
            "recipe: init gptq is where a training starts from, but method 'rtn' trains nothing: use init minmax");
  RunSpec undamped = GptqSpec();
  undamped.recipe.damp_percent = 0;
  EXPECT_EQ(refused(undamped), "recipe: damp_percent is 0, must be a number between 1e-06 and 1");
  RunSpec alone = GptqSpec();
  alone.calibration.reset();
  EXPECT_EQ(refused(alone),
            "calibration is missing: method gptq rounds a block by what it reads of a calibration text");
  RunSpec misspelt = FromGptq();
  misspelt.recipe.init = "awq";
  EXPECT_THAT(refused(misspelt), HasSubstr("init 'awq' is unknown, must be one of minmax, gptq, signround, omniquant"));
}

TEST(GptqCostTest, ItsWorkIsThatOfAFewForwardPassesAndFarLessThanATraining) {
  const ResolvedSpec resolved = *ResolveSpec(FromGptq());
  const PlannedGraph graph(FromGptq());
  const auto work = [&](TaskKind kind) {
    return TaskWork(graph.OfKind(kind)[0].def, resolved.model.get(), resolved.recipe, 0);
  };
  EXPECT_GT(work(TaskKind::kGptqBlock), 2 * work(TaskKind::kAdvance));
  EXPECT_LT(work(TaskKind::kGptqBlock), work(TaskKind::kTrainBlock));
}

// Whatever is deleted under way: activations and latent weights.
TEST(GptqRunTest, EveryHandoffRunsToItsEndWithoutRoomForActivations) {
  for (const RunSpec& base : {GptqSpec(), FromGptq()}) {
    for (const char* handoff : {"sequential", "independent", "relay"}) {
      if (base.recipe.method.has_value() && std::string_view(handoff) == "relay") continue;
      SchedulerHarness harness(testing::ActivationBudget(0));
      const WorkerId worker = harness.Register("a");
      RunSpec spec = base;
      spec.recipe.handoff = handoff;
      spec.recipe.layer_ordering = "random";
      const RunId run = harness.Submit(spec);
      harness.RunToEnd(worker);
      EXPECT_EQ(harness.run(run).record.state, RunState::kSucceeded) << handoff;
      EXPECT_THAT(testing::CheckIndexes(harness.state()), ::testing::IsEmpty());
    }
  }
}

}  // namespace
}  // namespace lwq::coordinator
