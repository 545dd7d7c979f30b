// SPDX-License-Identifier: Apache-2.0
#include "common/task/task_kind.h"

#include <cctype>
#include <set>
#include <string>

#include "common/task/task_outputs.h"
#include "common/task/task_params.h"
#include "gtest/gtest.h"

namespace lwq {
namespace {

// "kTrainBlock" → "train_block".
std::string NameOf(std::string_view enumerator) {
  std::string name;
  for (const char c : enumerator.substr(1)) {
    if (std::isupper(static_cast<unsigned char>(c)) != 0 && !name.empty()) name += '_';
    name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return name;
}

TEST(TaskKindTest, EveryKindIsNamedAsItsEnumeratorAndParsesFromItsName) {
  std::set<TaskKind> kinds;
#define LWQ_TASK_KIND(enumerator, word, number, Params, outputs, arithmetic, main_rank) \
  EXPECT_EQ(TaskKindName(TaskKind::enumerator), NameOf(#enumerator));                   \
  EXPECT_EQ(*ParseTaskKind(word), TaskKind::enumerator);                                \
  EXPECT_GE(TraitsOf(TaskKind::enumerator).version, 1);                                 \
  kinds.insert(TaskKind::enumerator);
#include "common/task/task_kinds.inc"
  EXPECT_EQ(kinds.size(), AllTaskKinds().size());
  EXPECT_FALSE(ParseTaskKind("train_blocks").ok());
}

TEST(TaskKindTest, NoTwoKindsHaveTheSameMainRank) {
  std::set<int> ranks;
  for (const TaskKindTraits& traits : AllTaskKinds()) {
    EXPECT_TRUE(traits.main_rank == 0 || ranks.insert(traits.main_rank).second) << traits.name;
  }
}

TEST(TaskKindTest, ActivationsGradientsLatentWeightsAndStatesAreDisposableAndNothingElse) {
  std::set<std::string> disposable;
  for (const TaskKindTraits& traits : AllTaskKinds()) {
    for (const OutputTraits& output : traits.outputs.roles) {
      if (output.disposable) disposable.insert(std::string(traits.name) + "." + std::string(output.role));
      EXPECT_EQ(IsDisposable(traits.kind, output.role), output.disposable) << traits.name;
    }
    EXPECT_FALSE(IsDisposable(traits.kind, "nonsense")) << traits.name;
  }
  EXPECT_EQ(disposable, (std::set<std::string>{"advance.activations", "backward_block.gradient_sum",
                                               "backward_block.gradients", "embed.activations",
                                               "evaluate_reference.hidden", "fit_rounding.latent", "gptq_block.latent",
                                               "loss_gradient.gradients", "train_block.latent", "train_scales.state"}));
  EXPECT_TRUE(IsDisposable(TaskKind::kTrainBlock, "latent.2"));
  EXPECT_FALSE(IsDisposable(TaskKind::kTrainBlock, "block.1"));
}

TEST(TaskOutputsTest, ATrainingHasARoleForEveryBlockOfItsUnit) {
  TrainBlockParams params;
  params.rest = {{.bits = 3, .group_size = 64}};
  EXPECT_EQ(*OutputRoles(TaskKind::kTrainBlock, params.ToJson()), (std::vector<std::string>{"block", "block.1"}));
  params.keep_latent = true;
  EXPECT_EQ(*OutputRoles(TaskKind::kTrainBlock, params.ToJson()),
            (std::vector<std::string>{"block", "block.1", "latent", "latent.1"}));
}

TEST(TaskOutputsTest, WhatQuantizesABlockAloneLeavesLatentWeightsWhereATrainingWillStartFromThem) {
  const auto roles = [](TaskKind kind, const Json& params) { return *OutputRoles(kind, params); };
  GptqBlockParams gptq;
  FitRoundingParams fit;
  EXPECT_EQ(roles(TaskKind::kGptqBlock, gptq.ToJson()), std::vector<std::string>{"block"});
  EXPECT_EQ(roles(TaskKind::kFitRounding, fit.ToJson()), std::vector<std::string>{"block"});
  gptq.keep_latent = fit.keep_latent = true;
  EXPECT_EQ(roles(TaskKind::kGptqBlock, gptq.ToJson()), (std::vector<std::string>{"block", "latent"}));
  EXPECT_EQ(roles(TaskKind::kFitRounding, fit.ToJson()), (std::vector<std::string>{"block", "latent"}));
}

TEST(TaskOutputsTest, ASegmentLeavesAStateAndTheLastOneEveryBlock) {
  TrainScalesParams params{.blocks = 3, .first_step = 0, .steps = 4, .total_steps = 9};
  EXPECT_EQ(*OutputRoles(TaskKind::kTrainScales, params.ToJson()), std::vector<std::string>{"state"});
  params.first_step = 5;
  EXPECT_EQ(*OutputRoles(TaskKind::kTrainScales, params.ToJson()),
            (std::vector<std::string>{"block", "block.1", "block.2"}));
}

TEST(TaskOutputsTest, AKindWhoseParametersDecideRefusesThoseOfAnother) {
  EXPECT_EQ(*OutputRoles(TaskKind::kTokenize, Json::object()), std::vector<std::string>{"tokens"});
  EXPECT_EQ(*OutputRoles(TaskKind::kReducePpl, Json::object()), std::vector<std::string>());
  EXPECT_FALSE(OutputRoles(TaskKind::kTrainBlock, EmbedParams().ToJson()).ok());
}

}  // namespace
}  // namespace lwq
