// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/recipe/scale_training.h"

#include <algorithm>
#include <cmath>

#include "common/recipe/method.h"

namespace lwq::coordinator {
namespace {

constexpr int64_t kSegmentTokens = 131072;

}  // namespace

bool TrainsScales(const Recipe& recipe) {
  return recipe.e2e_qp && TraitsOf(recipe.method).quantizes;
}

int64_t ScaleTrainingSteps(const Recipe& recipe) {
  const int64_t batches = (recipe.e2e_train_size + recipe.e2e_batch_size - 1) / recipe.e2e_batch_size;
  return std::llround(recipe.e2e_epochs * static_cast<double>(batches));
}

int64_t SegmentSteps(const Recipe& recipe) {
  const int64_t windows = std::max<int64_t>(1, kSegmentTokens / std::max<int64_t>(1, recipe.e2e_seqlen));
  return std::max<int64_t>(1, windows / recipe.e2e_batch_size);
}

}  // namespace lwq::coordinator
