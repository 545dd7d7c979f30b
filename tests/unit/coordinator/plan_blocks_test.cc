// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/plan_blocks.h"

#include <cmath>

#include "coordinator/plan/cost/storage.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/policies.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using Vector = std::vector<double>;

const LinearShape kLinear{.out_features = 32, .in_features = 256};

PolicyInputs InputsOf(const Vector& scores) {
  PolicyInputs inputs;
  inputs.block_shapes.assign(scores.size(), {kLinear});
  inputs.scores = scores;
  return inputs;
}

// Losses fall fourfold per bit and rise with the group.
ScoreTable TableOf(const Vector& scores, const std::vector<int>& widths, const std::vector<int64_t>& groups) {
  ScoreTable table;
  for (const int bits : widths) {
    for (const int64_t group : groups) table.choices.push_back({bits, group});
  }
  for (const double score : scores) {
    Vector row;
    for (const QuantChoice& choice : table.choices) {
      const double coarseness = choice.group_size == -1 ? 8 : std::log2(static_cast<double>(choice.group_size));
      row.push_back(score * std::pow(4, -choice.bits) * coarseness);
    }
    table.loss.push_back(row);
  }
  return table;
}

StatusOr<PolicyPlan> PlanOf(const PartialRecipe& options, const PolicyInputs& inputs) {
  LWQ_ASSIGN_OR_RETURN(const Recipe policies, testing::PoliciesOf(options));
  return PlanBlocks(policies, inputs);
}

PolicyPlan Planned(const PartialRecipe& options, const PolicyInputs& inputs) {
  StatusOr<PolicyPlan> plan = PlanOf(options, inputs);
  LWQ_CHECK(plan.ok(), plan.status().ToString());
  return *std::move(plan);
}

std::string Refused(const PartialRecipe& options, const PolicyInputs& inputs,
                    absl::StatusCode code = absl::StatusCode::kInvalidArgument) {
  const Status status = PlanOf(options, inputs).status();
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_EQ(MessageOf(status).find('\n'), std::string_view::npos);
  return std::string(MessageOf(status));
}

std::vector<int> BitsOf(const PolicyPlan& plan) {
  std::vector<int> bits;
  for (const BlockPlan& block : plan.blocks) bits.push_back(block.bit_width);
  return bits;
}

TEST(PlanBlocksTest, WithoutPoliciesEveryBlockGetsTheRecipesValuesAndNoScoresAreNeeded) {
  PolicyInputs inputs = InputsOf({1, 2, 3});
  inputs.scores.clear();
  const PolicyPlan plan = Planned({.wbits = 3, .group_size = 64, .epochs = 2.5, .early_stop = 3}, inputs);
  EXPECT_THAT(plan.blocks, Each(AllOf(Field(&BlockPlan::bit_width, 3), Field(&BlockPlan::group_size, 64),
                                      Field(&BlockPlan::epochs, 2.5), Field(&BlockPlan::patience, 3))));
  EXPECT_THAT(plan.order, ElementsAre(0, 1, 2));
  EXPECT_EQ(plan.average_bits, 3);
  EXPECT_EQ(plan.stored_bits, 3 * 8 * StorageOf(ExportFormat::kNone, kLinear, 3, 64).stored_bytes);
}

TEST(PlanBlocksTest, PoliciesActOneAfterTheOther) {
  const PolicyPlan plan = Planned({.epochs = 4,
                                   .quant_lr = 1e-4,
                                   .zp_lr = 3e-4,
                                   .weight_lr = 2e-5,
                                   .adaptive_epochs = true,
                                   .adaptive_lr_scaling = true,
                                   .adaptive_lr_normalization = "max",
                                   .use_adaptive_training = true,
                                   .use_mixed_precision = true,
                                   .target_avg_bits = 5,
                                   .mpq_strategy = "aggressive"},
                                  InputsOf({1, 4}));
  EXPECT_THAT(BitsOf(plan), ElementsAre(2, 8));
  const BlockPlan& most = plan.blocks[1];
  EXPECT_DOUBLE_EQ(most.epochs, 4 * 1.25 * 2 * 1.3);
  EXPECT_DOUBLE_EQ(most.quant_lr, 1e-4 / 1.5 * 1.2);
  EXPECT_DOUBLE_EQ(most.zp_lr, 3e-4 / 1.5 * 1.2);
  EXPECT_DOUBLE_EQ(most.weight_lr, 2e-5 / 1.5 * 1.2);
  EXPECT_DOUBLE_EQ(most.patience, 2 + 3 + 2);
  const BlockPlan& least = plan.blocks[0];
  EXPECT_DOUBLE_EQ(least.epochs, 4);
  EXPECT_DOUBLE_EQ(least.quant_lr, 1e-4 * 0.25);
  EXPECT_DOUBLE_EQ(least.patience, 2);
}

TEST(PlanBlocksTest, AUnitSharesItsTrainingAndItsPositionAndJointTakesItsMeanBits) {
  const PolicyPlan plan = Planned({.epochs = 2,
                                   .layer_ordering = "sensitivity",
                                   .block_grouping = "2",
                                   .use_adaptive_training = true,
                                   .use_mixed_precision = true,
                                   .target_avg_bits = 3.5,
                                   .mpq_strategy = "aggressive",
                                   .keep_budget = false},
                                  InputsOf({1, 1, 2, 10}));
  EXPECT_THAT(BitsOf(plan), ElementsAre(2, 2, 2, 8));
  EXPECT_THAT(plan.units, ElementsAre(TrainingUnit{0, 2, 1}, TrainingUnit{2, 2, 6}));
  EXPECT_THAT(plan.order, ElementsAre(1, 0));
  EXPECT_EQ(plan.blocks[2].position, 0);
  EXPECT_EQ(plan.blocks[3].position, 0);
  EXPECT_DOUBLE_EQ(plan.blocks[2].epochs, 2 * 2 * (1 + 0.3 * 3 / 6));
  EXPECT_DOUBLE_EQ(plan.blocks[3].epochs, plan.blocks[2].epochs);
  EXPECT_DOUBLE_EQ(plan.blocks[2].patience, 7);
  EXPECT_DOUBLE_EQ(plan.blocks[0].epochs, 2);
}

TEST(PlanBlocksTest, DynamicReorderingChangesTheOrderOfWhatRemainsAndNothingElse) {
  PartialRecipe options{.layer_ordering = "sensitivity", .reorder_every = 2, .use_adaptive_training = true};
  PolicyInputs inputs = InputsOf({5, 4, 3, 2, 1, 0});
  const PolicyPlan before = Planned(options, inputs);
  EXPECT_THAT(before.order, ElementsAre(0, 1, 2, 3, 4, 5));
  inputs.reordered_scores = {{NAN, NAN, 1, 2, 3, 4}};
  EXPECT_THAT(Planned(options, inputs).order, ElementsAre(0, 1, 5, 4, 3, 2));
  inputs.reordered_scores.push_back({NAN, NAN, 9, 8, NAN, NAN});
  const PolicyPlan after = Planned(options, inputs);
  EXPECT_THAT(after.order, ElementsAre(0, 1, 5, 4, 2, 3));
  for (size_t i = 0; i < after.blocks.size(); ++i) EXPECT_EQ(after.blocks[i].epochs, before.blocks[i].epochs);

  inputs.reordered_scores.push_back(Vector(6, 1));
  EXPECT_THAT(Refused(options, inputs), HasSubstr("3 measurements of reorder_every; the order has use for 2"));
  options.layer_ordering = "random";
  EXPECT_THAT(Refused(options, inputs), HasSubstr("needs layer_ordering sensitivity, not random"));
}

TEST(PlanBlocksTest, AblationsDecideMixedPrecisionSgraAndTheSizeOnly) {
  PartialRecipe options{.use_adaptive_training = true,
                        .use_mixed_precision = true,
                        .mpq_strategy = "aggressive",
                        .target_size_mb = 0.0105};
  const auto resolved = [&](Ablation ablation) {
    options.ablation = ablation;
    StatusOr<Recipe> result = testing::PoliciesOf(options);
    LWQ_CHECK(result.ok(), result.status().ToString());
    return *std::move(result);
  };
  const Recipe baseline = resolved(Ablation::kBaseline);
  EXPECT_FALSE(baseline.use_mixed_precision || baseline.use_adaptive_training || baseline.target_size_mb > 0);
  const Recipe mpq = resolved(Ablation::kMpqOnly);
  EXPECT_TRUE(mpq.use_mixed_precision && !mpq.use_adaptive_training && mpq.mpq_strategy == MpqStrategy::kAggressive);
  const Recipe sgra = resolved(Ablation::kSgraOnly);
  EXPECT_TRUE(!sgra.use_mixed_precision && sgra.use_adaptive_training);
  const Recipe qbo = resolved(Ablation::kQboOnly);
  EXPECT_TRUE(qbo.use_mixed_precision && !qbo.use_adaptive_training && qbo.mpq_strategy == MpqStrategy::kOptimal);
  const Recipe all = resolved(Ablation::kAll);
  EXPECT_TRUE(all.use_mixed_precision && all.use_adaptive_training && all.mpq_strategy == MpqStrategy::kOptimal);
  options.target_size_mb.reset();
  EXPECT_EQ(resolved(Ablation::kAll).mpq_strategy, MpqStrategy::kAggressive);
  EXPECT_THAT(Refused({.ablation = "qbo_only"}, InputsOf({1, 2})), HasSubstr("qbo_only needs target_size_mb"));
}

TEST(PlanBlocksTest, OptimalTakesWhatFitsTheFormatAndPrintsItsCertificate) {
  const Vector scores = {8, 1, 1, 2};
  PolicyInputs inputs = InputsOf({});
  inputs.block_shapes.assign(4, {kLinear});
  inputs.table = TableOf(scores, {2, 3, 4, 5, 6, 8}, {-1, 48, 64, 128});
  const PartialRecipe options{
      .use_mixed_precision = true, .target_avg_bits = 3.5, .mpq_strategy = "optimal", .export_format = "gptq_v2"};
  const PolicyPlan plan = Planned(options, inputs);
  for (const BlockPlan& block : plan.blocks) {
    EXPECT_TRUE(FormatHolds(ExportFormat::kGptqV2, block.bit_width));
    EXPECT_NE(block.group_size, 48) << "does not divide 256";
  }
  EXPECT_LE(plan.stored_bits, 3.5 * 4 * 32 * 256);
  EXPECT_EQ(plan.stored_bits, plan.allocation->certificate.chosen.stored_bits);
  EXPECT_THAT(plan.remarks, ElementsAre(HasSubstr("no plan within them loses less")));
  EXPECT_GT(plan.blocks[0].stored_bits_per_weight, plan.blocks[1].stored_bits_per_weight);
}

TEST(PlanBlocksTest, TheSizeOfTheFileIncludesWhatNoPlanChanges) {
  PolicyInputs inputs = InputsOf({3, 2, 1});
  inputs.table = TableOf(inputs.scores, {2, 3, 4, 8}, {64});
  inputs.other_file_bytes = 5000;
  const int64_t index = 3 * kLinear.in_features * 4;
  const int64_t smallest = 3 * StorageOf(ExportFormat::kGptqV2, kLinear, 2, 64).stored_bytes + index + 5000;
  PartialRecipe options{.use_mixed_precision = true,
                        .mpq_strategy = "optimal",
                        .target_size_mb = static_cast<double>(smallest + 1300) / 1e6,
                        .export_format = "gptq_v2"};
  const PolicyPlan plan = Planned(options, inputs);
  EXPECT_LE(plan.stored_bits / 8 + index + 5000, smallest + 1300);
  EXPECT_THAT(BitsOf(plan), ElementsAre(3, 2, 2));
  options.target_size_mb = static_cast<double>(smallest - 1) / 1e6;
  EXPECT_THAT(Refused(options, inputs, absl::StatusCode::kFailedPrecondition),
              AllOf(HasSubstr("target_size_mb: "), HasSubstr("raise the budget by 8 bits")));
  options.mpq_strategy = "adaptive";
  EXPECT_THAT(Refused(options, inputs), HasSubstr("target_size_mb is a budget of stored bytes"));
}

TEST(PlanBlocksTest, AScalarMetricServesOptimalWithTheErrorsAndThePlanSaysSo) {
  PolicyInputs inputs = InputsOf({8, 1});
  const PartialRecipe options{.use_mixed_precision = true, .target_avg_bits = 4, .mpq_strategy = "optimal"};
  EXPECT_THAT(Refused(options, inputs), HasSubstr("needs a table over bits and group sizes"));
  inputs.squared_error = TableOf({1, 1}, {2, 3, 4, 5}, {64});
  const PolicyPlan plan = Planned(options, inputs);
  EXPECT_THAT(plan.remarks, SizeIs(2));
  EXPECT_THAT(plan.remarks[0], HasSubstr("made from a scalar metric"));
  EXPECT_GT(plan.blocks[0].bit_width, plan.blocks[1].bit_width);
}

TEST(PlanBlocksTest, APolicyOfOneNumberReadsTheTableAtTheRecipesWidthAndGroup) {
  PolicyInputs inputs = InputsOf({});
  inputs.block_shapes.assign(3, {kLinear});
  inputs.table = TableOf({1, 3, 2}, {2, 4}, {64, 128});
  EXPECT_THAT(Planned({.group_size = 64, .layer_ordering = "sensitivity"}, inputs).order, ElementsAre(1, 2, 0));
  EXPECT_THAT(Refused({.wbits = 3, .layer_ordering = "sensitivity"}, inputs, absl::StatusCode::kNotFound),
              HasSubstr("no w3g128"));
}

TEST(PlanBlocksTest, WhatTheFormatOrTheShapesCannotHoldIsRefusedByBlock) {
  PartialRecipe options{.use_mixed_precision = true, .mpq_strategy = "conservative", .export_format = "gptq_v2"};
  options.keep_budget = false;
  EXPECT_EQ(Refused(options, InputsOf({1, 0.5, 0}), absl::StatusCode::kFailedPrecondition),
            "block 1 gets 6 bits, which export_format gptq_v2 cannot hold; compressed_tensors, fake_quant, gguf, "
            "gguf_q4_1 or none can");
  options = {.use_mixed_precision = true, .mpq_group_size = "by_score"};
  PolicyInputs narrow = InputsOf({1, 0});
  narrow.block_shapes[1] = {{.out_features = 32, .in_features = 192}};
  EXPECT_EQ(Refused(options, narrow),
            "block 1 gets group_size 256, which does not divide the inputs of all its linears");
}

TEST(PlanBlocksTest, BadScoresAndUnknownNamesAreRefused) {
  const PartialRecipe sgra{.use_adaptive_training = true};
  EXPECT_THAT(Refused(sgra, InputsOf({1, NAN})), HasSubstr("block 1 is nan"));
  EXPECT_THAT(Refused(sgra, InputsOf({-1, 1})), HasSubstr("block 0 is -1"));
  PolicyInputs inputs = InputsOf({1, 2});
  inputs.scores.push_back(3);
  EXPECT_THAT(Refused(sgra, inputs), HasSubstr("3 sensitivity scores for a model of 2 blocks"));
  inputs.scores.clear();
  EXPECT_THAT(Refused(sgra, inputs), HasSubstr("no sensitivity score"));
  EXPECT_THAT(Refused({.use_adaptive_training = true, .policy_semantics = "author"}, InputsOf({1, 1e39})),
              HasSubstr("computes in float32"));
  EXPECT_THAT(Refused({.block_grouping = "0"}, InputsOf({1})), HasSubstr("a number of blocks from 1 on, or similar"));
  EXPECT_THAT(Refused({.use_mixed_precision = true, .target_avg_bits = 1.5}, InputsOf({1})),
              HasSubstr("adaptive it can be from 2 to 8"));
  EXPECT_THAT(Refused({}, PolicyInputs()), HasSubstr("no block"));
}

TEST(PlanBlocksTest, BlocksThatBlockBitsNamesHaveTheseBitsAndTheOthersWbits) {
  PolicyInputs inputs = InputsOf({});
  inputs.block_shapes.assign(4, {kLinear});
  const PolicyPlan plan = Planned({.wbits = 2, .block_bits = "3:8, 1:4"}, inputs);
  std::vector<int> bits;
  for (const BlockPlan& block : plan.blocks) bits.push_back(block.bit_width);
  EXPECT_THAT(bits, ElementsAre(2, 4, 2, 8));
  EXPECT_EQ(plan.average_bits, 4);
  EXPECT_EQ(Refused({.block_bits = "4:2"}, inputs),
            "block_bits has block 4, but the model has 4 blocks, the last is 3");
  EXPECT_EQ(Refused({.block_bits = "1:7"}, inputs), "block_bits has 7 for block 1, can have 2, 3, 4, 5, 6, 8");
  EXPECT_EQ(Refused({.block_bits = "1:2,1:3"}, inputs), "block_bits has block 1 twice");
  for (const char* text : {"1", "1:", "1:2,", "-1:2", "1:2:3", "a:2", ",", ""}) {
    EXPECT_THAT(Refused({.block_bits = text}, inputs), HasSubstr("give LAYER:BITS")) << text;
  }
  EXPECT_THAT(Refused({.use_mixed_precision = true, .block_bits = "1:3"}, InputsOf({1, 2})),
              HasSubstr("block_bits says the bits that use_mixed_precision would choose"));
  EXPECT_EQ(Refused({.block_bits = "1:5", .export_format = "gptq_v2"}, inputs, absl::StatusCode::kFailedPrecondition),
            "block 1 gets 5 bits, which export_format gptq_v2 cannot hold; compressed_tensors, fake_quant, gguf, "
            "gguf_q4_1 or none can");
}

TEST(PlanBlocksTest, TheShapesOfAModelAreItsSevenLinearsPerBlock) {
  const LlamaConfig model = testing::TinyConfig(3);
  const std::vector<std::vector<LinearShape>> shapes = BlockShapesOf(model);
  ASSERT_THAT(shapes, SizeIs(3));
  int64_t weights = 0;
  for (const LinearShape& linear : shapes[2]) weights += linear.in_features * linear.out_features;
  EXPECT_EQ(weights, BlockLinearParameters(model));
}

}  // namespace
}  // namespace lwq::coordinator
