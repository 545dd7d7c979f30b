// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/policy/training_policy.h"

#include "gtest/gtest.h"

namespace lwq::coordinator {
namespace {

const TrainingSettings kBaseSettings{.epochs = 2, .quant_lr = 1e-4, .zp_lr = 1e-3, .weight_lr = 2e-5, .patience = 0};

TEST(TrainingPolicyTest, AdaptiveEpochsAddAQuarterAtMostAndKeepTheFraction) {
  std::vector<TrainingSettings> units(3, kBaseSettings);
  ApplyAdaptiveEpochs({0, 0.5, 1}, units);
  EXPECT_EQ(units[0].epochs, 2);
  EXPECT_EQ(units[1].epochs, 2.25);
  EXPECT_EQ(units[2].epochs, 2.5);
  ApplyAdaptiveEpochsOfAuthor({0, 0.5f, 1}, units);
  EXPECT_EQ(units[2].epochs, 3) << "2.5 · 1.25 truncated";
}

TEST(TrainingPolicyTest, SgraTrainsSensitiveUnitsLongerSlowerAndMorePatiently) {
  std::vector<TrainingSettings> units(2, kBaseSettings);
  ApplySgra({0, 0.25}, units);
  EXPECT_EQ(units[0].epochs, 2);
  EXPECT_EQ(units[0].quant_lr, 1e-4);
  EXPECT_EQ(units[0].patience, 2);
  EXPECT_EQ(units[1].epochs, 3);
  EXPECT_DOUBLE_EQ(units[1].quant_lr, 1e-4 / 1.125);
  EXPECT_DOUBLE_EQ(units[1].zp_lr, 1e-3 / 1.125);
  EXPECT_DOUBLE_EQ(units[1].weight_lr, 2e-5 / 1.125);
  EXPECT_EQ(units[1].patience, 2.75);
}

TEST(TrainingPolicyTest, TheAuthorsSgraTruncatesAndTakesATenthOfQuantLrForTheWeights) {
  std::vector<TrainingSettings> units(1, kBaseSettings);
  ApplySgraOfAuthor({0.25f}, units);
  EXPECT_EQ(units[0].epochs, 3);
  EXPECT_EQ(units[0].patience, 2);
  EXPECT_NEAR(units[0].weight_lr, 1e-5 / 1.125, 1e-11);
}

TEST(TrainingPolicyTest, JointBoostsByTheWidthOnAFixedScale) {
  std::vector<TrainingSettings> units(3, kBaseSettings);
  ApplyJoint({2, 5, 8}, units);
  EXPECT_EQ(units[0].epochs, 2);
  EXPECT_EQ(units[0].patience, 0);
  EXPECT_DOUBLE_EQ(units[1].epochs, 2.3);
  EXPECT_EQ(units[1].patience, 2);
  EXPECT_DOUBLE_EQ(units[2].epochs, 2.6);
  EXPECT_DOUBLE_EQ(units[2].weight_lr, 2e-5 * 1.2);
}

TEST(TrainingPolicyTest, TheAuthorsJointBoostsByTheWidthsOfThisModel) {
  std::vector<TrainingSettings> units(2, kBaseSettings);
  ApplyJointOfAuthor({3, 4}, units);
  EXPECT_EQ(units[0].epochs, 2);
  EXPECT_EQ(units[1].epochs, 2) << "2 · 1.3 truncated";
  EXPECT_EQ(units[1].patience, 2) << "4 bits are this model's widest";
  std::vector<TrainingSettings> uniform(2, kBaseSettings);
  ApplyJointOfAuthor({4, 4}, uniform);
  EXPECT_EQ(uniform[0].patience, 0);
}

}  // namespace
}  // namespace lwq::coordinator
