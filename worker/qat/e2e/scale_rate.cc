// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <numbers>

#include "worker/qat/api/train_scales.h"

namespace lwq::qat {

double ScaleLearningRate(double lr, double warmup_ratio, int64_t step, int64_t steps) {
  const auto warmup = static_cast<int64_t>(std::ceil(warmup_ratio * static_cast<double>(steps)));
  if (step < warmup) return lr * static_cast<double>(step + 1) / static_cast<double>(warmup);
  const double done = static_cast<double>(step - warmup) / static_cast<double>(steps - warmup);
  return lr * (1 + std::cos(std::numbers::pi * done)) / 2;
}

}  // namespace lwq::qat
