// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/plan.h"

#include "coordinator/plan/cost/memory.h"
#include "coordinator/plan/cost/storage.h"
#include "coordinator/plan/cost/task_costs.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TinyConfig;

Recipe RecipeOf(const LlamaConfig& model, int bits, int64_t group_size, const std::string& format) {
  PartialRecipe partial;
  partial.wbits = bits;
  partial.group_size = group_size;
  partial.export_format = format;
  StatusOr<Recipe> recipe = ResolveRecipe(partial, &model);
  LWQ_CHECK(recipe.ok(), recipe.status().ToString());
  return *recipe;
}

// Counted by hand: K = 64 inputs, N = 32 outputs.
TEST(StorageOfTest, GptqV2CountsCodesZeroPointsScalesAndPaddingToTheByte) {
  const LinearShape shape{.out_features = 32, .in_features = 64};
  // 2 bits, groups of 32: codes 64·2/32 = 4 words × 32; zero points 2 groups × 32·2/32 = 2 words; scales 2 × 32 halves.
  EXPECT_EQ(StorageOf(ExportFormat::kGptqV2, shape, 2, 32).stored_bytes, (4 * 32 + 2 * 2) * 4 + 2 * 32 * 2);
  // 3 bits, the whole row: codes 6 words × 32; zero points 3 words; scales 32 halves.
  EXPECT_EQ(StorageOf(ExportFormat::kGptqV2, shape, 3, -1).stored_bytes, (6 * 32 + 3) * 4 + 32 * 2);
  EXPECT_EQ(StorageOf(ExportFormat::kGptqV2, shape, 8, 64).stored_bytes, (16 * 32 + 8) * 4 + 32 * 2);
  EXPECT_EQ(StorageOf(ExportFormat::kGptqV2, shape, 2, 32).index_bytes, 64 * 4);
}

TEST(StorageOfTest, PaddingOfOddShapesIsCounted) {
  // 10 inputs at 3 bits are 30 bits: one word; 5 outputs at 3 bits are 15 bits: one word.
  const LinearShape shape{.out_features = 5, .in_features = 10};
  EXPECT_EQ(StorageOf(ExportFormat::kGptqV2, shape, 3, -1).stored_bytes, (1 * 5 + 1 * 1) * 4 + 5 * 2);
  // 11 inputs are 33 bits: two words.
  EXPECT_EQ(StorageOf(ExportFormat::kGptqV2, {.out_features = 5, .in_features = 11}, 3, -1).stored_bytes,
            (2 * 5 + 1) * 4 + 5 * 2);
}

TEST(StorageOfTest, FakeQuantIsSixteenBitsWhateverTheWidth) {
  EXPECT_EQ(StorageOf(ExportFormat::kFakeQuant, {.out_features = 32, .in_features = 64}, 5, 32).stored_bytes,
            32 * 64 * 2);
}

TEST(StorageOfTest, GgufCountsWholeBlocksOfTheTypeOfTheWidth) {
  const LinearShape shape{.out_features = 32, .in_features = 128};
  EXPECT_EQ(StorageOf(ExportFormat::kGguf, shape, 2, 64, ZeroPoints::kMiddle).stored_bytes, 32 * 2 * 18);
  EXPECT_EQ(StorageOf(ExportFormat::kGguf, shape, 2, 64).stored_bytes, 32 * 4 * 18);
  EXPECT_EQ(StorageOf(ExportFormat::kGguf, shape, 4, 64).stored_bytes, 32 * 4 * 22);
  EXPECT_EQ(StorageOf(ExportFormat::kGgufQ41, shape, 4, 64).stored_bytes, 32 * 4 * 20);
  EXPECT_EQ(StorageOf(ExportFormat::kGguf, shape, 2, 64).index_bytes, 0);
}

TEST(MakePlanTest, MiddleZeroPointsAreTwoAndAQuarterBitsInAGgufFile) {
  const LlamaConfig model = TinyConfig(3);
  Recipe recipe = RecipeOf(model, 2, 64, "gguf");
  EXPECT_EQ(MakePlan(recipe, &model)->stored_bits_per_weight, 4.5);
  recipe.middle_zero_points = true;
  EXPECT_EQ(MakePlan(recipe, &model)->stored_bits_per_weight, 2.25);
}

TEST(MakePlanTest, EveryBlockIsPlannedAndTotalsAreTheSums) {
  const LlamaConfig model = TinyConfig(3);
  const Recipe recipe = RecipeOf(model, 2, 32, "gptq_v2");
  const Plan plan = *MakePlan(recipe, &model);
  ASSERT_EQ(plan.blocks.size(), 3u);
  int64_t bytes = 0;
  for (const LinearKind kind : kAllLinears) {
    bytes += StorageOf(ExportFormat::kGptqV2, ShapeOf(model, kind), 2, 32).stored_bytes;
  }
  EXPECT_EQ(plan.quantized_bytes, 3 * bytes);
  EXPECT_DOUBLE_EQ(plan.stored_bits_per_weight,
                   8.0 * static_cast<double>(bytes) / static_cast<double>(BlockLinearParameters(model)));
  EXPECT_GT(plan.stored_bits_per_weight, 2.5) << "2 bits + 16/32 of scales, and zero points on top";
  EXPECT_EQ(plan.average_bits, 2);
  for (size_t i = 0; i < plan.blocks.size(); ++i) {
    EXPECT_EQ(plan.blocks[i].layer_idx, static_cast<int64_t>(i));
    EXPECT_EQ(plan.blocks[i].position, static_cast<int64_t>(i));
    EXPECT_EQ(plan.blocks[i].steps, 128);
    EXPECT_DOUBLE_EQ(plan.blocks[i].stored_bits_per_weight, plan.stored_bits_per_weight);
  }
  // Embedding, head, norms in fp16, and g_idx: 6 linears of 64 inputs and one of 128 per block.
  EXPECT_EQ(plan.export_bytes, 3 * bytes + 3 * (6 * 64 + 128) * 4 + UnquantizedBytes(model));
  EXPECT_EQ(UnquantizedBytes(model), (2 * 256 * 64 + 64 + 3 * 2 * 64) * 2);
}

TEST(MakePlanTest, FakeQuantStoresSixteenBits) {
  const LlamaConfig model = TinyConfig(1);
  EXPECT_DOUBLE_EQ((*MakePlan(RecipeOf(model, 3, 32, "fake_quant"), &model)).stored_bits_per_weight, 16);
}

TEST(MakePlanTest, MethodsThatQuantizeNothingHaveNoBlocks) {
  const LlamaConfig model = TinyConfig(2);
  PartialRecipe partial;
  partial.group_size = 32;
  partial.method = "none";
  const Recipe none = *ResolveRecipe(partial, &model);
  EXPECT_TRUE((*MakePlan(none, &model)).blocks.empty());
  EXPECT_EQ((*MakePlan(none, &model)).export_bytes, 0);
  partial.method = "noop";
  EXPECT_TRUE((*MakePlan(*ResolveRecipe(partial, nullptr), nullptr)).blocks.empty());
}

TEST(MakePlanTest, RoundToNearestTakesNoSteps) {
  const LlamaConfig model = TinyConfig(2);
  PartialRecipe partial;
  partial.group_size = 32;
  partial.method = "rtn";
  const Plan plan = *MakePlan(*ResolveRecipe(partial, &model), &model);
  EXPECT_EQ(plan.blocks[0].steps, 0);
  EXPECT_EQ(plan.blocks[0].quant_lr, 0);
}

TEST(MakePlanTest, PeakMemoryIsThatOfTheLargestTaskWithThoseThatMeasure) {
  const LlamaConfig model = TinyConfig(2);
  PartialRecipe partial;
  partial.group_size = 32;
  partial.eval_ppl = false;
  const Recipe trains = *ResolveRecipe(partial, &model);
  EXPECT_EQ((*MakePlan(trains, &model)).peak_memory_bytes, TaskMemoryBytes(TaskKind::kTrainBlock, model, trains));
  partial.method = "sensitivity";
  partial.sensitivity_metric = "hessian";
  const Recipe measures = *ResolveRecipe(partial, &model);
  EXPECT_EQ((*MakePlan(measures, &model)).peak_memory_bytes, TaskMemoryBytes(TaskKind::kHessian, model, measures));
}

TEST(MakePlanTest, RemarksAreHonestAboutServingStacks) {
  const LlamaConfig model = TinyConfig(2);
  const Plan three = *MakePlan(RecipeOf(model, 3, 32, "gptq_v2"), &model);
  EXPECT_THAT(three.remarks, Contains(HasSubstr("Triton kernels hold 2, 4 and 8 bits, not 3")));
  EXPECT_THAT(three.remarks,
              Contains(HasSubstr("vLLM 0.32.0 refuses 3 bits in gptq_v2: Unsupported quantization config")));
  EXPECT_THAT((*MakePlan(RecipeOf(model, 4, 16, "gptq_v2"), &model)).remarks,
              Contains(HasSubstr("group_size 16 is outside")));
  EXPECT_THAT((*MakePlan(RecipeOf(model, 4, 32, "fake_quant"), &model)).remarks,
              Contains(HasSubstr("saves no memory")));
  EXPECT_THAT(three.remarks, Each(Not(HasSubstr("\n"))));
}

TEST(TaskMemoryTest, TrainingIsSevenCopiesActivationsOfOneMicroBatchAndFourChunksAndLessWhereTheyAreRecomputed) {
  const LlamaConfig model = TinyConfig(2);
  Recipe recipe = RecipeOf(model, 2, 32, "gptq_v2");
  recipe.batch_size = 4;
  recipe.gradient_accumulation_steps = 2;
  const int64_t rest = 7 * 4 * BlockParameters(model) + 4 * (8 << 20);
  EXPECT_EQ(TrainMemoryBytes(model, recipe, 1), rest + ActivationBytes(model, 2, recipe.training_seqlen));
  const int64_t least = TaskMemoryBytes(TaskKind::kTrainBlock, model, recipe);
  EXPECT_EQ(least, LeastTrainMemoryBytes(model, recipe, 1));
  EXPECT_GT(least, rest);
  EXPECT_LT(least, TrainMemoryBytes(model, recipe, 1));
  // Of another block of a unit only two streams are kept, where else it is all that backward needs.
  const int64_t stream = 4 * 2 * recipe.training_seqlen * model.hidden_size;
  EXPECT_EQ(LeastTrainMemoryBytes(model, recipe, 2), least + 7 * 4 * BlockParameters(model) + 2 * stream);
  EXPECT_EQ(ActivationBytes(model, 2, 32), 2 * ActivationBytes(model, 1, 32));
}

TEST(TaskMemoryTest, AUnitTakesTheParametersOfItsBlocksAndWhatBackwardNeedsOfAllButOne) {
  const LlamaConfig model = TinyConfig(4);
  Recipe recipe = RecipeOf(model, 2, 32, "gptq_v2");
  recipe.batch_size = 4;
  recipe.gradient_accumulation_steps = 2;
  const int64_t one = TrainMemoryBytes(model, recipe, 1);
  const int64_t further = 7 * 4 * BlockParameters(model) + KeptActivationBytes(model, 2, recipe.training_seqlen);
  EXPECT_EQ(TrainMemoryBytes(model, recipe, 2), one + further);
  EXPECT_EQ(TrainMemoryBytes(model, recipe, 4), one + 3 * further);
  for (const int64_t seqlen : {16, 256, 4096}) {
    EXPECT_LT(KeptActivationBytes(model, 2, seqlen), ActivationBytes(model, 2, seqlen)) << seqlen;
  }
}

TEST(TaskMemoryTest, NeedsGrowWithTheModelAndTheLargestTaskDecides) {
  const LlamaConfig small = TinyConfig(2);
  LlamaConfig large = small;
  large.hidden_size = 4096;
  large.intermediate_size = 11008;
  large.num_attention_heads = large.num_key_value_heads = 32;
  large.head_dim = 128;
  large.vocab_size = 32000;
  const Recipe recipe = RecipeOf(small, 2, 32, "gptq_v2");
  for (const TaskKind kind : {TaskKind::kEmbed, TaskKind::kAdvance, TaskKind::kTrainBlock, TaskKind::kRtnBlock,
                              TaskKind::kEvaluatePpl, TaskKind::kExport}) {
    EXPECT_GT(TaskMemoryBytes(kind, large, recipe), TaskMemoryBytes(kind, small, recipe)) << TaskKindName(kind);
  }
  EXPECT_EQ((*MakePlan(recipe, &large)).peak_memory_bytes, TaskMemoryBytes(TaskKind::kTrainBlock, large, recipe));
}

}  // namespace
}  // namespace lwq::coordinator
