// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/recipe/scale_search.h"

#include <algorithm>

#include "coordinator/plan/recipe/group_size.h"

namespace lwq::coordinator {
namespace {

constexpr int64_t kErrorTokens = 4096;
constexpr int64_t kSteps = 20;  // as AWQ

}  // namespace

bool Prepares(const Recipe& recipe) {
  return recipe.prepare == Preparation::kAwq;
}

int64_t ScaleErrorSamples(const Recipe& recipe) {
  const int64_t windows = (kErrorTokens + recipe.training_seqlen - 1) / recipe.training_seqlen;
  return std::max<int64_t>(1, std::min(windows, recipe.train_size));
}

SearchScalesParams ScaleSearchOf(const Recipe& recipe, const LlamaConfig& model, int64_t block) {
  return {.block = block,
          .samples = recipe.train_size,
          .error_samples = ScaleErrorSamples(recipe),
          .bits = kScaleSearchBits,
          .group_size = DefaultGroupSize(model),
          .steps = kSteps,
          .sym = recipe.sym};
}

}  // namespace lwq::coordinator
