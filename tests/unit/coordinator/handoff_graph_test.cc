// SPDX-License-Identifier: Apache-2.0
// Handoffs, training orders and units as graphs: what each training reads.
#include <map>
#include <set>

#include "common/task/task_params.h"
#include "coordinator/graph/run_graph.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/planned_graph.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::BlockApSpec;
using testing::PlannedGraph;

constexpr int kBlocks = 4;

using States = std::vector<std::string>;

TEST(HandoffGraphTest, TargetsAreAlwaysFullPrecision) {
  for (const char* handoff : {"sequential", "independent", "relay"}) {
    RunSpec spec = BlockApSpec(kBlocks);
    spec.recipe.handoff = handoff;
    const PlannedGraph graph(spec);
    for (const PlannedTask& task : graph.tasks()) {
      if (task.def.kind != TaskKind::kTrainBlock) continue;
      EXPECT_EQ(graph.StatesBehind(task, "targets"), States(static_cast<size_t>(task.block) + 1, "fp")) << task.title;
    }
  }
}

TEST(HandoffGraphTest, IndependentTrainsEveryBlockOnFullPrecisionInput) {
  RunSpec spec = BlockApSpec(kBlocks);
  spec.recipe.handoff = "independent";
  const PlannedGraph graph(spec);
  EXPECT_EQ(graph.StatesBehind(graph.Titled("train block 3"), "inputs"), States({"fp", "fp", "fp"}));
  for (const PlannedTask& task : graph.tasks()) {
    EXPECT_FALSE(task.def.kind == TaskKind::kAdvance && task.def.inputs.contains("block")) << task.title;
  }
}

TEST(HandoffGraphTest, RelayTrainsAllBlocksAtOnceAndThenGoesOnInOrderFromThoseParameters) {
  RunSpec spec = BlockApSpec(kBlocks);
  spec.recipe.handoff = "relay";
  spec.recipe.relay_epochs = 0.25;
  const PlannedGraph graph(spec);
  const PlannedTask& second = graph.Titled("train on block 2");
  EXPECT_EQ(graph.StatesBehind(second, "inputs"), States({"train on block 0", "train on block 1"}));
  EXPECT_EQ(&graph.Producer(second, "start"), &graph.Titled("train block 2"));
  EXPECT_EQ(&graph.Producer(second, "latent"), &graph.Titled("train block 2"));
  EXPECT_EQ(TrainBlockParams::FromJson(second.def.params)->epochs, 0.25);
  EXPECT_TRUE(TrainBlockParams::FromJson(graph.Titled("train block 2").def.params)->keep_latent);
  EXPECT_EQ(second.purpose, TaskPurpose::kCheckpoint);
  EXPECT_EQ(graph.Titled("train block 2").purpose, TaskPurpose::kStep);
  EXPECT_EQ(&graph.Producer(graph.Titled("export gptq_v2"), "block.2"), &second);
}

TEST(HandoffGraphTest, InAnyOrderABlockReadsTheModelAsItIsThen) {
  RunSpec spec = BlockApSpec(kBlocks);
  spec.recipe.layer_ordering = "sensitivity";
  spec.sensitivity_scores = {1, 4, 2, 3};  // trained 1, 3, 2, 0
  const PlannedGraph graph(spec);
  EXPECT_EQ(graph.StatesBehind(graph.Titled("train block 1"), "inputs"), States({"fp"}));
  EXPECT_EQ(graph.StatesBehind(graph.Titled("train block 3"), "inputs"), States({"fp", "train block 1", "fp"}));
  EXPECT_EQ(graph.StatesBehind(graph.Titled("train block 2"), "inputs"), States({"fp", "train block 1"}));
  EXPECT_EQ(graph.StatesBehind(graph.Titled("train block 0"), "inputs"), States());
}

TEST(HandoffGraphTest, AnOrderThatHappensToBeTheOriginalOneIsTheSameWork) {
  RunSpec spec = BlockApSpec(kBlocks);
  const std::set<Digest> original = PlannedGraph(spec).Keys();
  spec.recipe.layer_ordering = "sensitivity";
  spec.sensitivity_scores = {4, 3, 2, 1};
  EXPECT_EQ(PlannedGraph(spec).Keys(), original);
}

TEST(HandoffGraphTest, OrdersThatBeginAlikeShareWhatTheyBeginWith) {
  RunSpec spec = BlockApSpec(kBlocks);
  spec.recipe.layer_ordering = "sensitivity";
  spec.sensitivity_scores = {4, 3, 2, 1};
  const PlannedGraph one(spec);
  spec.sensitivity_scores = {4, 3, 1, 2};
  const PlannedGraph other(spec);
  const std::set<Digest> keys = one.Keys();
  EXPECT_TRUE(keys.contains(other.Titled("train block 0").key));
  EXPECT_TRUE(keys.contains(other.Titled("train block 1").key));
  EXPECT_FALSE(keys.contains(other.Titled("train block 3").key));
}

TEST(HandoffGraphTest, AUnitIsOneTrainingAgainstTheOutputOfItsLastBlock) {
  RunSpec spec = BlockApSpec(kBlocks);
  spec.recipe.block_grouping = "3";
  const PlannedGraph graph(spec);
  const PlannedTask& first = graph.Titled("train blocks 0-2");
  const PlannedTask& rest = graph.Titled("train block 3");
  EXPECT_EQ(TrainBlockParams::FromJson(first.def.params)->rest.size(), 2u);
  EXPECT_EQ(graph.StatesBehind(first, "targets").size(), 3u);
  EXPECT_EQ(graph.StatesBehind(rest, "inputs"), States(3, "train blocks 0-2"));
  const PlannedTask& advanced = graph.Producer(rest, "inputs");
  EXPECT_EQ(std::get<TaskOutputRef>(advanced.def.inputs.at("block")).output, "block.2");
  EXPECT_GT(first.memory_bytes, rest.memory_bytes) << "a unit is held whole";
}

TEST(HandoffGraphTest, ARelayOfUnitsGoesOnFromEveryBlockOfIt) {
  RunSpec spec = BlockApSpec(kBlocks);
  spec.recipe.block_grouping = "2";
  spec.recipe.handoff = "relay";
  const PlannedGraph graph(spec);
  const PlannedTask& second = graph.Titled("train on blocks 2-3");
  const Digest& first_pass = graph.Titled("train blocks 2-3").key;
  EXPECT_EQ(second.def.inputs.at("start.1"), TaskInput(TaskOutputRef{first_pass, "block.1"}));
  EXPECT_EQ(second.def.inputs.at("latent.1"), TaskInput(TaskOutputRef{first_pass, "latent.1"}));
  EXPECT_EQ(second.def.inputs.at("start"), TaskInput(TaskOutputRef{first_pass, "block"}));
}

TEST(HandoffGraphTest, ABlockWhoseRatesAPolicyTakesToZeroIsRoundedToNearest) {
  RunSpec spec = BlockApSpec(kBlocks);
  spec.recipe.adaptive_lr_scaling = true;
  spec.recipe.adaptive_lr_normalization = "minmax";
  spec.sensitivity_scores = {4, 3, 1, 2};
  for (const char* handoff : {"sequential", "relay"}) {
    spec.recipe.handoff = handoff;
    const PlannedGraph graph(spec);
    for (const PlannedTask& task : graph.tasks()) {
      if (task.def.kind != TaskKind::kTrainBlock) continue;
      EXPECT_EQ(TrainBlockParams::FromJson(task.def.params)->epochs == 0, task.block == 2) << task.title;
    }
  }
}

TEST(HandoffGraphTest, TheFullPrecisionChainDependsOnNoRecipe) {
  RunSpec spec = BlockApSpec(kBlocks);
  const PlannedGraph sequential(spec);
  spec.recipe.handoff = "relay";
  spec.recipe.wbits = 4;
  spec.recipe.block_grouping = "2";
  spec.recipe.epochs = 7;
  const std::set<Digest> keys = PlannedGraph(spec).Keys();
  for (const PlannedTask& task : sequential.tasks()) {
    EXPECT_TRUE(!task.title.starts_with("advance full-precision") || keys.contains(task.key)) << task.title;
  }
}

TEST(HandoffGraphTest, ReorderingIsRefusedWhereNoModelIsPartlyQuantized) {
  for (const char* handoff : {"independent", "relay"}) {
    RunSpec spec = BlockApSpec(kBlocks);
    spec.recipe.handoff = handoff;
    spec.recipe.layer_ordering = "sensitivity";
    spec.recipe.reorder_every = 1;
    const Status refused = ResolveSpec(spec).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(refused.message()), ::testing::HasSubstr("reorder_every"));
  }
}

}  // namespace
}  // namespace lwq::coordinator
