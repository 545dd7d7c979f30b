// SPDX-License-Identifier: Apache-2.0
// Runs with E2E-QP as graphs: the chain of segments, what it reads, and who reads what comes out of it.
#include <map>

#include "common/task/task_params.h"
#include "coordinator/graph/run_graph.h"
#include "coordinator/graph/scale_training_tasks.h"
#include "coordinator/plan/cost/task_costs.h"
#include "coordinator/plan/recipe/scale_training.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/planned_graph.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::BlockApSpec;
using ::testing::HasSubstr;
using testing::OfKind;
using testing::RtnSpec;
using testing::SchedulerHarness;
using testing::TasksOf;

constexpr int kTrainedBlocks = 3;

// 12 steps.
RunSpec EndToEnd(RunSpec spec) {
  spec.calibration = BlockApSpec(1).calibration;
  spec.recipe.e2e_qp = true;
  spec.recipe.train_size = 128;
  spec.recipe.e2e_train_size = 24;
  spec.recipe.e2e_batch_size = 2;
  return spec;
}

Recipe EndToEndRecipe(const RunSpec& spec) {
  const StatusOr<ResolvedSpec> resolved = ResolveSpec(spec);
  LWQ_CHECK(resolved.ok(), resolved.status().ToString());
  return resolved->recipe;
}

TEST(E2eQpGraphTest, StepsAreCutIntoSegmentsThatFollowEachOther) {
  Recipe recipe = EndToEndRecipe(EndToEnd(RtnSpec(kTrainedBlocks)));
  EXPECT_EQ(ScaleTrainingSteps(recipe), 12);
  recipe.e2e_seqlen = 131072 / 10;
  EXPECT_EQ(SegmentSteps(recipe), 5);
  int64_t expected = 0;
  for (int64_t step = 0; step < 12; step += 5) {
    const TrainScalesParams params = SegmentParams(recipe, kTrainedBlocks, step);
    EXPECT_EQ(params.first_step, expected);
    expected += params.steps;
    EXPECT_EQ(params.is_last(), expected == 12);
  }
  EXPECT_EQ(expected, 12);
  recipe.e2e_seqlen = 1 << 30;
  EXPECT_EQ(SegmentSteps(recipe), 1);
}

TEST(E2eQpGraphTest, EverySegmentReadsAllCheckpointsAndTheStateOfTheOneBeforeAndTheLastMakesTheRunsBlocks) {
  for (const RunSpec& spec : {EndToEnd(RtnSpec(kTrainedBlocks)), EndToEnd(BlockApSpec(kTrainedBlocks))}) {
    RunSpec longer = spec;
    longer.recipe.e2e_epochs = 1000;  // several segments
    const std::vector<PlannedTask> graph = TasksOf(longer);
    const bool trains = !OfKind(graph, TaskKind::kTrainBlock).empty();
    const std::vector<PlannedTask> makers = OfKind(graph, trains ? TaskKind::kTrainBlock : TaskKind::kRtnBlock);
    const std::vector<PlannedTask> chain = OfKind(graph, TaskKind::kTrainScales);
    ASSERT_GE(chain.size(), 2u);
    for (size_t i = 0; i < chain.size(); ++i) {
      const TaskDef& def = chain[i].def;
      for (int64_t block = 0; block < kTrainedBlocks; ++block) {
        EXPECT_EQ(def.inputs.at(absl::StrCat("block.", block)),
                  TaskInput(TaskOutputRef{makers[static_cast<size_t>(block)].key, "block"}));
      }
      EXPECT_EQ(def.inputs.contains("state"), i > 0);
      if (i > 0) {
        EXPECT_EQ(def.inputs.at("state"), TaskInput(TaskOutputRef{chain[i - 1].key, "state"}));
      }
      EXPECT_EQ(chain[i].purpose, i + 1 == chain.size() ? TaskPurpose::kCheckpoint : TaskPurpose::kStep);
      EXPECT_EQ(def.numerics_class, "a|b|c|fp32|t1");
    }
    const TaskInput last_of_all(TaskOutputRef{chain.back().key, absl::StrCat("block.", kTrainedBlocks - 1)});
    const std::vector<PlannedTask> exports = OfKind(graph, TaskKind::kExport);
    ASSERT_EQ(exports.size(), 1u);
    EXPECT_EQ(exports[0].def.inputs.at("block.0"), TaskInput(TaskOutputRef{chain.back().key, "block"}));
    EXPECT_EQ(exports[0].def.inputs.at(absl::StrCat("block.", kTrainedBlocks - 1)), last_of_all);
    for (const PlannedTask& task : OfKind(graph, TaskKind::kEvaluatePpl)) {
      const auto block = task.def.inputs.find(absl::StrCat("block.", kTrainedBlocks - 1));
      if (block != task.def.inputs.end()) {
        EXPECT_EQ(block->second, last_of_all);
      }
    }
  }
}

TEST(E2eQpGraphTest, ItChangesNoTaskBeforeItAndTrainsOnTheCalibrationsWindowsUnlessToldOtherwise) {
  RunSpec plain = BlockApSpec(kTrainedBlocks);
  RunSpec spec = plain;
  spec.recipe.e2e_qp = true;
  const std::vector<PlannedTask> without = TasksOf(plain), with = TasksOf(spec);
  const auto keys = [](const std::vector<PlannedTask>& graph, TaskKind kind) {
    std::set<Digest> found;
    for (const PlannedTask& task : OfKind(graph, kind)) found.insert(task.key);
    return found;
  };
  for (const TaskKind kind : {TaskKind::kTokenize, TaskKind::kEmbed, TaskKind::kAdvance, TaskKind::kTrainBlock}) {
    EXPECT_EQ(keys(with, kind), keys(without, kind)) << TaskKindName(kind);
  }
  // Its other fields without it: nothing.
  RunSpec off = plain;
  off.recipe.e2e_lr = 0.5;
  off.recipe.e2e_train_size = 7;
  std::set<Digest> all, all_off;
  for (const PlannedTask& task : without) all.insert(task.key);
  for (const PlannedTask& task : TasksOf(off)) all_off.insert(task.key);
  EXPECT_EQ(all_off, all);
  spec.recipe.e2e_seed = 77;
  EXPECT_EQ(keys(TasksOf(spec), TaskKind::kTokenize).size(), keys(without, TaskKind::kTokenize).size() + 1);
}

TEST(E2eQpGraphTest, TheRateFollowsTheWidthAndTheOthersTheCalibration) {
  RunSpec spec = EndToEnd(RtnSpec(kTrainedBlocks));
  spec.recipe.e2e_train_size.reset();
  spec.recipe.wbits = 2;
  EXPECT_EQ(EndToEndRecipe(spec).e2e_lr, 2e-5);
  spec.recipe.wbits = 3;
  spec.recipe.train_size = 40;
  const Recipe recipe = EndToEndRecipe(spec);
  EXPECT_EQ(recipe.e2e_lr, 1e-5);
  EXPECT_EQ(recipe.e2e_train_size, 40);
  EXPECT_EQ(recipe.e2e_seqlen, recipe.training_seqlen);
  EXPECT_EQ(recipe.e2e_seed, recipe.seed);
  EXPECT_EQ(recipe.e2e_warmup_ratio, 0.03);
  EXPECT_EQ(recipe.e2e_clip_grad, 0.3);
}

TEST(E2eQpGraphTest, ARunThatCannotBeTrainedSoIsRefusedInOneLine) {
  const auto refusal = [](const RunSpec& spec) { return std::string(ResolveSpec(spec).status().message()); };
  RunSpec spec = EndToEnd(RtnSpec(kTrainedBlocks));
  spec.calibration.reset();
  EXPECT_THAT(refusal(spec), HasSubstr("calibration is missing: e2e_qp trains scales on a calibration text"));
  spec = EndToEnd(BlockApSpec(kTrainedBlocks));
  spec.recipe.method = "sensitivity";
  EXPECT_THAT(refusal(spec), HasSubstr("e2e_qp trains the scales of quantized blocks, but method 'sensitivity'"));
  spec = EndToEnd(BlockApSpec(kTrainedBlocks));
  spec.recipe.e2e_epochs = 0;
  EXPECT_THAT(refusal(spec), HasSubstr("make no optimizer step"));
  spec = EndToEnd(BlockApSpec(kTrainedBlocks));
  spec.recipe.e2e_seqlen = 1;
  EXPECT_THAT(refusal(spec), HasSubstr("e2e_seqlen is 1, must be between 2 and"));
  spec.recipe.e2e_seqlen = int64_t{1} << 40;
  EXPECT_THAT(refusal(spec), HasSubstr("e2e_seqlen"));
  spec = EndToEnd(BlockApSpec(kTrainedBlocks));
  spec.recipe.e2e_warmup_ratio = 1.5;
  EXPECT_THAT(refusal(spec), HasSubstr("e2e_warmup_ratio is 1.5, must be a number between 0 and 1"));
}

TEST(E2eQpGraphTest, WorkAndMemoryArePlanned) {
  const RunSpec spec = EndToEnd(BlockApSpec(kTrainedBlocks));
  const StatusOr<ResolvedSpec> resolved = ResolveSpec(spec);
  ASSERT_TRUE(resolved.ok());
  const std::vector<PlannedTask> chain = OfKind(TasksOf(spec), TaskKind::kTrainScales);
  ASSERT_FALSE(chain.empty());
  EXPECT_GT(TaskWork(chain[0].def, resolved->model.get(), resolved->recipe, 0), 0);
  EXPECT_GT(chain[0].memory_bytes, 0);
}

TEST(E2eQpGraphTest, ARunWithItRunsToItsEndAndItsBlocksAreThoseOfTheLastSegment) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("w");
  const RunId run = harness.Submit(EndToEnd(BlockApSpec(kTrainedBlocks)));
  harness.RunToEnd(worker);
  EXPECT_EQ(harness.run(run).record.state, RunState::kSucceeded);
}

}  // namespace
}  // namespace lwq::coordinator
